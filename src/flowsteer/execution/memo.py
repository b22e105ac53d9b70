"""Same call, same result: a memo of operator calls, where a call in flight twice is made once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from flowsteer.draft import Draft
from flowsteer.runs.events import Failure
from flowsteer.usage import Usage


@dataclass(frozen=True, slots=True)
class Result:
    """What one operator call came to.

    Attributes:
        wrote: A draft holding what the operator wrote; the empty draft when it failed.
        failure: Why it failed, or None. A failure is a result too: the same call would fail again.
        usage: What the call cost.
        retries: Replies asked for again.
        seconds: Wall time.
    """

    wrote: Draft
    failure: Failure | None
    usage: Usage
    retries: int
    seconds: float


class Memo:
    """Results by the content of the call.

    A key is a tuple of everything the result can depend on, compared by value, so there is no digest that could
    collide and nothing to invalidate. A memo lives as long as its owner, an episode or a group of rollouts on one
    task, and is dropped with it: memory is bounded by what is in flight.
    """

    def __init__(self) -> None:
        self._done: dict[Hashable, Result] = {}
        self._running: dict[Hashable, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        """How many results are known."""
        return len(self._done)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Result]]) -> tuple[Result, bool]:
        """The result under `key`, made now if it is not known.

        Whoever asks first makes it; others wait. If the maker is cancelled or raises, nothing is stored and the next
        one in line makes it.

        Args:
            key: Everything the result depends on.
            make: Makes the result.

        Returns:
            The result, and whether it was known or being made already.
        """
        while True:
            known = self._done.get(key)
            if known is not None:
                return known, True
            running = self._running.get(key)
            if running is None:
                break
            await asyncio.shield(running)
        running = self._running[key] = asyncio.get_running_loop().create_future()
        try:
            result = self._done[key] = await make()
        finally:
            del self._running[key]
            running.set_result(None)
        return result, False
