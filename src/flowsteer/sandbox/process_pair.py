"""A pair of programs in two sandboxed processes; the host carries each call from the one to the other."""

import asyncio
import json
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import UNCROSSED, SandboxLimits, Status, Tier
from flowsteer.sandbox.clock import time_limit
from flowsteer.sandbox.launcher import Launcher
from flowsteer.sandbox.pair import ENDED_EARLY, PairOutcome, Side
from flowsteer.sandbox.process import CHANNEL_BYTES
from flowsteer.sandbox.protocol import INTERFERENCE, STATUSES, encode, read_error

Prepared = tuple[Launcher, bytes]
"""How to start a side, and its request."""


TOO_DEEP = "a value is nested too deeply to cross"


class _Stopped(Exception):
    """One side is done, well or not."""

    def __init__(self, status: Status, error: str, side: Side | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.side = side  # where it is not the one that was waited for


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
        outcome = PairOutcome(stopped.status, stopped.side or pair.waiting_for, stopped.error, pair.calls)
    return replace(outcome, tier=tier, seconds=time.monotonic() - started)


@dataclass(slots=True)
class _Pair:
    """The state of a conversation: whose turn it is, and how many calls of the caller were answered."""

    waiting_for: Side = "caller"
    calls: int = 0

    async def carry(self, here: "_Talk", there: "_Talk") -> None:
        """Carry questions and answers between caller and callee until one stops; either may ask while it is asked.

        What the callee writes is a claim about its own values only. The host does not look into it.

        Raises:
            _Stopped: Always.
        """
        asking: list[tuple[_Talk, bool]] = []  # who waits for an answer, and whether to a call
        active = here
        while True:
            self.waiting_for = "caller" if active is here else "callee"
            kind, payload = await active.frame()
            if kind == "ask":
                question = _node(payload)
                asking.append((active, _is_call(question)))
                active = there if active is here else here
                await active.send(kind, question)
            elif kind in ("return", "raised") and asking and asking[-1][0] is not active:
                active, called = asking.pop()
                self.calls += called and active is here
                await active.send(kind, _node(payload))
            else:
                raise _ending(kind, payload, trusted=active is here)


def _ending(kind: str, payload: str, *, trusted: bool) -> _Stopped:
    """How a conversation ends with a frame that is neither question nor answer."""
    if not trusted:
        return _Stopped("error", f"{UNCROSSED}: {read_error(payload)}" if kind == "refused" else INTERFERENCE)
    if kind == "refused":
        return _Stopped("unsupported", f"{UNCROSSED}: {read_error(payload)}")
    if kind == "forged":
        return _Stopped("error", INTERFERENCE, "callee")
    return _Stopped("ok", "") if kind == "value" else _Stopped("error", f"unexpected frame {kind}")


def _node(payload: str) -> Any:
    """What a frame carries, parsed; the other side builds values of it."""
    try:
        return json.loads(payload)
    except RecursionError:
        raise _Stopped("error", TOO_DEEP) from None
    except ValueError:
        raise _Stopped("error", INTERFERENCE) from None


def _is_call(question: Any) -> bool:
    """Whether a question, tagged as a tuple, is for a call."""
    match question:
        case [[_, ["call", *_]], _]:
            return True
    return False


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

    async def send(self, kind: str, node: Any) -> None:
        """Write one message.

        Raises:
            _Stopped: It is nested too deeply.
        """
        try:
            message = encode((kind, node))
        except SandboxError:
            raise _Stopped("error", TOO_DEEP) from None
        await self._write(message)

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
            stopped = STATUSES.get(status, "error")
            raise _Stopped("error" if stopped == "ok" else stopped, read_error(error) or ENDED_EARLY)
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
