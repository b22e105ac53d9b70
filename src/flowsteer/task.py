"""The task: everything a Director and its operators may see, and nothing a grader keeps to itself."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

TaskType = Literal["math", "qa", "code"]


@dataclass(frozen=True)
class AssertTests:
    """Public tests as Python `assert` statements that call the solution by name."""

    code: str


@dataclass(frozen=True)
class StdioTests:
    """Public tests of a whole program: what it reads and what it must print, case by case."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class CallTests:
    """Public tests of one function: JSON texts of the argument list and of the expected result, case by case."""

    entry_point: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


PublicTests = AssertTests | StdioTests | CallTests


@dataclass(frozen=True)
class Task:
    """One question.

    A task holds no gold answer and no hidden test: those live in a dataset's reference record, which
    only graders receive. Nothing that takes a `Task` can therefore leak them (invariant 4).

    Attributes:
        question: The question or problem statement.
        type: `math`, `qa` or `code`; decides prompts, finish conditions and grading.
        context: Passages to answer from; empty if none.
        id: Stable id within its dataset; a digest of the content when not given.
        dataset: Name of the dataset, empty for a user's own question.
        entry_point: Name of the function a code task asks for.
        prompt_code: Code that stands before the completion (HumanEval's signature and docstring).
        public_tests: Tests that the Director and operators may run.
        answer_form: How the answer must look to be graded, in words, such as "one option letter".
    """

    question: str
    type: TaskType = "qa"
    context: str = ""
    id: str = ""
    dataset: str = ""
    entry_point: str | None = None
    prompt_code: str = ""
    public_tests: PublicTests | None = None
    answer_form: str = ""

    @cached_property
    def digest(self) -> str:
        """Hex digest of everything an operator can read from the task (its id and dataset are left out)."""
        seen = (
            self.question,
            self.type,
            self.context,
            self.entry_point,
            self.prompt_code,
            self.public_tests,
            self.answer_form,
        )
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]
