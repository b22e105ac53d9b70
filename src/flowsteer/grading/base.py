"""What a grader says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowsteer.runs.failure import Failure


@dataclass(frozen=True, slots=True)
class Grade:
    """The outcome of grading one answer.

    Attributes:
        score: In [0, 1]: 0 or 1 for math and code, token F1 for qa. None means unscorable: neither right nor wrong.
        metrics: Named values, such as `em` and `f1`.
        reason: Why it is unscorable or wrong, in words that give no gold answer away.
        failure: What went wrong in the grader's own code, if it was that.
    """

    score: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    failure: Failure | None = None


RIGHT = Grade(1.0, {"accuracy": 1.0})
"""What math and code graders give a right answer."""


def wrong(reason: str) -> Grade:
    """What math and code graders give a wrong answer."""
    return Grade(0.0, {"accuracy": 0.0}, reason)


def unscorable(reason: str) -> Grade:
    """What a grader gives that cannot decide."""
    return Grade(None, {}, reason)
