"""One grader for training and evaluation: from a sample and an answer to a grade."""

from collections.abc import Awaitable, Callable
from types import TracebackType

from flowsteer.answers.thinking import without_thinking
from flowsteer.backends.base import Backend
from flowsteer.datasets.base import Sample
from flowsteer.datasets.procedural import verify
from flowsteer.errors import FlowSteerError, GraderError
from flowsteer.grading.base import RIGHT, Grade, unscorable, wrong
from flowsteer.grading.judge import with_judge
from flowsteer.grading.math import grade_integer, grade_math, grade_option
from flowsteer.grading.math_process import MathWorkers
from flowsteer.grading.qa import grade_qa
from flowsteer.runs.failure import unexpected

MAX_PROCEDURAL = 4000
"""A longer answer to a procedural task is wrong: its verifier might never come to an end of it."""

CodeGrader = Callable[[Sample, str], Awaitable[Grade]]
"""Grades code tasks by running their hidden tests."""


class Grader:
    """Grades answers. Safe to call concurrently from one event loop; an async context manager.

    Args:
        code: Grades code tasks; without it they are unscorable.
        judge: An LLM whose opinion is added as a metric of its own to qa and math grades; none by default.
        seconds: Longest time for one comparison of expressions.
    """

    def __init__(self, code: CodeGrader | None = None, judge: Backend | None = None, seconds: float = 10.0) -> None:
        self._code = code
        self._judge = judge
        self._workers = MathWorkers(seconds)

    async def grade(self, sample: Sample, answer: str) -> Grade:
        """Grade one answer by its dataset's rule.

        What a grader cannot decide is unscorable, with the reason: neither right nor wrong. A fault of the grader's own
        code is told in the grade's `failure`.

        Args:
            sample: The sample; its reference stays here.
            answer: What a workflow answered; empty for nothing.

        Raises:
            BackendUnavailable: The judge is gone.
        """
        if sample.reference.gold is None and sample.reference.tests is None:
            return unscorable("the sample has no reference")
        try:
            grade = await self._primary(sample, answer)
            if self._judge is not None and sample.task.type != "code":
                grade = await with_judge(grade, sample, answer, self._judge)
        except GraderError as error:
            return unscorable(str(error))
        except FlowSteerError:
            raise
        except Exception as error:  # noqa: BLE001 - the one boundary of a grader's code: this answer has no grade
            failure = unexpected(error, f"grader of {sample.task.dataset or sample.task.type}")
            return Grade(None, {}, f"the grader failed: {failure.message}", failure)
        return grade

    async def aclose(self) -> None:
        """End the worker processes."""
        await self._workers.aclose()

    async def __aenter__(self) -> "Grader":
        """The grader itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker processes."""
        await self.aclose()

    async def _primary(self, sample: Sample, answer: str) -> Grade:
        task, reference = sample.task, sample.reference
        if task.type == "code":
            return await self._code(sample, answer) if self._code else unscorable("no sandbox was given to grade code")
        if task.dataset == "procedural":
            return _procedural(sample, answer)
        if task.type == "qa":
            return grade_qa(reference.answers, answer, task.dataset)
        if task.dataset == "aime2025":
            return grade_integer(reference.answers[0], answer)
        if reference.options or task.dataset == "mathqa":
            return await grade_option(reference.answers[0], reference.options, answer, self._workers)
        return await self._any_of(reference.answers, answer)

    async def _any_of(self, accepted: tuple[str, ...], answer: str) -> Grade:
        """The first right one of several accepted math answers; wrong only if none failed to be decided."""
        failure: GraderError | None = None
        grade = wrong("there is no answer")
        for gold in accepted:
            try:
                grade = await grade_math(gold, answer, self._workers)
            except GraderError as error:
                failure = error
                continue
            if grade.score == 1.0:
                return grade
        if failure is not None:
            raise failure
        return grade


def _procedural(sample: Sample, answer: str) -> Grade:
    """Full marks of the family's own verifier are right; anything less is wrong, and the marks stay as a metric."""
    said = without_thinking(answer)
    try:
        marks = verify(sample.reference, said) if said and len(said) <= MAX_PROCEDURAL else 0.0
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        SyntaxError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        return wrong(f"the task's own verifier cannot read it: {type(error).__name__}")
    grade = RIGHT if marks >= 1.0 else wrong("the task's own verifier gives less than full marks")
    return Grade(grade.score, {**grade.metrics, "verifier": marks}, grade.reason)
