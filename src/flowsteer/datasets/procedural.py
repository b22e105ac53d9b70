"""Procedural tasks without any download, from reasoning-gym (optional extra `procedural`).

Answers come in many forms, so each family's own verifier scores them; a task is right when it gives full marks.
Families about programs and rules of rewriting ask for a result in words, not for code, so their type is qa.
"""

from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from itertools import count
from typing import Any

from flowsteer.datasets.base import Reference, Sample
from flowsteer.errors import ConfigError
from flowsteer.task import Task, TaskType

FAMILIES: Mapping[str, TaskType] = {
    "basic_arithmetic": "math",
    "fraction_simplification": "math",
    "gcd": "math",
    "leg_counting": "math",
    "number_sequence": "math",
    "prime_factorization": "math",
    "products": "math",
    "simple_equations": "math",
    "calendar_arithmetic": "qa",
    "family_relationships": "qa",
    "knights_knaves": "qa",
    "letter_counting": "qa",
    "spell_backward": "qa",
    "syllogism": "qa",
    "word_sorting": "qa",
    "ab": "qa",
    "bf": "qa",
    "list_functions": "qa",
    "string_manipulation": "qa",
}
"""Families and their task types; the last four are about programs, in words."""

_BLOCK = 1000
"""Tasks are generated block-wise; a block is one reasoning-gym dataset of its own seed."""

_TENTHS = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}
"""Which tenths of all tasks, by the last digit of their digest, belong to each split."""


def procedural_samples(split: str, seed: int = 0, families: tuple[str, ...] = tuple(FAMILIES)) -> Iterator[Sample]:
    """Endless different samples, the families in turn.

    Args:
        split: `train`, `validation` or `test`. A task's own text decides where it belongs, so no seed mixes them.
        seed: Another seed, other tasks.
        families: Names of families.

    Raises:
        ConfigError: If a family or split is unknown or the extra is missing.
    """
    if split not in _TENTHS:
        raise ConfigError(f"procedural tasks have no split {split!r}", f"splits: {', '.join(_TENTHS)}")
    for family in families:
        if family not in FAMILIES:
            raise ConfigError(f"unknown procedural family {family!r}", f"families: {', '.join(FAMILIES)}")
    streams = [_family_samples(family, split, seed) for family in families]
    while True:
        for stream in streams:
            yield next(stream)


def _family_samples(family: str, split: str, seed: int) -> Iterator[Sample]:
    seen: set[str] = set()
    for number in count():
        sample = _sample(family, seed, number)
        digest = sample.task.digest
        if digest not in seen and int(digest, 16) % 10 in _TENTHS[split]:
            seen.add(digest)
            yield sample


def verify(reference: Reference, answer: str) -> float:
    """What the family's own verifier gives an answer, in [0, 1].

    Args:
        reference: Of a procedural sample.
        answer: The answer to score.
    """
    family = reference.meta["family"]
    return float(_dataset(family, reference.meta["seed"]).score_answer(answer, dict(reference.meta["entry"])))


def _sample(family: str, seed: int, number: int) -> Sample:
    block, index = divmod(number, _BLOCK)
    own_seed = seed * _BLOCK + block
    with redirect_stdout(StringIO()):  # A family prints its progress.
        entry = _dataset(family, own_seed)[index]
    task = Task(
        question=entry["question"].strip(),
        type=FAMILIES[family],
        id=f"procedural/{family}/{seed}/{number}",
        dataset="procedural",
        answer_form="the answer alone, in the form the question asks for",
    )
    meta = {"family": family, "seed": own_seed, "entry": entry}
    return Sample(task, Reference(answers=(str(entry["answer"]),), meta=meta))


@cache
def _dataset(family: str, seed: int) -> Any:
    try:
        import reasoning_gym
    except ImportError as error:
        raise ConfigError(
            "procedural tasks need the optional package reasoning-gym", "pip install 'flowsteer[procedural]'"
        ) from error
    return reasoning_gym.create_dataset(family, size=_BLOCK, seed=seed)
