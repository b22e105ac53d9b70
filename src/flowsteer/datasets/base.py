"""A sample is a task and, apart from it, the reference that only graders receive (invariant 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowsteer.task import PublicTests, Task


@dataclass(frozen=True, slots=True)
class ProgramTests:
    """Hidden tests that are a program of their own around the answer, as in DS-1000.

    Attributes:
        code: The official test program. It contains the reference solution.
    """

    code: str


HiddenTests = PublicTests | ProgramTests
"""Hidden tests take the forms of public ones; the asserts of HumanEval and MBPP run after the answer's code."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What is right. Never shown to a Director, an operator or a log.

    Attributes:
        answers: Accepted answers; the empty string stands for "there is no answer". Empty for code tasks.
        solution: A program that is right, whole and ready to be graded; empty where the dataset has none.
        tests: The tests that decide on code; they contain the public ones where the dataset's own do.
        options: Values of a multiple-choice task by letter.
        meta: Where the row is from, and what its own verifier needs.
    """

    answers: tuple[str, ...] = ()
    solution: str = ""
    tests: HiddenTests | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Sizes only: a reference printed by accident must not give anything away."""
        return f"Reference({len(self.answers)} answers, tests={type(self.tests).__name__})"

    @property
    def gold(self) -> str | None:
        """One answer that must be graded right, or None where the dataset gives none."""
        if self.answers:
            return self.answers[0]
        return self.solution or None


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a dataset.

    Attributes:
        task: The question, which everybody sees.
        reference: What is right, which only graders see.
    """

    task: Task
    reference: Reference
