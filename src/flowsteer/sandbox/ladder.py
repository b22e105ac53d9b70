"""Monty first, and what Monty lacks on a stronger tier; never on the host."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits, Tier
from flowsteer.sandbox.pair import Caller, PairOutcome, PairSandbox

Ended = TypeVar("Ended", Outcome, PairOutcome)


class Ladder:
    """Runs every program on the first tier, and again on the second if the first reports `unsupported`.

    Args:
        first: The tier to start on.
        find_second: Gives the stronger tier when it is first needed; raises `SandboxError` if there is none.
    """

    def __init__(self, first: PairSandbox, find_second: Callable[[], Awaitable[PairSandbox]]) -> None:
        self._first = first
        self._find_second = find_second
        self._finding = asyncio.Lock()
        self._second: PairSandbox | None = None

    @property
    def tier(self) -> Tier:
        """The tier it starts on; each outcome says where it really ran."""
        return self._first.tier

    async def run(self, program: Program, limits: SandboxLimits = SandboxLimits()) -> Outcome:
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`.

        Without a stronger tier the outcome stays `unsupported`, and its error says how to get one.

        Raises:
            SandboxError: If the tier that ran it broke.
        """
        outcome = await self._first.run(program, limits)
        return await self._climbed(outcome, lambda second: second.run(program, limits))

    async def run_pair(self, caller: Caller, callee: Program, limits: SandboxLimits = SandboxLimits()) -> PairOutcome:
        """Run two programs; see `flowsteer.sandbox.pair.PairSandbox.run_pair`.

        Without a stronger tier the outcome stays `unsupported`, and its error says how to get one.

        Raises:
            SandboxError: If the tier that ran it broke.
        """
        outcome = await self._first.run_pair(caller, callee, limits)
        return await self._climbed(outcome, lambda second: second.run_pair(caller, callee, limits))

    async def _climbed(self, outcome: Ended, again: Callable[[PairSandbox], Awaitable[Ended]]) -> Ended:
        if outcome.status != "unsupported":
            return outcome
        try:
            second = await self._stronger()
        except SandboxError as error:
            needs = f"the tier bubblewrap or container would run it, but {error.message}"
            return replace(outcome, error=f"{outcome.error}; {needs}" + (f" ({error.hint})" if error.hint else ""))
        return await again(second)

    async def _stronger(self) -> PairSandbox:
        async with self._finding:
            if self._second is None:
                self._second = await self._find_second()
            return self._second

    async def aclose(self) -> None:
        """End the worker processes of both tiers."""
        await asyncio.gather(*(sandbox.aclose() for sandbox in (self._first, self._second) if sandbox is not None))
