"""One episode of an evaluation: a system on a task, its grade, and the summary that reports are made of."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from flowsteer.datasets.base import Sample
from flowsteer.evaluation.systems import System
from flowsteer.grading.base import Grade
from flowsteer.runs.events import EditRejected, Emit, EpisodeEnded, Event, Graded, NodeRan
from flowsteer.session import Session
from flowsteer.usage import Usage
from flowsteer.workflow.facts import facts

JSON = dict[str, Any]
GradeAnswer = Callable[[Sample, str], Awaitable[Grade]]
"""Grades one answer; what it cannot decide has no score."""

REJECTED, UNREAD = "rejected edit", "no action"
"""Kinds of failure that are the Director's: an action the canvas refused, and a reply that is no action."""


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
) -> JSON:
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
    failures: Counter[str] = Counter()

    def watch(event: Event) -> None:
        match event:
            case NodeRan(failure=failure) if failure is not None:
                failures[failure.kind] += 1
            case EditRejected(parsed=parsed):
                failures[REJECTED if parsed else UNREAD] += 1
        emit(event)

    async with running:
        ended = await job.system.run(session, job.sample.task, watch, job.id, job.seed)
    async with grading:
        given = await grade(job.sample, ended.answer)
    emit(Graded(given.score, dict(given.metrics), given.reason))
    return identity(job) | outcome(ended, session) | graded(given) | {"failures": dict(failures), "error": None}


def identity(job: Job) -> JSON:
    """What an episode's summary says before it has run."""
    task = job.sample.task
    return {
        "system": job.system.name,
        "dataset": job.dataset,
        "type": task.type,
        "task": task.id,
        "digest": task.digest,
        "epoch": job.epoch,
        "seed": job.seed,
    }


def graded(grade: Grade) -> JSON:
    """The grade's part of a summary."""
    return {"score": grade.score, "metrics": dict(grade.metrics), "reason": grade.reason}


def outcome(ended: EpisodeEnded, session: Session) -> JSON:
    """The run's part of a summary: figures from the last event and the workflow in it."""
    used: Usage = ended.director_usage + ended.executor_usage
    counted = facts(ended.workflow, session.library.categories)
    return {
        "answer": ended.answer,
        "finished": ended.finished,
        "turns": ended.turns,
        "director_tokens": ended.director_usage.tokens,
        "executor_tokens": ended.executor_usage.tokens,
        "calls": used.calls,
        "cost": used.cost,
        "seconds": ended.seconds,
        "dsl": ended.dsl,
        "operators": dict(counted.operators),
        "structures": {"parallel": counted.parallels, "conditional": counted.conditionals, "loop": counted.loops},
    }


def lost(job: Job, error: Exception) -> JSON:
    """The summary of an episode that infrastructure broke off; it holds no figure, and belongs to no mean."""
    nothing: JSON = {
        "answer": "",
        "score": None,
        "metrics": {},
        "reason": "",
        "finished": None,
        "turns": 0,
        "director_tokens": 0,
        "executor_tokens": 0,
        "calls": 0,
        "cost": None,
        "seconds": 0.0,
        "dsl": "",
        "operators": {},
        "structures": {},
        "failures": {},
    }
    return identity(job) | nothing | {"error": f"{type(error).__name__}: {error}"}
