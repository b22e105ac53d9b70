"""How many episodes run at once, how many wait for it, and when a request is turned away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from flowsteer.serving.refusals import RequestRefused


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """What a server takes on.

    Attributes:
        concurrency: Episodes at once.
        queue: Most requests that wait for their turn.
        body_bytes: Longest body of a request.
        seconds: Longest time of one request, waiting included.
    """

    concurrency: int = 8
    queue: int = 64
    body_bytes: int = 2_000_000
    seconds: float = 600.0


class Admission:
    """The places of a server.

    Args:
        limits: How many there are.

    Attributes:
        running: Episodes at work.
        waiting: Requests that wait.
    """

    def __init__(self, limits: ServeLimits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(limits.concurrency)
        self.running = self.waiting = 0

    def refuse_if_full(self, taken: int) -> None:
        """Turn a request away that would find no place to wait.

        Args:
            taken: Requests that run or wait.

        Raises:
            RequestRefused: The queue is full.
        """
        limits = self._limits
        if taken >= limits.concurrency + limits.queue:
            found = f"{limits.concurrency} episodes run at once and {limits.queue} requests may wait; all are taken"
            raise RequestRefused(429, "queue_full", found, "ask again in a moment", retry=True)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._places.release()
