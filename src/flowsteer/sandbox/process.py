"""One sandboxed process from start to end: fed, read within limits, and killed with all it started."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Literal

from flowsteer.sandbox.base import SandboxLimits
from flowsteer.sandbox.clock import time_limit
from flowsteer.sandbox.group import CHUNK
from flowsteer.sandbox.launcher import Launcher

CHANNEL_BYTES = 8 * 1024 * 1024
"""Most bytes of values that leave a sandbox in one run."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        cause: `exit` of its own, or killed for a `timeout` or too much `output`.
        returncode: Its exit status, negative for a signal.
        stdout: What it printed, cut at the limit.
        channel: What it wrote to standard error, which carries the report.
        seconds: Wall time.
        detail: Which limit on output was passed.
    """

    cause: Literal["exit", "timeout", "output"]
    returncode: int
    stdout: bytes
    channel: bytes
    seconds: float
    detail: str = ""


class _TooMuch(Exception):
    """A stream carried more than it may."""


async def run_process(launch: Launcher, request: bytes, limits: SandboxLimits) -> Ended:
    """Start a process, feed it and read it until it ends or passes a limit.

    Being cancelled kills it as well.

    Raises:
        SandboxError: If the command cannot be started.
    """
    started = time.monotonic()
    process = await launch.start()
    assert process.stdin  # noqa: S101  # all three are pipes
    assert process.stdout  # noqa: S101
    assert process.stderr  # noqa: S101
    stdout, channel = bytearray(), bytearray()
    streams = [
        asyncio.ensure_future(_feed(process.stdin, request)),
        asyncio.ensure_future(_fill(process.stdout, stdout, limits.output_bytes, "printed")),
        asyncio.ensure_future(_fill(process.stderr, channel, CHANNEL_BYTES, "returned")),
    ]
    cause: Literal["exit", "timeout", "output"] = "exit"
    detail = ""
    try:
        async with time_limit(limits.seconds, launch.leaders(process)):
            await asyncio.gather(*streams)
            await process.wait()
    except TimeoutError:
        cause = "timeout"
    except _TooMuch as error:
        cause, detail = "output", str(error)
    finally:
        await launch.end(process, streams)
    seconds = time.monotonic() - started
    return Ended(cause, process.returncode or 0, bytes(stdout), bytes(channel), seconds, detail)


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it may end before it has read everything
        stream.write(data)
        await stream.drain()
    stream.close()


async def _fill(stream: asyncio.StreamReader, buffer: bytearray, limit: int, verb: str) -> None:
    while chunk := await stream.read(CHUNK):
        buffer += chunk
        if len(buffer) > limit:
            del buffer[limit:]
            raise _TooMuch(f"{verb} more than {limit} bytes")
