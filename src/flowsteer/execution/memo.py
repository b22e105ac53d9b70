"""Same call, same result: a memo of calls, where a call in flight twice is made once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from flowsteer.draft import Draft
from flowsteer.runs.failure import Failure
from flowsteer.usage import Usage

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What one operator call came to.

    Attributes:
        wrote: A draft holding what the operator wrote; the empty draft when it failed.
        failure: Why it failed, or None. A failure is a result too: the same call would fail again.
        usage: What the call cost.
        retries: Replies asked for again.
        seconds: Wall time.
        requests: Keys of what its LLM was sent.
    """

    wrote: Draft
    failure: Failure | None
    usage: Usage
    retries: int
    seconds: float
    requests: tuple[str, ...] = ()


class Once(Generic[R]):
    """Results by the content of the call.

    A key is a tuple of everything the result can depend on, compared by value, so there is no digest that could
    collide and nothing to invalidate. A memo lives as long as its owner, an episode or a group of rollouts on one
    task, and is dropped with it: memory is bounded by what is in flight.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, R | _InFlight] = {}

    async def get(
        self, key: Hashable, make: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[R, bool]:
        """The result under `key`, made now if it is not known.

        Whoever asks first makes it; others wait. If the maker is cancelled or raises, nothing is stored and the next
        one in line makes it.

        Args:
            key: Everything the result depends on.
            make: Makes the result.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The result, and whether it was known or being made already.
        """
        mine = _InFlight()
        while (known := self._known.setdefault(key, mine)) is not mine:
            if not isinstance(known, _InFlight):
                return known, True
            await known.over()
        try:
            result = await make(*args, **kwargs)
        except BaseException:
            del self._known[key]
            raise
        else:
            self._known[key] = result
        finally:
            mine.end()
        return result, False


class Memo(Once[NodeResult]):
    """Results of operator calls."""


class _InFlight:
    """A call being made; it costs a future only if somebody waits for it."""

    __slots__ = ("_waited",)

    def __init__(self) -> None:
        self._waited: asyncio.Future[None] | None = None

    async def over(self) -> None:
        if self._waited is None:
            self._waited = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waited)

    def end(self) -> None:
        if self._waited is not None:
            self._waited.set_result(None)
