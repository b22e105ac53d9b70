"""What is compared: a system takes a task to an answer; all run through one executor and leave the same events."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol, runtime_checkable

from flowsteer.canvas.canvas import settings_for
from flowsteer.canvas.feedback import AMOUNTS, Told
from flowsteer.errors import ConfigError
from flowsteer.evaluation.baselines import with_baselines
from flowsteer.evaluation.no_prompts import WithoutPrompts
from flowsteer.operators.registry import load_library
from flowsteer.runs.events import UNDIRECTED, Emit, EpisodeEnded, EpisodeStarted
from flowsteer.session import Session
from flowsteer.task import Task
from flowsteer.workflow.nodes import Workflow, steps


@runtime_checkable
class System(Protocol):
    """Takes a task to an answer. Plain data: it can be sent to another process, and connects through the session."""

    @property
    def name(self) -> str:
        """The spec that names it in records and reports."""
        ...

    async def check(self, session: Session) -> None:
        """Find out before the first episode whether it can run.

        Raises:
            ConfigError: It cannot, such as for an operator that the library does not have.
            BackendUnavailable: Its Director cannot be reached.
        """
        ...

    async def run(self, session: Session, task: Task, emit: Emit, episode: str, seed: int) -> EpisodeEnded:
        """Work on one task, from `EpisodeStarted` to `EpisodeEnded`, both emitted.

        Args:
            session: What is connected.
            task: The task; no reference comes near a system.
            emit: Gets every event of the episode.
            episode: Its id.
            seed: Seed of every draw in it.

        Raises:
            BackendUnavailable: A backend is gone; nothing is made up.
            SandboxError: The sandbox broke.
            BudgetExceeded: The budget is spent.
        """
        ...


@dataclass(frozen=True, slots=True)
class WorkflowSystem:
    """Runs one workflow on every task: direct, cot, sc, refine, fixed, and what a search found.

    Attributes:
        name: Its spec.
        workflow: The workflow.
        temperature: At which its operators draw; None for the run's own.
        operators: The operator library it was mined with; empty where it was not.
    """

    name: str
    workflow: Workflow
    temperature: float | None = None
    operators: str = ""

    async def check(self, session: Session) -> None:
        """See `System.check`."""
        if self.operators:
            self._refuse_others(session)
        check_workflow(self.name, self.workflow, session)

    async def run(self, session: Session, task: Task, emit: Emit, episode: str, seed: int) -> EpisodeEnded:
        """See `System.run`."""
        started = perf_counter()
        emit(EpisodeStarted(episode, task, "", session.executor_backend.spec))
        own = with_baselines(seeded(session, seed, self.temperature))
        execution = await own.execute(self.workflow, task, emit)
        answer, seconds = execution.draft.answer, perf_counter() - started
        ended = EpisodeEnded.of(self.workflow, answer, UNDIRECTED, execution.usage, seconds)
        emit(ended)
        return ended

    def _refuse_others(self, session: Session) -> None:
        """Refuse a session whose operators are not those that the workflow was mined with, if only in name."""
        mined, here = load_library(self.operators).operators, session.library.operators
        if any(here.get(step.operator) != mined.get(step.operator) for step in steps(self.workflow.nodes)):
            raise ConfigError(
                f"{self.name} was mined with the operator library {self.operators}, and this run has "
                f"{session.setup.library}, whose operators of these names are others",
                f"--library {self.operators}",
            )


@dataclass(frozen=True, slots=True)
class DirectorSystem:
    """A Director that builds a workflow for each task on the canvas.

    Attributes:
        name: Its spec.
        director: Spec of the Director.
        feedback: What the canvas tells the Director; `status` is the ablation "without canvas".
        prompts: False drops every instruction the Director gives, and asks for none (the ablation "without prompts").
    """

    name: str
    director: str
    feedback: Told = "full"
    prompts: bool = True

    async def check(self, session: Session) -> None:
        """See `System.check`."""
        await session.connect_director(self.director)

    async def run(self, session: Session, task: Task, emit: Emit, episode: str, seed: int) -> EpisodeEnded:
        """See `System.run`.

        A request that the Director's LLM refuses ends the episode, and the workflow is scored as it stands.
        """
        director = await session.connect_director(self.director)
        asked = settings_for(session.setup.canvas, director)
        least = min(asked.feedback, self.feedback, key=AMOUNTS.index)
        settings = replace(asked, feedback=least).heard_by(director)
        setup = replace(session.setup, seed=seed, canvas=settings)
        if not self.prompts:
            director, setup = WithoutPrompts(director), replace(setup, canvas=replace(settings, two_step=False))
        seat = replace(session, setup=replace(setup, director=self.director), director=director)
        return (await seat.episode(task, emit, episode)).ended


def check_workflow(name: str, workflow: Workflow, session: Session) -> None:
    """Make sure that a workflow can run in a session.

    Raises:
        ConfigError: It is empty, or breaks a rule.
    """
    broken = with_baselines(session).broken(workflow)
    if broken or not workflow.nodes:
        raise ConfigError(
            f"{name} cannot run: {'; '.join(broken) or 'the workflow is empty'}",
            "flowsteer operators lists what exists",
        )


def seeded(session: Session, seed: int, temperature: float | None = None) -> Session:
    """The session with another seed, and its operators drawing at another temperature if one is given."""
    sampling = session.setup.executor_sampling
    if temperature is not None:
        sampling = replace(sampling, temperature=temperature)
    return replace(session, setup=replace(session.setup, seed=seed, executor_sampling=sampling))
