"""Limits and retries of one endpoint, held for all who share it.

A request waits for a free slot, then is tried; passing faults are tried again after a random delay ("full jitter"), or
after the time the server names.
"""

import asyncio
import random as _random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from flowsteer.errors import BackendUnavailable

T = TypeVar("T")

START_SECONDS = 120.0
"""Longest wait for a server that is loading its model."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one endpoint is allowed, and how long it may take.

    Attributes:
        concurrency: Most requests in flight at once.
        retries: Most repeats of a request after its first attempt.
        call_seconds: Longest single attempt.
        total_seconds: Longest attempts and pauses of one request together. Waiting for a slot does not count: being
            busy is not being broken.
        backoff_seconds: The first pause is drawn from 0 to this; the range doubles with each attempt.
        backoff_cap: Upper end of that range.
        rest_seconds: Longest wait for what may come behind the end of a reply, such as the counts of its tokens.
        start_seconds: Longest wait while the server says that it is loading its model; counted apart from the rest.
    """

    concurrency: int = 16
    retries: int = 5
    call_seconds: float = 600.0
    total_seconds: float = 900.0
    backoff_seconds: float = 0.5
    backoff_cap: float = 30.0
    rest_seconds: float = 5.0
    start_seconds: float = START_SECONDS


class Transient(Exception):
    """One failed attempt that may succeed when repeated.

    Args:
        reason: What happened, in a few words.
        retry_after: Seconds the server asks to wait, if it does.
        loading: Whether the server is still loading its model.
    """

    def __init__(self, reason: str, retry_after: float | None = None, *, loading: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.loading = loading


class Limiter:
    """Admits, times and repeats the requests of one endpoint.

    Args:
        limits: The limits to hold.
        now: Monotonic clock, in seconds.
        sleep: Waits for so many seconds.
        random: Draws from [0, 1).
    """

    def __init__(
        self,
        limits: Limits,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.limits = limits
        self._now, self._sleep, self._random = now, sleep, random
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._paused_until = 0.0

    async def run(self, attempt: Callable[[], Awaitable[T]], *, name: str) -> T:
        """Run one request within the limits; cancelling it frees its slot.

        Args:
            attempt: Makes one attempt; raises `Transient` for what may pass, anything else is final.
            name: Who is asked, for the error.

        Raises:
            BackendUnavailable: It kept failing, and the message lists every attempt; or it never got to start.
        """
        history: list[str] = []
        spent = 0.0
        loading_since: float | None = None
        while True:
            async with self._slots:
                await self._admit()
                started = self._now()
                try:
                    async with asyncio.timeout(min(self.limits.call_seconds, self.limits.total_seconds - spent)):
                        return await attempt()
                except TimeoutError:
                    fault = Transient(f"no answer within {self._now() - started:.3g} s")
                except Transient as error:
                    fault = error
            if fault.loading:
                loading_since = started if loading_since is None else loading_since
                await self._await_start(loading_since, fault, name)
                continue
            spent += self._now() - started
            history.append(fault.reason)
            spent += await self._pause(fault, history, spent, name)

    async def _admit(self) -> None:
        while (wait := self._paused_until - self._now()) > 0:
            await self._sleep(wait)

    async def _pause(self, fault: Transient, history: list[str], spent: float, name: str) -> float:
        """Wait before the next attempt, or give up."""
        limits = self.limits
        reach = min(limits.backoff_cap, limits.backoff_seconds * 2.0 ** (len(history) - 1))
        delay = max(self._random() * reach, fault.retry_after or 0.0)
        if fault.retry_after and fault.retry_after < limits.total_seconds:
            # The server speaks for the whole endpoint, so the others hold back as well.
            self._paused_until = max(self._paused_until, self._now() + fault.retry_after)
        if len(history) > limits.retries or spent + delay >= limits.total_seconds:
            asked = f"; it asks to wait {delay:.0f} s" if fault.retry_after and delay >= limits.total_seconds else ""
            raise BackendUnavailable(
                f"{name} did not answer; {len(history)} attempt(s): {'; '.join(history)}{asked}.",
                "Check that the server is up and within its limits, then run the same command again to resume.",
            )
        await self._sleep(delay)
        return delay

    async def _await_start(self, since: float, fault: Transient, name: str) -> None:
        """Wait a little for a server that is loading its model, or give up."""
        left = since + self.limits.start_seconds - self._now()
        if left <= 0:
            raise BackendUnavailable(
                f"{name} was still not ready after {self.limits.start_seconds:g} s: {fault.reason}.",
                "Wait until the server has loaded its model, then run the same command again.",
            )
        await self._sleep(min(left, max(self.limits.backoff_seconds, fault.retry_after or 0.0)))
