"""The task: everything a Director and its operators may see, and nothing a grader keeps to itself."""

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from flowsteer.unicode import refuse_unsound

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

    def __post_init__(self) -> None:
        refuse_unsound(
            (self.question, self.context, self.id, self.prompt_code, self.entry_point or "", self.answer_form),
            "the task",
        )

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


_TESTS: dict[str, type[PublicTests]] = {kind.__name__: kind for kind in (AssertTests, StdioTests, CallTests)}


def task_to_json(task: Task) -> dict[str, Any]:
    """The task as plain JSON values; fields that are empty are left out.

    >>> task_to_json(Task("1 + 1?", "math"))
    {'question': '1 + 1?', 'type': 'math'}
    """
    plain = {name: value for name, value in asdict(task).items() if value}
    if task.public_tests is not None:
        plain["public_tests"] = {"kind": type(task.public_tests).__name__} | plain["public_tests"]
    return plain


def task_from_json(plain: dict[str, Any]) -> Task:
    """The inverse of `task_to_json`.

    Raises:
        KeyError: If the kind of public tests is unknown.
        TypeError: If a field is missing or unknown.
    """
    tests = plain.get("public_tests")
    if tests is None:
        return Task(**plain)
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in tests.items()}
    return Task(**plain | {"public_tests": _TESTS[values.pop("kind")](**values)})
