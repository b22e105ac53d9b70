"""A time limit for each node of a run, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer for every node, which costs more than the rest of a quick node. All nodes of
a run have the same limit, so the oldest is always the next to be late, and one timer that looks at it is enough.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Watchdog:
    """Ends calls that take longer than `seconds`.

    Args:
        seconds: The limit of each call.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def limit(self, make: Callable[[], Awaitable[T]]) -> T:
        """Await what `make` makes, in the current task and not for longer than the limit.

        Raises:
            TimeoutError: It took too long and was cancelled.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a node runs in a task")
        self._started[task] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)
        try:
            return await make()
        except asyncio.CancelledError:
            if task in self._late and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            del self._started[task]
            self._late.discard(task)

    def stop(self) -> None:
        """The run is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """Cancel what is late; come back when the oldest of the rest will be."""
        now, self._timer = self._loop.time(), None
        for task, started in self._started.items():
            left = started + self._seconds - now
            if left > 0:
                self._timer = self._loop.call_later(left, self._look)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()
