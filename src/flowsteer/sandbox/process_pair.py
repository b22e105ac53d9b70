"""A pair of programs in two sandboxed processes; the host carries each call from the one to the other."""

import asyncio
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import SandboxLimits, Status, Tier
from flowsteer.sandbox.clock import time_limit
from flowsteer.sandbox.launcher import Launcher
from flowsteer.sandbox.pair import Answer, PairOutcome, Side, call_expression, is_answer, raised
from flowsteer.sandbox.plain import decode
from flowsteer.sandbox.process import CHANNEL_BYTES
from flowsteer.sandbox.protocol import INTERFERENCE, STATUSES, encode, read_text

Prepared = tuple[Launcher, bytes]
"""How to start a side, and its request."""


class _Stopped(Exception):
    """One side is done, well or not."""

    def __init__(self, status: Status, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


async def run_pair(tier: Tier, caller: Prepared, callee: Prepared, limits: SandboxLimits) -> PairOutcome:
    """Start both, carry calls until the caller ends, and kill both.

    Raises:
        SandboxError: If either was never started; the launcher's own words say why.
    """
    started = time.monotonic()
    pair = _Pair()
    try:
        async with (
            _Talk(*callee) as there,
            _Talk(*caller) as here,
            time_limit(limits.seconds, there.leaders + here.leaders),
        ):
            await there.begin()
            await here.begin()
            await pair.carry(here, there)
    except TimeoutError:
        outcome = PairOutcome("timeout", pair.waiting_for, f"still running after {limits.seconds:g} s", pair.calls)
    except _Stopped as stopped:
        outcome = PairOutcome(stopped.status, pair.waiting_for, stopped.error, pair.calls)
    return replace(outcome, tier=tier, seconds=time.monotonic() - started)


@dataclass(slots=True)
class _Pair:
    """The state of a conversation: whose turn it is, and how many calls were answered."""

    waiting_for: Side = "caller"
    calls: int = 0

    async def carry(self, here: "_Talk", there: "_Talk") -> None:
        """Carry calls until a side stops.

        Raises:
            _Stopped: Always.
        """
        while True:
            kind, payload = await here.frame()
            if kind == "ask":
                name, args, kwargs = decode(payload)
                self.waiting_for = "callee"
                answer = await _call(there, name, args, kwargs)
                self.waiting_for = "caller"
                await here.send(answer)
                self.calls += 1
            elif kind == "value":
                raise _Stopped("ok", "") if decode(payload) is True else _Stopped("error", "it did not run to its end")
            elif kind == "refused":
                raise _Stopped("unsupported", read_text(payload))
            else:
                raise _Stopped("error", f"unexpected frame {kind}")


async def _call(there: "_Talk", name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer:
    """Have the callee make a call; whatever it writes is a claim about its own values only."""
    function = f"lambda a, k: {call_expression(name)}(*a, **k)"
    await there.send((function, (args, kwargs)))
    kind, payload = await there.frame()
    try:
        if kind == "raised":
            return raised(read_text(payload))
        value = decode(payload) if kind == "return" else None
    except ValueError as error:
        return raised(f"ValueError: {error}")
    if not is_answer(value, args, kwargs):
        raise _Stopped("error", INTERFERENCE)
    return "returned", value, ""


class _Talk:
    """One process, spoken to in turns; an async context manager that leaves nothing behind."""

    def __init__(self, launch: Launcher, request: bytes) -> None:
        self._launch = launch
        self._request = request
        self._ready = False

    async def __aenter__(self) -> "_Talk":
        self._process = await self._launch.start(asyncio.subprocess.DEVNULL, CHANNEL_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._launch.end(self._process)

    @property
    def leaders(self) -> tuple[int, ...]:
        """The processes whose time counts."""
        return self._launch.leaders(self._process)

    async def begin(self) -> None:
        """Write the request."""
        await self._write(self._request)

    async def send(self, message: Any) -> None:
        """Write one message."""
        await self._write(encode(message))

    async def frame(self) -> tuple[str, str]:
        """Read one frame, as kind and payload.

        Raises:
            _Stopped: The program ended, or its frame is too long or no frame.
            SandboxError: It was never started.
        """
        if not self._ready:
            await self._await_start()
        try:
            line = await self._line()
            kind, _, payload = line.decode("ascii").removesuffix("\n").partition(" ")
            if kind != "end":
                return kind, payload
            status, _, error = payload.partition(" ")
            raise _Stopped(STATUSES.get(status, "error"), read_text(error))
        except ValueError:  # no frame that a runner writes
            raise _Stopped("error", INTERFERENCE) from None

    async def _await_start(self) -> None:
        line = await self._line(starting=True)
        if line != b"ready\n":
            assert self._process.stderr  # noqa: S101  # a pipe
            said = line + await self._process.stderr.read(CHANNEL_BYTES)
            raise SandboxError(f"the sandbox could not be started: {said.decode(errors='replace').strip()[-500:]}")
        self._ready = True

    async def _line(self, *, starting: bool = False) -> bytes:
        assert self._process.stderr  # noqa: S101  # a pipe
        try:
            line = await self._process.stderr.readline()
        except ValueError:
            raise _Stopped("output", f"returned more than {CHANNEL_BYTES} bytes") from None
        if not line and not starting:
            raise _Stopped("error", "the process ended before it had answered")
        return line

    async def _write(self, data: bytes) -> None:
        assert self._process.stdin  # noqa: S101  # a pipe
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except ConnectionError:  # it has ended; what it said last tells why
            return
