"""Designers choose one workflow for a dataset on validation tasks, before the first test task is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from flowsteer.errors import ConfigError
from flowsteer.evaluation.baselines import HAND_MADE
from flowsteer.session import Session
from flowsteer.task import Task
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Workflow, steps

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """A workflow on the validation tasks.

    Attributes:
        workflow: The workflow.
        score: Its mean score; unscorable tasks are left out.
        calls: Calls of the LLM it took.
    """

    workflow: Workflow
    score: float
    calls: int


class Bench(Protocol):
    """Where a designer tries workflows for one dataset. What has been tried is kept in the run and not run again."""

    @property
    def session(self) -> Session:
        """What is connected."""
        ...

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        ...

    @property
    def tasks(self) -> Sequence[Task]:
        """The validation tasks."""
        ...

    async def score(self, workflow: Workflow) -> Trial:
        """Score a workflow on the validation tasks.

        Raises:
            BackendUnavailable: A backend is gone, or the sandbox broke.
            BudgetExceeded: The budget is spent.
            GraderError: None of the tasks could be scored.
        """
        ...

    def recall(self, note: str) -> JSON | None:
        """What was noted under this name, now or before the run was broken off."""
        ...

    def keep(self, note: str, content: JSON) -> None:
        """Note something down under a name of its own."""
        ...


@runtime_checkable
class Designer(Protocol):
    """Chooses the workflow."""

    @property
    def name(self) -> str:
        """The spec that names it in records and reports."""
        ...

    @property
    def tasks(self) -> int:
        """How many validation tasks of each dataset it uses."""
        ...

    async def check(self, session: Session) -> None:
        """Find out before the first validation task whether it can work; errors are those of `System.check`."""
        ...

    async def design(self, bench: Bench) -> Workflow:
        """Choose the workflow for a dataset; errors are those of `Bench.score`."""
        ...


@dataclass(frozen=True, slots=True)
class FixedBest:
    """`fixed:best`: the best of the hand-made workflows on the validation tasks of each dataset; the first of equals.

    Attributes:
        tasks: Validation tasks used.
    """

    tasks: int
    name: str = "fixed:best"

    async def check(self, session: Session) -> None:
        """See `Designer.check`."""
        hand_made(session)

    async def design(self, bench: Bench) -> Workflow:
        """See `Designer.design`."""
        return (await best_hand_made(bench)).workflow


def hand_made(session: Session) -> list[Workflow]:
    """The hand-made workflows whose operators the session's library has.

    Raises:
        ConfigError: There is none.
    """
    known = session.library.operators
    workflows = map(parse_dsl, HAND_MADE)
    fitting = [workflow for workflow in workflows if all(step.operator in known for step in steps(workflow.nodes))]
    if not fitting:
        raise ConfigError(f"no hand-made workflow fits the library {session.library.name}", "use fixed:DSL")
    return fitting


async def best_hand_made(bench: Bench) -> Trial:
    """The best of the hand-made workflows, the first of equals."""
    trials = [await bench.score(workflow) for workflow in hand_made(bench.session)]
    return max(trials, key=lambda trial: trial.score)
