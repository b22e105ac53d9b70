"""An autopsy from the folder to the verdicts: the one function behind `flowsteer autopsy`."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError
from flowsteer.training.autopsy.evidence import Evidence, gather
from flowsteer.training.autopsy.training_record import read_training
from flowsteer.training.autopsy.verdicts import RunVerdict, judge

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Autopsy:
    """Why a policy learned what it learned.

    Attributes:
        evidence: What the run shows.
        verdicts: What is wrong with it.
    """

    evidence: Evidence
    verdicts: tuple[RunVerdict, ...]

    def to_json(self) -> JSON:
        """All of it as plain JSON values."""
        return asdict(self.evidence) | {"verdicts": [asdict(verdict) for verdict in self.verdicts]}


def examine(path: Path) -> Autopsy:
    """Examine the folder of a training run; it may be under way.

    Args:
        path: The run folder.

    Raises:
        RunError: It is no run folder, or that of another command.
    """
    evidence = gather(read_training(path))
    return Autopsy(evidence, judge(evidence))


def verdicts_of(path: Path) -> list[JSON]:
    """The verdicts on a run as plain JSON values, for its result; none if its folder cannot be read.

    Args:
        path: The run folder.
    """
    with suppress(RunError):
        return [asdict(verdict) for verdict in examine(path).verdicts]
    return []
