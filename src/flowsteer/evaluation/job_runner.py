"""The runner: any number of episodes, so many at once, committed one by one, and never run twice."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from flowsteer.datasets.base import Sample
from flowsteer.errors import BudgetExceeded, RunError
from flowsteer.evaluation.episodes import Job, run_job, settled
from flowsteer.evaluation.progress import OnProgress, Progress, quietly
from flowsteer.evaluation.systems import System
from flowsteer.grading.connect import GradeAnswer
from flowsteer.runs.config import CONFIG
from flowsteer.runs.events import stop_at_faults
from flowsteer.runs.failure import UNEXPECTED
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.session import Session
from flowsteer.usage import NO_USAGE, Usage

GRADERS = 2
"""Gradings at once: they take a CPU each, where runs mostly wait for an LLM."""

TRIALS = "validation"
"""The run folder, inside a run's, of the workflows that designers tried out; paid from the same budget."""

MAX_ERRORS = 10
"""So many infrastructure errors in a row mean that something is down: the rest would only fail as well."""


class JobEngine(Protocol):
    """Where episodes run."""

    @property
    def width(self) -> int:
        """Episodes in flight at most."""
        ...

    async def run(self, job: Job) -> EpisodeSummary:
        """Run, grade and commit one episode; its summary.

        Raises:
            BackendUnavailable: A backend is gone; nothing is committed.
            SandboxError: The sandbox broke; nothing is committed.
            BudgetExceeded: The budget is spent; nothing is committed.
        """
        ...


class LocalEngine:
    """Runs episodes in this process, `concurrency` at once; answers are graded while others are being made.

    Args:
        session: What is connected.
        folder: Where episodes are committed; each is written down as it happens.
        grade: The grader.
        concurrency: Systems at work at once.
        fail_fast: Whether a fault of an operator's or a grader's own code ends the run.
    """

    def __init__(
        self, session: Session, folder: RunFolder, grade: GradeAnswer, concurrency: int, fail_fast: bool = False
    ) -> None:
        self._session = session
        self._folder = folder
        self._grade = grade
        self._fail_fast = fail_fast
        self._running = asyncio.Semaphore(concurrency)
        self._grading = asyncio.Semaphore(GRADERS)
        self.width = concurrency + GRADERS

    async def run(self, job: Job) -> EpisodeSummary:
        """See `JobEngine.run`."""
        writer = self._folder.begin(job.id)
        emit = stop_at_faults(writer.emit) if self._fail_fast else writer.emit
        try:
            summary = await run_job(self._session, job, self._grade, emit, self._running, self._grading)
        except BaseException:  # a cancellation, too, leaves no file open
            writer.abandon()
            raise
        writer.commit(summary)
        return summary


def jobs_of(
    systems: Mapping[str, Sequence[System]], tasks: Mapping[str, Sequence[Sample]], epochs: int, seed: int
) -> Iterator[Job]:
    """All episodes, in an order that keeps a run that stops early balanced: a task of each dataset, by all systems.

    Args:
        systems: The systems for each dataset.
        tasks: The samples of each dataset.
        epochs: Repetitions; epoch e draws as the first would with seed + e.
        seed: Seed of the first epoch.
    """
    longest = max(map(len, tasks.values()), default=0)
    for epoch in range(epochs):
        for index in range(longest):
            for dataset, samples in tasks.items():
                if index < len(samples):
                    for system in systems[dataset]:
                        yield Job(system, dataset, samples[index], epoch, seed + epoch)


async def run_jobs(
    jobs: Sequence[Job], engine: JobEngine, folder: RunFolder, on_progress: OnProgress = quietly
) -> Progress:
    """Run every job that the folder does not hold yet.

    An episode counts as held if its task has the same content; the folder's configuration holds the settings. A spent
    budget ends the run: what is in flight is finished if it can be, what is done is kept. An episode that broke off, by
    a failure of infrastructure or a fault of a system's own code, is written to `errors.jsonl` and not committed, so
    that the next start tries it again.

    Args:
        jobs: The episodes.
        engine: Where they run.
        folder: Where they are committed.
        on_progress: Called once at the start, and after each episode.
    """
    progress = Progress(len(jobs))
    missing = _resume(jobs, folder, progress)
    on_progress(progress)
    waiting, in_a_row = iter(missing), 0

    async def work() -> None:
        nonlocal in_a_row
        for job in waiting:
            if progress.stopped:
                return
            try:
                summary = await settled(job, engine.run(job))
            except BudgetExceeded as error:
                progress.stopped = error.message
            else:
                in_a_row = _booked(summary, job, folder, progress, in_a_row)
            on_progress(progress)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(engine.width, len(missing))):
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # one mistake, told once
    return progress


def _booked(summary: EpisodeSummary, job: Job, folder: RunFolder, progress: Progress, in_a_row: int) -> int:
    """Count an episode; how many in a row infrastructure has broken off by now."""
    if summary.lost is None:
        progress.book(summary)
        return 0
    folder.lose(job.id, summary)
    progress.lose(summary)
    if summary.lost.kind == UNEXPECTED:
        return in_a_row
    if in_a_row + 1 >= MAX_ERRORS:
        progress.stopped = f"{in_a_row + 1} infrastructure errors in a row, the last: {summary.lost.message}"
    return in_a_row + 1


def _resume(jobs: Sequence[Job], folder: RunFolder, progress: Progress) -> list[Job]:
    """Count the episodes that the folder holds on the same content; those it does not hold."""
    missing: list[Job] = []
    for job in jobs:
        entry = folder.entries.get(job.id)
        if entry is None or entry.summary.digest != job.sample.task.digest:
            missing.append(job)
        else:
            progress.book(entry.summary, resumed=True)
    return missing


def spent_before(folder: RunFolder) -> Usage:
    """What episodes and notes tell of what was paid, for a run whose earlier starts kept no account of it.

    That is more than was paid for what came from the cache, and less for what broke off.
    """
    trials = folder.path / TRIALS
    return _told(folder) + (_told(RunFolder.read(trials)) if (trials / CONFIG).is_file() else NO_USAGE)


def _told(folder: RunFolder) -> Usage:
    told = [entry.summary for entry in folder.entries.values()]
    calls = sum(one.calls for one in told) + sum(_calls_of(name, note) for name, note in folder.notes.items())
    tokens = sum(one.director_tokens + one.executor_tokens for one in told)
    return Usage(calls, tokens, 0, 0.0, sum((one.cost or 0.0 for one in told), 0.0))


def _calls_of(name: str, note: Mapping[str, Any]) -> int:
    """Calls that a note says were made for it.

    Raises:
        RunError: It says something else there.
    """
    calls = note.get("calls", 0)
    if not isinstance(calls, int):
        raise RunError(f"the note {name} of the run is damaged: calls is {calls!r}", "take its line out of notes.jsonl")
    return calls
