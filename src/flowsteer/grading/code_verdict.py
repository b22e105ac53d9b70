"""What the tests of one code task said of one solution."""

from dataclasses import dataclass

from flowsteer.errors import GraderError
from flowsteer.grading.base import Grade

ALL, HIDDEN, EXACT = "pass@1", "pass@1_hidden", "pass@1_exact"
UNCROSSABLE = "uncrossable"
"""Names of the metrics: over all cases, without those that are public, where no number differs a little, and
which are wrong because what the solution returned has no form outside its process."""


class NotDecided(GraderError):
    """This sandbox, or the tests themselves, cannot decide; the solution is neither right nor wrong."""


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    """The outcome of a task's tests.

    Attributes:
        passed: Whether all cases passed.
        hidden: Whether all that are not public did; None where no case is public, or all are.
        exact: Whether all did without any number that differs a little; None where tests compare for themselves.
        crossed: Whether all that the solution returned could be carried to the tests.
        reason: Why a case failed, without what was expected.
    """

    passed: bool
    hidden: bool | None = None
    reason: str = ""
    exact: bool | None = None
    crossed: bool = True

    @property
    def grade(self) -> Grade:
        """The grade: right or wrong, never in between."""
        metrics = {"accuracy": float(self.passed), ALL: float(self.passed)}
        if self.hidden is not None:
            metrics[HIDDEN] = float(self.hidden)
        if self.exact is not None:
            metrics[EXACT] = float(self.exact)
        if not self.crossed:
            metrics[UNCROSSABLE] = 1.0
        return Grade(float(self.passed), metrics, self.reason)
