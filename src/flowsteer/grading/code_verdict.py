"""What the tests of one code task said of one solution."""

from dataclasses import dataclass

from flowsteer.errors import GraderError
from flowsteer.grading.base import Grade

ALL, HIDDEN = "pass@1", "pass@1_hidden"
"""Names of the metrics: over all cases, and without those that are public."""


class NotDecided(GraderError):
    """This sandbox, or the tests themselves, cannot decide; the solution is neither right nor wrong."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a task's tests.

    Attributes:
        passed: Whether all cases passed.
        hidden: Whether all that are not public did; None where no case is public, or all are.
        reason: Why a case failed, without what was expected.
    """

    passed: bool
    hidden: bool | None = None
    reason: str = ""

    @property
    def grade(self) -> Grade:
        """The grade: right or wrong, never in between."""
        metrics = {"accuracy": float(self.passed), ALL: float(self.passed)}
        if self.hidden is not None:
            metrics[HIDDEN] = float(self.hidden)
        return Grade(float(self.passed), metrics, self.reason)
