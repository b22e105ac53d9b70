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

from flowsteer.errors import BackendUnavailable
from flowsteer.evaluation.episodes import Job
from flowsteer.evaluation.ray_worker import Finished
from flowsteer.runs.summary import EpisodeSummary

TRIES = 3
"""Times an episode is begun, and workers in a row that may die before they are there."""

PATIENCE_SECONDS = 600.0
"""Longest wait for a worker when none is there."""

Exchange = Callable[[list[Job]], Awaitable[list[Finished]]]
"""`flowsteer.evaluation.ray_worker.Worker.exchange` of a worker that is there."""

Hire = Callable[[], AbstractAsyncContextManager[Exchange]]
"""Asks for a worker and waits until it is there, which may take long; leaving the block ends it."""


@dataclass(eq=False, slots=True)
class _Errand:
    job: Job
    ended: "asyncio.Future[EpisodeSummary]"
    tries: int = 0


class Crew:
    """A `JobEngine` of as many workers as there is work for, up to a number; use it as an async context manager.

    Attributes:
        width: Episodes that are here at once: twice as many as the workers have room for, so that none waits for work.

    Args:
        hire: Where workers come from.
        most: Most workers.
        each: Episodes at once of each.
        commit: Writes down the episodes of a batch.
        again: Whether another takes the place of a worker that died.
    """

    def __init__(
        self, hire: Hire, most: int, each: int, commit: Callable[[Sequence[Finished]], None], again: bool = True
    ) -> None:
        self.width = 2 * most * each
        self._hire, self._most, self._each, self._commit, self._again = hire, most, each, commit, again
        self._waiting: asyncio.Queue[_Errand] = asyncio.Queue()
        self._shifts: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()  # of the shifts: may end, nothing is lost with them
        self._leaving: set[asyncio.Task[None]] = set()
        self._open = self._there = self._false_starts = 0
        self._alone: asyncio.TimerHandle | None = None
        self._given_up = False

    async def __aenter__(self) -> Self:
        """The crew itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers, whatever they are doing."""
        if self._alone is not None:
            self._alone.cancel()
        shifts = self._shifts | self._leaving
        for shift in shifts:
            shift.cancel()
        await asyncio.gather(*shifts, return_exceptions=True)

    async def run(self, job: Job) -> EpisodeSummary:
        """See `JobEngine.run`; from another worker, should one die."""
        errand = _Errand(job, asyncio.get_running_loop().create_future())
        self._open += 1
        try:
            self._waiting.put_nowait(errand)
            self._look_around()
            return await errand.ended
        finally:
            self._open -= 1
            self._let_go()

    def _look_around(self) -> None:
        """Ask for the workers that are missing, and wait no longer than is sensible if there is none."""
        while len(self._shifts) < self._most and len(self._shifts) * self._each < self._open:
            shift = asyncio.create_task(self._shift())
            self._shifts.add(shift)
            self._idle.add(shift)
        if self._there and self._alone is not None:
            self._alone.cancel()
            self._alone = None
        if self._given_up or not self._most:
            self._give_up()
        elif not self._there and self._alone is None:
            self._alone = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._give_up)

    def _let_go(self) -> None:
        """Let a worker go that is not there yet, or has nothing to do, if the others have room for all that is left."""
        if self._idle and 0 < self._open <= (len(self._shifts) - 1) * self._each:
            shift = self._idle.pop()
            self._shifts.discard(shift)
            self._leaving.add(shift)
            shift.cancel()

    def _give_up(self) -> None:
        self._given_up = True
        while not self._waiting.empty():
            hint = "add a node, then run it again to go on"
            _settle(self._waiting.get_nowait(), BackendUnavailable("no Ray worker is there", hint))

    async def _shift(self) -> None:
        """One worker, from the wish for it to its end."""
        this = cast(asyncio.Task[None], asyncio.current_task())
        held: dict[str, _Errand] = {}
        began = False
        try:
            async with self._hire() as exchange:
                began = True
                self._idle.discard(this)
                self._there += 1
                self._false_starts, self._given_up = 0, False
                self._look_around()
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
            for errand in held.values():
                self._do_again(errand, error)
        finally:
            for tasks in (self._shifts, self._idle, self._leaving):
                tasks.discard(this)
        self._look_around()

    async def _new(self, shift: asyncio.Task[None], held: dict[str, _Errand]) -> list[Job]:
        """Episodes that a worker has room for; waits for one if it has nothing to do."""
        new: list[Job] = []
        while len(held) < self._each and not (held and self._waiting.empty()):
            if self._again and not held:  # under a budget, its share of it would go as well
                self._idle.add(shift)
            errand = await self._waiting.get()
            self._idle.discard(shift)
            if not errand.ended.done():
                held[errand.job.id] = errand
                new.append(errand.job)
        return new

    def _take_in(self, batch: Sequence[Finished], held: dict[str, _Errand]) -> None:
        failure: Exception | None = None
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - raised where each of them is waited for
            failure = error
        for one in batch:
            _settle(held.pop(one.episode), failure or one.outcome)

    def _do_again(self, errand: _Errand, error: Exception) -> None:
        errand.tries += 1
        if errand.tries < TRIES:
            self._waiting.put_nowait(errand)
        else:
            failure = BackendUnavailable(f"{TRIES} Ray workers died of it: {error}", "run it again to go on")
            failure.__cause__ = error
            _settle(errand, failure)


def _settle(errand: _Errand, outcome: EpisodeSummary | Exception) -> None:
    """Say how it ended, if anybody still waits for it."""
    if errand.ended.done():
        return
    if isinstance(outcome, Exception):
        errand.ended.set_exception(outcome)
    else:
        errand.ended.set_result(outcome)
