"""Processes started in a group of their own and killed whole.

Bubblewrap starts a child of its own early and gives it its orders late: killed alone in between, it leaves that child
waiting for ever. So a process leads a session, which is a group, of its own; its children are killed first, and then
the group; and a start that is cancelled is carried to its end before, for asyncio would kill only the leader.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowsteer.errors import SandboxError
from flowsteer.sandbox import launcher

CHUNK = 64 * 1024

LEADER_SECONDS = 1.0
"""Longest wait for a process to end after its children were killed, before its whole group is."""

END_SECONDS = 10.0
"""Longest wait for a killed group to be gone."""

FILTER = "{filter}"
"""Stands in a command line for the descriptor that `Launch.filter` is read from."""

GATE = "{gate}"
"""Stands in a command line for a descriptor that ends once the process is bound to its processor; nothing is in it."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a process.

    Attributes:
        command: The command line.
        environment: All environment variables it gets.
        stop: A command that ends what killing the process leaves behind; empty if nothing.
        processor: Which processor it and all its descendants are bound to; None for any. Descendants start out where
            their parents are, so the command must wait at `GATE` before it starts any.
        filter: What the command reads from the descriptor that takes the place of `FILTER`; a few kilobytes.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop: tuple[str, ...] = ()
    processor: int | None = None
    filter: bytes = b""

    async def start(self, stdout: int = PIPE, line_bytes: int = CHUNK) -> Process:
        """Start it; see `flowsteer.sandbox.launcher.Launcher`."""
        return await start_process(self, stdout, line_bytes)

    def leaders(self, process: launcher.Process) -> tuple[int, ...]:
        """The process itself."""
        assert isinstance(process, Process)  # noqa: S101  # it was started here
        return (process.pid,)

    async def end(self, process: launcher.Process, streams: Sequence[asyncio.Task[None]] = ()) -> None:
        """End it; see `flowsteer.sandbox.launcher.Launcher`."""
        assert isinstance(process, Process)  # noqa: S101  # it was started here
        await end_process(process, streams, self.stop)


async def start_process(launch: Launch, stdout: int = PIPE, line_bytes: int = CHUNK, stdin: int = PIPE) -> Process:
    """Start a process with pipes for standard input, output and error.

    Args:
        launch: How.
        stdin: Where its input comes from, as for `asyncio.create_subprocess_exec`.
        stdout: Where its output goes, as for `asyncio.create_subprocess_exec`.
        line_bytes: Longest line to read.

    Raises:
        SandboxError: If the command cannot be started.
    """
    starting = asyncio.ensure_future(_start(launch, stdout, line_bytes, stdin))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.shield(_end_once_started(starting, launch))
        raise


async def _start(launch: Launch, stdout: int, line_bytes: int, stdin: int) -> Process:
    with _readable(launch.filter) as program, _gate() as gate:
        descriptors = {FILTER: f"{program}", GATE: f"{gate}"}
        try:
            process = await asyncio.create_subprocess_exec(
                *(descriptors.get(part, part) for part in launch.command),
                stdin=stdin,
                stdout=stdout,
                stderr=PIPE,
                env=dict(launch.environment),
                start_new_session=True,
                pass_fds=(program, gate),
                limit=line_bytes,
            )
        except OSError as error:
            raise SandboxError(f"{launch.command[0]} cannot be started: {error}") from None
        if launch.processor is not None:
            await _bind(process, launch, launch.processor)
    return process


async def _bind(process: Process, launch: Launch, processor: int) -> None:
    """Have a process without children run on one processor only.

    Raises:
        SandboxError: The processor is not there any more; the process was ended.
    """
    try:
        os.sched_setaffinity(process.pid, {processor})
    except ProcessLookupError:  # it has just ended
        return
    except OSError as error:
        await end_process(process, [], launch.stop)
        raise SandboxError(f"a sandbox cannot be bound to processor {processor}: {error}") from None


async def _end_once_started(starting: Awaitable[Process], launch: Launch) -> None:
    with contextlib.suppress(SandboxError):  # nothing was started
        await end_process(await starting, [], launch.stop)


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[int]:
    """A descriptor from which these bytes can be read, once; they must fit into a pipe."""
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "wb") as file:
            file.write(data)
        yield reader
    finally:
        os.close(reader)


@contextlib.contextmanager
def _gate() -> Iterator[int]:
    """A descriptor at which its reader waits until the context ends."""
    reader, writer = os.pipe()
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)


async def end_process(process: Process, streams: Sequence[asyncio.Task[None]], stop: tuple[str, ...]) -> None:
    """Leave nothing behind: no process, no zombie, no open pipe. Goes on when cancelled.

    Args:
        process: A process that `start_process` gave, ended or not.
        streams: What reads and writes its pipes.
        stop: See `Launch.stop`.

    Raises:
        SandboxError: If the process is not gone in time.
    """
    for stream in streams:
        stream.cancel()
    running = process.returncode is None
    if running:
        _kill(process.pid)
    await asyncio.shield(_await_end(process, streams, stop if running else ()))


def _kill(leader: int) -> None:
    """Kill the children, with which all that bubblewrap started ends and then, having reaped them, it itself.

    Without any there is only the group: a process about to have its first child.
    """
    try:
        listed = Path(f"/proc/{leader}/task/{leader}/children").read_text(encoding="ascii")
    except OSError:  # it has just ended, or this kernel does not say
        listed = ""
    children = [int(child) for child in listed.split()]
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    if not children:
        _kill_group(leader)


def _kill_group(leader: int) -> None:
    # Not `process.kill()`: that polls, and so takes the exit status away from the watcher that waits for it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


async def _await_end(process: Process, streams: Sequence[asyncio.Task[None]], stop: tuple[str, ...]) -> None:
    if stop:
        await _run(stop)
    for seconds in (LEADER_SECONDS, END_SECONDS):
        try:
            async with asyncio.timeout(seconds):
                return await _gone(process, streams)
        except TimeoutError:
            if process.returncode is None:
                _kill_group(process.pid)
    raise SandboxError(
        f"the sandboxed process {process.pid} was killed and is not gone after {END_SECONDS:g} s",
        f"see what holds it: cat /proc/{process.pid}/stack",
    )


async def _run(stop: tuple[str, ...]) -> None:
    command = await asyncio.create_subprocess_exec(*stop, stdout=DEVNULL, stderr=DEVNULL)
    try:
        async with asyncio.timeout(END_SECONDS):
            await command.wait()
    except TimeoutError:
        command.kill()
        raise SandboxError(f"{' '.join(stop)} did not end within {END_SECONDS:g} s") from None


async def _gone(process: Process, streams: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*streams, return_exceptions=True)
    if process.stdin:
        process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()
    for pipe in (process.stdout, process.stderr):
        while pipe and await pipe.read(CHUNK):
            pass
    await process.wait()
