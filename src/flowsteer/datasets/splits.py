"""Splits that are disjoint by id and the same for the same seed, whatever the order or number of the other rows."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowsteer.datasets.base import Sample
from flowsteer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Splits:
    """Three disjoint lists of samples."""

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    test: tuple[Sample, ...]


def shuffled(samples: Iterable[Sample], seed: int = 0) -> list[Sample]:
    """The samples in an order that depends on seed and ids alone: a row more or less moves no other."""
    return sorted(samples, key=lambda sample: hashlib.sha256(f"{seed}/{sample.task.id}".encode()).digest())


def take(samples: Iterable[Sample], n: int | None, seed: int = 0) -> list[Sample]:
    """`n` samples drawn without replacement; all of them, in their own order, for None.

    Raises:
        ConfigError: If there are fewer than `n`, or two share an id.
    """
    rows = list(samples)
    _check_unique(rows)
    if n is None:
        return rows
    if n > len(rows):
        raise ConfigError(
            f"{n} samples were asked for, but there are only {len(rows)}", f"ask for {len(rows)} or fewer"
        )
    return shuffled(rows, seed)[:n]


def split(samples: Iterable[Sample], validation: int, test: int, seed: int = 0) -> Splits:
    """Cut one list into three disjoint ones.

    Args:
        samples: All samples; ids unique.
        validation: Size of the validation part.
        test: Size of the test part; the rest is for training.
        seed: Another seed, another cut.

    Raises:
        ConfigError: If there are too few samples or two share an id.
    """
    rows = list(samples)
    _check_unique(rows)
    if validation + test > len(rows):
        raise ConfigError(
            f"{validation} for validation and {test} for test need more than the {len(rows)} samples given"
        )
    order = shuffled(rows, seed)
    return Splits(tuple(order[validation + test :]), tuple(order[test : validation + test]), tuple(order[:test]))


def overlap(one: Iterable[Sample], other: Iterable[Sample]) -> list[str]:
    """Ids that two lists share, and ids whose task shows the same content as another id's; sorted."""
    ids, digests = set(), set()
    for sample in one:
        ids.add(sample.task.id)
        digests.add(sample.task.digest)
    return sorted({sample.task.id for sample in other if sample.task.id in ids or sample.task.digest in digests})


def check_disjoint(parts: Mapping[str, Sequence[Sample]]) -> None:
    """Make sure that no two parts share a task.

    Args:
        parts: Samples by the part's name, such as `train`.

    Raises:
        ConfigError: If two parts overlap; names them and some of the ids.
    """
    names = list(parts)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            if shared := overlap(parts[one], parts[other]):
                shown = ", ".join(shared[:3])
                raise ConfigError(
                    f"{one} and {other} share {len(shared)} tasks, such as {shown}",
                    "take them from different splits of the dataset, or cut one list with `split`",
                )


def _check_unique(samples: Sequence[Sample]) -> None:
    seen: set[str] = set()
    for sample in samples:
        if sample.task.id in seen:
            raise ConfigError(f"two samples have the id {sample.task.id!r}", "ids must be unique within a dataset")
        seen.add(sample.task.id)
