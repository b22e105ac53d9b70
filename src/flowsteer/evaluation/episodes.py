"""One episode of an evaluation: a system on a task, its grade, and the summary that reports are made of."""

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from flowsteer.datasets.base import Sample
from flowsteer.errors import BackendUnavailable, FlowSteerError, SandboxError
from flowsteer.evaluation.systems import System
from flowsteer.grading.connect import GradeAnswer
from flowsteer.runs.events import Emit, Event, Graded
from flowsteer.runs.failure import failure_of, unexpected
from flowsteer.runs.summary import EpisodeSummary, Tally
from flowsteer.session import Session


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to run.

    Attributes:
        system: The system.
        dataset: The dataset's name in this run.
        sample: The sample.
        epoch: Which of the repetitions, from 0.
        seed: Seed of the epoch: repetitions differ by it alone, and systems share it.
    """

    system: System
    dataset: str
    sample: Sample
    epoch: int = 0
    seed: int = 0

    @property
    def id(self) -> str:
        """The episode's id in the run folder."""
        return f"{self.system.name}/{self.dataset}/{self.sample.task.id}/{self.epoch}"


Place = AbstractAsyncContextManager[Any]
"""Something to hold while at work, such as a semaphore."""

NOWHERE: Place = nullcontext()


async def run_job(
    session: Session, job: Job, grade: GradeAnswer, emit: Emit, running: Place = NOWHERE, grading: Place = NOWHERE
) -> EpisodeSummary:
    """Run one episode and grade its answer.

    Args:
        session: What is connected.
        job: The episode.
        grade: The grader; only it gets the reference.
        emit: Gets every event, the grade last.
        running: Held while the system runs.
        grading: Held while the answer is graded; `running` is free by then, so grading overlaps other runs.

    Returns:
        The summary.

    Raises:
        BackendUnavailable: A backend is gone.
        SandboxError: The sandbox broke.
        BudgetExceeded: The budget is spent.
    """
    tally = Tally()

    def watch(event: Event) -> None:
        tally.see(event)
        emit(event)

    async with running:
        ended = await job.system.run(session, job.sample.task, watch, job.id, job.seed)
    async with grading:
        given = await grade(job.sample, ended.answer)
    watch(Graded(given.score, dict(given.metrics), given.reason, given.failure))
    return tally.summary(job.system.name, job.dataset, job.epoch, job.seed, session.served)


async def settled(job: Job, playing: Awaitable[EpisodeSummary]) -> EpisodeSummary:
    """The summary of an episode, also of one that broke off.

    Args:
        job: The episode.
        playing: It is played by awaiting this.

    Raises:
        BudgetExceeded: The budget is spent.
        ConfigError: A setting does not fit, for this episode as for all others.
    """
    try:
        return await playing
    except (BackendUnavailable, SandboxError) as error:
        return lost(job, error)
    except FlowSteerError:
        raise
    except Exception as error:  # noqa: BLE001 - the one boundary of a system's own code: this episode is lost
        return lost(job, error)


def lost(job: Job, error: Exception) -> EpisodeSummary:
    """The summary of an episode that broke off; it holds no figure, and belongs to no mean.

    Args:
        job: The episode.
        error: Why: a failure of infrastructure, or a fault of a Director's or a system's own code.
    """
    task = job.sample.task
    failure = failure_of(error) if isinstance(error, FlowSteerError) else unexpected(error, f"system {job.system.name}")
    return EpisodeSummary(
        system=job.system.name,
        dataset=job.dataset,
        type=task.type,
        task=task.id,
        digest=task.digest,
        epoch=job.epoch,
        seed=job.seed,
        lost=failure,
    )
