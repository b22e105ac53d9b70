"""A Director's workflow without a run of it: its edits are checked, and no operator is called."""

from dataclasses import dataclass, replace
from time import perf_counter

from flowsteer.canvas.canvas import Canvas, rules_for
from flowsteer.canvas.episode import run_episode
from flowsteer.canvas.feedback import AMOUNTS
from flowsteer.draft import EMPTY
from flowsteer.evaluation.no_prompts import WithoutPrompts
from flowsteer.evaluation.systems import DirectorSystem, System, WorkflowSystem
from flowsteer.execution.executor import Execution, Executor, Seen
from flowsteer.runs.events import UNDIRECTED, Emit, EpisodeEnded, EpisodeStarted, ignore
from flowsteer.serving.refusals import RequestRefused
from flowsteer.session import Session, seed_of
from flowsteer.settings import part_of
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE
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
class DesignSystem:
    """A system that stops before its workflow runs.

    A Director is told `status` only, whether an edit was accepted: there are no results. Votes are not counted, since
    there are no answers.

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
            RequestRefused: The system has no turns to stop after.
        """
        started, system = perf_counter(), self.of
        if isinstance(system, WorkflowSystem):
            emit(EpisodeStarted(episode, task, "", session.executor_backend.spec))
            ended = EpisodeEnded.of(system.workflow, "", UNDIRECTED, NO_USAGE, perf_counter() - started)
            emit(ended)
            return ended
        if not isinstance(system, DirectorSystem):
            raise RequestRefused(400, "no_design", f"{system.name} cannot design only", "name another", param="model")
        director = await session.connect_director(system.director)
        asked = session.setup.canvas
        told = replace(asked, feedback=min(system.feedback, "status", key=AMOUNTS.index)).heard_by(director)
        if not system.prompts:
            director, told = WithoutPrompts(director), replace(told, two_step=False)
        idle = IdleExecutor(**part_of(session.executor(), Executor))
        rules = rules_for(task, session.library, told, tuple(session.roster))
        canvas = Canvas(task, idle, rules, told, emit, seed_of(seed, episode))
        return (await run_episode(canvas, director, emit, episode, session.executor_backend.spec)).ended
