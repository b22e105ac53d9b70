"""From the record of designed runs to single observations: what came into a step, and what came out of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flowsteer.draft import Draft
from flowsteer.operators.registry import Library
from flowsteer.runs.events import NodeRan
from flowsteer.task import TaskType


@dataclass(frozen=True, slots=True)
class CountedStep:
    """One step of one run.

    Attributes:
        task: Digest of the task.
        type: Its type.
        operator: The step's operator.
        category: Its category.
        before: The answer that came in; empty if none did.
        after: The answer that went out.
        passed: What a check said; None where the step is no check, or failed.
        faulty: Whether a check had found a fault in what came in.
        planned: Whether a plan or sub-problems came in.
        candidates: The answers an ensemble chose from.
        calls: Replies of its LLM, also those that were known before.
        tokens: Tokens of these replies.
        seconds: Wall time.
        failed: Whether the step failed.
        asked: Keys of what its LLM was sent.
    """

    task: str
    type: TaskType
    operator: str
    category: str
    before: str
    after: str
    passed: bool | None
    faulty: bool
    planned: bool
    candidates: tuple[str, ...]
    calls: int
    tokens: int
    seconds: float
    failed: bool
    asked: tuple[str, ...]

    @property
    def answers(self) -> tuple[str, ...]:
        """Every answer that is to be graded."""
        return (self.before, self.after, *self.candidates)


def observed(task: str, kind: TaskType, ran: Iterable[NodeRan], library: Library) -> Iterator[CountedStep]:
    """The observations of one run of a designed workflow.

    Args:
        task: Digest of the task.
        kind: Its type.
        ran: The steps in the order in which they ended.
        library: The operators.
    """
    draft, candidates = Draft(), list[str]()
    for step in ran:
        operator = library.operators[step.operator]
        # Before an ensemble every solver is a branch of the one parallel, which starts from nothing.
        parallel = operator.category == "solving" and draft.answer and draft.verdict is None
        came = Draft(plan=draft.plan, subproblems=draft.subproblems) if parallel else draft
        went = came if step.failure is not None else came.merge(step.wrote, operator.writes)
        yield CountedStep(
            task,
            kind,
            step.operator,
            operator.category,
            came.answer,
            went.answer,
            went.verdict.passed if operator.category == "verification" and went.verdict and not step.failure else None,
            came.verdict is not None and not came.verdict.passed,
            bool(came.plan or came.subproblems),
            tuple(candidates) if operator.category == "ensemble" else (),
            step.usage.calls,
            step.usage.completion_tokens,
            step.seconds,
            step.failure is not None,
            step.requests,
        )
        if operator.category == "solving":
            candidates.append(went.answer)
        draft = went


def distinct(observations: Iterable[CountedStep]) -> list[CountedStep]:
    """Each observation once, the first time: runs that begin alike observe the same steps again, from the cache."""
    found = dict[tuple[object, ...], CountedStep]()
    for one in observations:
        found.setdefault((one.task, one.operator, one.asked, one.before, one.faulty, one.candidates), one)
    return list(found.values())
