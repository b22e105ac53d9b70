"""The one grader of training and evaluation, connected."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial

from flowsteer.datasets.base import Sample
from flowsteer.grading.base import Grade

GradeAnswer = Callable[[Sample, str], Awaitable[Grade]]
"""Grades one answer; only it sees the reference, and what it cannot decide has no score."""


@asynccontextmanager
async def open_grader() -> AsyncIterator[GradeAnswer]:
    """Connect the grader. Its sandboxes are its own: code is graded where no operator ran."""
    from flowsteer.grading.code import connect_sandboxes, grade_code
    from flowsteer.grading.grade import Grader

    async with aclosing(connect_sandboxes()) as sandboxes, Grader(partial(grade_code, sandboxes=sandboxes)) as grader:
        yield grader.grade
