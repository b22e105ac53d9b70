"""A sandbox that starts once and runs many programs, each in a process forked for it (`guest/fork_server.py`)."""

import asyncio
import contextlib
import os
import socket
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass, field

from flowsteer.errors import SandboxError
from flowsteer.sandbox.group import CHUNK, Launch, start_process
from flowsteer.sandbox.launcher import Process

START_SECONDS = 10.0
END_SECONDS = 0.5
"""How long a run may take to end once its input has."""


class ForkServer:
    """One such sandbox. It runs one program at a time.

    Args:
        launch: How it is started.
        packages: Its folders of third-party packages, as seen inside.

    Attributes:
        runs: How many programs it has run.
        usable: Whether it may run another: it has started, and every run so far has left it empty.
    """

    def __init__(self, launch: Launch, packages: tuple[str, ...]) -> None:
        self.packages = packages
        self._launch = launch
        self.runs = 0
        self.usable = False
        self._control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)

    async def start(self) -> None:
        """Start it.

        Raises:
            SandboxError: If it does not start; the launcher's own words say why.
        """
        try:
            self._process = await start_process(self._launch, asyncio.subprocess.DEVNULL, stdin=self._theirs.fileno())
        finally:
            self._theirs.close()
        assert self._process.stderr  # noqa: S101  # a pipe
        said = f"it did not answer in {START_SECONDS:g} s"
        try:
            async with asyncio.timeout(START_SECONDS):
                self.usable = await self._hear() == b"ready"
                if not self.usable:
                    said = (await self._process.stderr.read(CHUNK)).decode(errors="replace").strip()
        except TimeoutError:
            pass
        finally:
            if not self.usable:
                await self.aclose()
        if not self.usable:
            raise SandboxError(f"the sandbox could not be started: {said[-500:]}")

    async def fork(self, user: int | None, stdout: int, line_bytes: int) -> "Forked":
        """Start a run; see `flowsteer.sandbox.launcher.Launcher.start`.

        Args:
            user: Whom the run becomes, 0 if it becomes nobody else; None to have it in the server's own process.
            stdout: `PIPE` or `DEVNULL`.
            line_bytes: Longest line to read.
        """
        self.runs += 1
        self.usable = False
        given, stdin_end = os.pipe()
        stdout_end, printed = os.pipe() if stdout == PIPE else (-1, os.open(os.devnull, os.O_WRONLY))
        channel_end, channel = os.pipe()
        with contextlib.suppress(OSError):  # it is gone: the run's pipes end at once
            socket.send_fds(self._control, [b"here" if user is None else b"%d" % user], [given, printed, channel])
        for descriptor in (given, printed, channel):
            os.close(descriptor)
        return Forked(
            self,
            await _writer(stdin_end),
            await _reader(stdout_end, line_bytes) if stdout == PIPE else None,
            await _reader(channel_end, line_bytes),
        )

    async def reap(self) -> int:
        """Wait until the run has ended and nothing of it is left; its exit status, negative for a signal."""
        status = await self._hear()
        self.usable = status.isdigit()
        return os.waitstatus_to_exitcode(int(status)) if self.usable else -9

    async def _hear(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._control, 64)
        except OSError:
            return b""

    async def aclose(self) -> None:
        """End it and all that runs in it."""
        self.usable = False
        self._control.close()
        await self._launch.end(self._process)


async def _reader(descriptor: int, limit: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit)
    pipe = os.fdopen(descriptor, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor, "wb", 0)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)


@dataclass(slots=True)
class Forked:
    """A process of a fork server."""

    server: ForkServer
    stdin: asyncio.StreamWriter | None
    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None
    returncode: int | None = field(default=None, init=False)

    async def wait(self) -> int:
        """Wait for its exit status."""
        if self.returncode is None:
            self.returncode = await self.server.reap()
        return self.returncode


@dataclass(frozen=True, slots=True)
class Fork:
    """How to start a run in a fork server; a `flowsteer.sandbox.launcher.Launcher`."""

    server: ForkServer
    user: int | None

    async def start(self, stdout: int = PIPE, line_bytes: int = CHUNK) -> Process:
        """Start it."""
        return await self.server.fork(self.user, stdout, line_bytes)

    def leaders(self, process: Process) -> tuple[int, ...]:
        """None: the server's time is that of all its runs."""
        return ()

    async def end(self, process: Process, streams: Sequence[asyncio.Task[None]] = ()) -> None:
        """End it, if need be with the whole server."""
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        assert process.stdin  # noqa: S101  # a pipe
        process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            await self.server.aclose()
        for pipe in (process.stdout, process.stderr):
            while pipe and await pipe.read(CHUNK):
                pass
