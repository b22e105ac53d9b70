"""For each simulated world whose types differ, a workflow for each type by somebody who knows the world's table.

A trained Director is measured against them. So they are as good as anything that the search of `benchmarks/worlds.py`
finds within the canvas of `examples/demo.toml`, only shorter; and they open the reward's gate on every task: six
operators run, a check, a structure and a Format.
"""

from collections.abc import Mapping

from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.errors import ConfigError
from flowsteer.task import TaskType


def _mended(start: str, check: str, repair: str) -> str:
    """Two loops, since a loop whose first check passes runs one operator only, and six are asked for."""
    return f"{start} -> ({check} -> {repair}) * 10 -> ({check} -> {repair}) * 10 -> Format"


BY_HAND: Mapping[str, Mapping[TaskType, str]] = {
    "typed": {
        "math": _mended("Plan -> Decompose -> Programmer", "Verify", "Programmer"),
        "qa": _mended("Plan -> Decompose -> AnswerGenerate", "Review", "AnswerGenerate"),
        "code": _mended("Plan -> Decompose -> Programmer", "Test", "Programmer"),
    },
    "typed-2": {
        "math": _mended("Plan -> Decompose -> Programmer", "Verify", "Programmer"),
        "qa": _mended("Custom -> Custom -> AnswerGenerate", "Review", "AnswerGenerate"),
        "code": _mended("Plan -> Decompose -> Programmer", "Test", "Programmer"),
    },
}
"""DSL by profile and type."""


def by_hand(executor: str) -> Mapping[TaskType, str]:
    """The workflow by hand for each type in the world of an executor.

    Args:
        executor: A spec, such as `simulated:typed-2`.

    Raises:
        ConfigError: There are none for this executor.

    >>> by_hand("simulated:typed")["code"]
    'Plan -> Decompose -> Programmer -> (Test -> Programmer) * 10 -> (Test -> Programmer) * 10 -> Format'
    """
    profile = SimulatedBackend.from_spec(executor).profile.name
    if profile not in BY_HAND:
        raise ConfigError(
            f"no workflows are written by hand for {executor!r}: its types do not differ",
            f"one of: {', '.join(f'simulated:{name}' for name in BY_HAND)}",
        )
    return BY_HAND[profile]
