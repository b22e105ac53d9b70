"""Workers that take episodes as they have room, and hand them in by batches; what a dead one had begun is done again.

An episode waits here until a worker has room for it, so one that comes late finds as much to do as the others. It is
handed in once: a worker that cannot be reached is ended before another gets its episodes. No more workers are asked for
than there is work for, and those that are not needed for the last episodes are let go, so that their nodes can end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from flowsteer.errors import BackendUnavailable, BudgetExceeded, FlowSteerError
from flowsteer.evaluation.episodes import Job
from flowsteer.evaluation.ray_worker import Finished
from flowsteer.runs.summary import EpisodeSummary

TRIES = 3
"""Times an episode is begun, and workers in a row that may die before they are there."""

PATIENCE_SECONDS = 600.0
"""Longest wait for a worker when none is there."""

Exchange = Callable[[list[Job]], Awaitable[list[Finished]]]
"""`flowsteer.evaluation.ray_worker.Worker.exchange` of a worker that is there."""

StartWorker = Callable[[], AbstractAsyncContextManager[Exchange]]
"""Asks for a worker and waits until it is there, which may take long; leaving the block ends it."""


@dataclass(eq=False, slots=True)
class _Waiting:
    job: Job
    ended: "asyncio.Future[EpisodeSummary]"
    tries: int = 0


class WorkerPool:
    """A `JobEngine` of as many workers as there is work for, up to a number; use it as an async context manager.

    Attributes:
        width: Episodes that are here at once: twice as many as the workers have room for, so that none waits for work.

    Args:
        start: Where workers come from.
        most: Most workers.
        each: Episodes at once of each.
        commit: Writes down the episodes of a batch.
        again: Whether another takes the place of a worker that died.
    """

    def __init__(
        self, start: StartWorker, most: int, each: int, commit: Callable[[Sequence[Finished]], None], again: bool = True
    ) -> None:
        self.width = 2 * most * each
        self._start, self._most, self._each, self._commit, self._again = start, most, each, commit, again
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._workers: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()  # of the workers: may end, nothing is lost with them
        self._leaving: set[asyncio.Task[None]] = set()
        self._open = self._there = self._false_starts = 0
        self._alone: asyncio.TimerHandle | None = None
        self._given_up = False

    async def __aenter__(self) -> Self:
        """The pool itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers, whatever they are doing."""
        if self._alone is not None:
            self._alone.cancel()
        workers = self._workers | self._leaving
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def run(self, job: Job) -> EpisodeSummary:
        """See `JobEngine.run`; from another worker, should one die."""
        asked = _Waiting(job, asyncio.get_running_loop().create_future())
        self._open += 1
        try:
            self._waiting.put_nowait(asked)
            self._scale_up()
            return await asked.ended
        finally:
            self._open -= 1
            self._scale_down()

    def _scale_up(self) -> None:
        """Ask for the workers that are missing, and wait no longer than is sensible if there is none."""
        while len(self._workers) < self._most and len(self._workers) * self._each < self._open:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            self._idle.add(worker)
        if self._there and self._alone is not None:
            self._alone.cancel()
            self._alone = None
        if self._given_up or not self._most:
            self._give_up()
        elif not self._there and self._alone is None:
            self._alone = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._give_up)

    def _scale_down(self) -> None:
        """Let a worker go that is not there yet, or has nothing to do, if the others have room for all that is left."""
        if self._idle and 0 < self._open <= (len(self._workers) - 1) * self._each:
            worker = self._idle.pop()
            self._workers.discard(worker)
            self._leaving.add(worker)
            worker.cancel()

    def _give_up(self) -> None:
        self._given_up = True
        self._refuse_waiting(BackendUnavailable("no Ray worker is there", "add a node, then run it again to go on"))

    def _refuse_waiting(self, failure: FlowSteerError) -> None:
        while not self._waiting.empty():
            _settle(self._waiting.get_nowait(), failure)

    async def _work(self) -> None:
        """One worker, from the wish for it to its end."""
        this = cast(asyncio.Task[None], asyncio.current_task())
        held: dict[str, _Waiting] = {}
        began = False
        try:
            async with self._start() as exchange:
                began = True
                self._idle.discard(this)
                self._there += 1
                self._false_starts, self._given_up = 0, False
                self._scale_up()
                try:
                    while True:
                        new = await self._new(this, held)
                        self._take_in(await exchange(new), held)
                finally:
                    self._there -= 1
        except Exception as error:  # noqa: BLE001 - a dead worker, or whatever else it cannot be reached for
            self._false_starts += not began
            if (began and not self._again) or self._false_starts >= TRIES:
                self._most -= 1
            for asked in held.values():
                self._do_again(asked, error)
        finally:
            for tasks in (self._workers, self._idle, self._leaving):
                tasks.discard(this)
        self._scale_up()

    async def _new(self, worker: asyncio.Task[None], held: dict[str, _Waiting]) -> list[Job]:
        """Episodes that a worker has room for; waits for one if it has nothing to do."""
        new: list[Job] = []
        while len(held) < self._each and not (held and self._waiting.empty()):
            if self._again and not held:  # under a budget, its share of it would go as well
                self._idle.add(worker)
            asked = await self._waiting.get()
            self._idle.discard(worker)
            if not asked.ended.done():
                held[asked.job.id] = asked
                new.append(asked.job)
        return new

    def _take_in(self, batch: Sequence[Finished], held: dict[str, _Waiting]) -> None:
        failure: Exception | None = None
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - raised where each of them is waited for
            failure = error
        for one in batch:
            _settle(held.pop(one.episode), failure or one.outcome)
            if isinstance(one.outcome, BudgetExceeded):  # that ends the run: no other is begun
                self._refuse_waiting(one.outcome)

    def _do_again(self, asked: _Waiting, error: Exception) -> None:
        asked.tries += 1
        if asked.tries < TRIES:
            self._waiting.put_nowait(asked)
        else:
            failure = BackendUnavailable(f"{TRIES} Ray workers died of it: {error}", "run it again to go on")
            failure.__cause__ = error
            _settle(asked, failure)


def _settle(asked: _Waiting, outcome: EpisodeSummary | Exception) -> None:
    """Say how it ended, if anybody still waits for it."""
    if asked.ended.done():
        return
    if isinstance(outcome, Exception):
        asked.ended.set_exception(outcome)
    else:
        asked.ended.set_result(outcome)
