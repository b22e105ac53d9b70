"""A time limit for each node of a run, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer for every node, which costs more than the rest of a quick node. All nodes of
a run have the same limit, so the oldest is always the next to be late, and one timer that looks at it is enough.
"""

import asyncio
from types import TracebackType
from typing import Any

AnyTask = asyncio.Task[Any]


class Watchdog:
    """A context manager that ends what is awaited in it after `seconds`, with `TimeoutError`.

    Many tasks may be in it at once, each at most once.

    Args:
        seconds: The limit.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started: dict[AnyTask, float] = {}
        self._late: set[AnyTask] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        """Start to watch the current task."""
        self._started[self._current()] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to watch it; a cancellation of the watchdog's own becomes a `TimeoutError`."""
        task = self._current()
        del self._started[task]
        if task in self._late:
            self._late.discard(task)
            if task.uncancel() == 0 and isinstance(error, asyncio.CancelledError):
                raise TimeoutError from None

    def stop(self) -> None:
        """The run is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _current(self) -> AnyTask:
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a watchdog watches tasks, and there is none")
        return task

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
