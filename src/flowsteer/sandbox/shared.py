"""Bubblewrap at a tenth of the price: one start serves many programs, one after the other.

It is for programs that have passed elsewhere (Monty) and are run again to be sure. Each runs under the limits, the user
and the read-only view of a sandbox of its own, in a process forked for it, but has no scratch folder: nothing can be
written that the next could find. Every process of it is gone before the next begins. A sandbox serves again only if
its program ended well: whatever happened to another, it is run anew elsewhere, and its verdict is not taken from here.
Callers of pairs are trusted: they follow each other in one process of a sandbox that no other program enters.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator

from flowsteer.sandbox.base import Outcome, Program, SandboxLimits, Tier
from flowsteer.sandbox.bubblewrap import BubblewrapSandbox, own_user
from flowsteer.sandbox.fork_server import Fork, ForkServer
from flowsteer.sandbox.pair import Caller, PairOutcome
from flowsteer.sandbox.process import run_process
from flowsteer.sandbox.process_pair import run_pair
from flowsteer.sandbox.protocol import Role, encode_request, outcome, resource_limits

RUNS = 500
"""Most programs a sandbox serves."""


class SharedBubblewrap:
    """A `flowsteer.sandbox.pair.PairSandbox` whose sandboxes serve many programs.

    Args:
        alone: The sandbox whose interpreter and places are used.
    """

    tier: Tier = "bubblewrap"

    def __init__(self, alone: BubblewrapSandbox) -> None:
        self._alone = alone
        self._idle: defaultdict[tuple[int, bool], list[ForkServer]] = defaultdict(list)

    async def run(self, program: Program, limits: SandboxLimits = SandboxLimits()) -> Outcome:
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`.

        Raises:
            SandboxError: If the sandbox cannot be started.
        """
        async with self._alone.places.one() as processor, self._server(limits, processor) as server:
            ended = await run_process(*self._prepare(program, limits, "alone", server), limits)
            result = outcome(self.tier, program, limits, ended)
            server.usable &= result.status == "ok"
            return result

    async def run_pair(self, caller: Caller, callee: Program, limits: SandboxLimits = SandboxLimits()) -> PairOutcome:
        """Run two programs; see `flowsteer.sandbox.pair.PairSandbox.run_pair`.

        Raises:
            SandboxError: If a sandbox cannot be started.
        """
        async with (
            self._alone.places.one() as processor,
            self._server(limits, processor, trusted=True) as ours,
            self._server(limits, processor) as theirs,
        ):
            sides = self._prepare(caller, limits, "caller", ours), self._prepare(callee, limits, "callee", theirs)
            result = await run_pair(self.tier, *sides, limits)
            theirs.usable &= result.status == "ok"
            return result

    @contextlib.asynccontextmanager
    async def _server(
        self, limits: SandboxLimits, processor: int, *, trusted: bool = False
    ) -> AsyncIterator[ForkServer]:
        """A sandbox for one run; no sandbox serves tests and solutions both."""
        idle = self._idle[processor, trusted]
        server = idle.pop() if idle else ForkServer(*self._alone.launch(limits, processor, serves=True))
        if not server.runs:
            await server.start()
        try:
            yield server
        finally:
            if server.usable and server.runs < RUNS:
                idle.append(server)
            else:
                await server.aclose()

    def _prepare(
        self, program: Program | Caller, limits: SandboxLimits, role: Role, server: ForkServer
    ) -> tuple[Fork, bytes]:
        rlimits = resource_limits(limits)
        if role == "caller":  # trusted: it runs in the server's own process, whose time is that of all runs
            del rlimits["CPU"]
            return Fork(server, None), encode_request(program, rlimits, server.packages, None, role)
        user = own_user()
        return Fork(server, user or 0), encode_request(program, rlimits, server.packages, user, role)

    async def aclose(self) -> None:
        """End all sandboxes."""
        servers = [server for idle in self._idle.values() for server in idle]
        self._idle.clear()
        await asyncio.gather(*(server.aclose() for server in servers))
