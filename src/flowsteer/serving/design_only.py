"""A Director's workflow without a run of it: its edits are checked, and no operator is called."""

from dataclasses import dataclass, replace

from flowsteer.canvas.feedback import AMOUNTS
from flowsteer.draft import EMPTY
from flowsteer.evaluation.systems import DirectorSystem, System, WorkflowSystem
from flowsteer.execution.executor import Execution, Executor, Seen
from flowsteer.execution.memo import Memo
from flowsteer.runs.events import Emit, EpisodeEnded, ignore
from flowsteer.serving.refusals import RequestRefused
from flowsteer.session import Session
from flowsteer.settings import part_of
from flowsteer.task import Task
from flowsteer.workflow.nodes import Workflow


@dataclass(frozen=True, slots=True)
class IdleExecutor(Executor):
    """Runs nothing."""

    async def run(
        self, workflow: Workflow, task: Task, emit: Emit = ignore, turn: int = 0, seen: Seen | None = None
    ) -> Execution:
        """See `Executor.run`."""
        return Execution(EMPTY, (), (), {})


@dataclass(frozen=True, slots=True)
class IdleSession(Session):
    """A session in which nothing runs."""

    def executor(self, memo: Memo | None = None) -> Executor:
        """See `Session.executor`."""
        return IdleExecutor(**part_of(Session.executor(self, memo), Executor))


@dataclass(frozen=True, slots=True)
class DesignSystem:
    """A system that stops before its workflow runs.

    A Director is told `status` only, whether an edit was accepted: there are no results. Of several episodes that are
    to vote the first is taken, since there are no answers.

    Attributes:
        of: The system.
    """

    of: System

    @property
    def name(self) -> str:
        """See `System.name`."""
        return f"design only: {self.of.name}"

    async def check(self, session: Session) -> None:
        """See `System.check`."""
        await self.of.check(session)

    async def run(self, session: Session, task: Task, emit: Emit, episode: str, seed: int) -> EpisodeEnded:
        """See `System.run`.

        Raises:
            RequestRefused: The system is neither a workflow nor a Director that builds one.
        """
        system = self.of
        if isinstance(system, DirectorSystem):
            system = replace(system, feedback=min(system.feedback, "status", key=AMOUNTS.index))
        elif not isinstance(system, WorkflowSystem):
            raise RequestRefused(400, "no_design", f"{system.name} cannot design only", "name another", param="model")
        return await system.run(IdleSession(**part_of(session, Session)), task, emit, episode, seed)
