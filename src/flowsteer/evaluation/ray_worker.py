"""A worker process of Ray: a session of its own, a grader, and episodes that it hands in by batches."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from flowsteer.backends.llamacpp import LlamaAddress
from flowsteer.errors import BackendUnavailable, FlowSteerError
from flowsteer.evaluation.episodes import Job, run_job, settled
from flowsteer.grading.connect import GradeAnswer, open_grader
from flowsteer.runs.event_json import event_line
from flowsteer.runs.events import Event
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.session import Session, Setup, open_session
from flowsteer.usage import NO_USAGE, Usage

BATCH = 32
"""Most episodes that are handed in at once; half of what a worker has at once, if that is fewer: it stays at work."""

BATCH_SECONDS = 0.05
"""Longest that an episode which is over waits for others."""

ROUND_SECONDS = 5.0
"""Longest that a worker says nothing: it may have room for more."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An episode that a worker is done with.

    Attributes:
        episode: Its id.
        outcome: What is told of it, also of one that broke off; or why the run cannot go on.
        events: Its events, each an `event_line`.
        paid: What its worker has paid since the one before was over, whatever for.
    """

    episode: str
    outcome: EpisodeSummary | FlowSteerError
    events: list[str]
    paid: Usage = NO_USAGE


class Worker:
    """One worker process: a session, opened with the first episode, and a grader.

    Args:
        setup: What to connect.
        each: Most episodes at once.
    """

    def __init__(self, setup: Setup, each: int) -> None:
        self._setup = setup
        self._batch = max(1, min(BATCH, each // 2))
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: asyncio.Queue[Finished] = asyncio.Queue()
        self._held = 0
        self._told = NO_USAGE  # of what was paid
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._ready: tuple[Session, GradeAnswer] | None = None
        self._host: Any = None

    async def node(self) -> str:
        """Id of the node it is on; answers once it is there."""
        node: str = import_module("ray").get_runtime_context().get_node_id()
        return node

    async def share(self, host: Any) -> None:
        """Ask the servers of its node instead of starting its own.

        Args:
            host: Handle of the node's `flowsteer.evaluation.llama_host.LlamaHost`.
        """
        self._host = host

    async def exchange(self, jobs: list[Job]) -> list[Finished]:
        """Begin episodes, and hand in those that are over since: so many, or those of a short time.

        Args:
            jobs: Episodes to run and grade.

        Returns:
            Episodes that were never handed in before; none if no episode ends soon, or there is none.
        """
        self._held += len(jobs)
        self._tasks |= {asyncio.create_task(self._play(job)) for job in jobs}
        self._tasks -= {task for task in self._tasks if task.done()}
        batch: list[Finished] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(ROUND_SECONDS) as limit:
                while len(batch) < min(self._batch, self._held):
                    batch.append(await self._finished.get())
                    if len(batch) == 1:
                        limit.reschedule(asyncio.get_running_loop().time() + BATCH_SECONDS)
        self._held -= len(batch)
        return batch

    async def _play(self, job: Job) -> None:
        events: list[str] = []

        def emit(event: Event) -> None:
            events.append(event_line(event))

        async def played() -> EpisodeSummary:
            session, grade = await self._open()
            return await run_job(session, job, grade, emit)

        try:
            outcome: EpisodeSummary | FlowSteerError = await settled(job, played())
        except FlowSteerError as error:
            outcome = error
        self._finished.put_nowait(Finished(job.id, outcome, events, self._paid()))

    def _paid(self) -> Usage:
        """What was paid that no episode has told yet."""
        if self._ready is None:
            return NO_USAGE
        spent = self._ready[0].budget.spent
        new, self._told = spent - self._told, spent
        return new

    async def _open(self) -> tuple[Session, GradeAnswer]:
        async with self._opening:
            if self._ready is None:
                llama = None if self._host is None else self._find
                session = await self._stack.enter_async_context(open_session(self._setup, llama=llama))
                self._ready = session, await self._stack.enter_async_context(open_grader())
            return self._ready

    async def _find(self, named: str) -> LlamaAddress:
        try:
            found: LlamaAddress | FlowSteerError = await self._host.find.remote(named)
        except Exception as error:  # whatever Ray raises where the host's process is gone
            told = f"the process that hosts this node's embedded models is gone: {error}"
            raise BackendUnavailable(told, "run the same command again") from error
        if isinstance(found, FlowSteerError):
            raise found
        return found
