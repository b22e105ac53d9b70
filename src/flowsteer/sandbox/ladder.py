"""Monty first, and what Monty lacks on a stronger tier; never on the host."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Outcome, Program, Sandbox, SandboxLimits, Tier


class Ladder:
    """Runs every program on the first tier, and again on the second if the first reports `unsupported`.

    Args:
        first: The tier to start on.
        find_second: Gives the stronger tier when it is first needed; raises `SandboxError` if there is none.
    """

    def __init__(self, first: Sandbox, find_second: Callable[[], Awaitable[Sandbox]]) -> None:
        self._first = first
        self._find_second = find_second
        self._finding = asyncio.Lock()
        self._second: Sandbox | None = None

    @property
    def tier(self) -> Tier:
        """The tier it starts on; each outcome says where it really ran."""
        return self._first.tier

    async def run(self, program: Program, limits: SandboxLimits = SandboxLimits()) -> Outcome:
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`.

        Without a stronger tier the outcome stays `unsupported`, and its error says how to get one.
        """
        outcome = await self._first.run(program, limits)
        if outcome.status != "unsupported":
            return outcome
        try:
            return await (await self._stronger()).run(program, limits)
        except SandboxError as error:
            needs = f"the tier bubblewrap or container would run it, but {error.message}"
            return replace(outcome, error=f"{outcome.error}; {needs}" + (f" ({error.hint})" if error.hint else ""))

    async def _stronger(self) -> Sandbox:
        async with self._finding:
            if self._second is None:
                self._second = await self._find_second()
            return self._second

    async def aclose(self) -> None:
        """End the worker processes of both tiers."""
        await asyncio.gather(*(sandbox.aclose() for sandbox in (self._first, self._second) if sandbox is not None))
