"""What starts the process of a run, and what that process is to those who talk to it."""

import asyncio
from collections.abc import Sequence
from typing import Protocol


class Process(Protocol):
    """A process that runs: what is used of `asyncio.subprocess.Process`."""

    stdin: asyncio.StreamWriter | None
    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        ...

    async def wait(self) -> int:
        """Wait for its exit status."""
        ...


class Launcher(Protocol):
    """Starts the process of one run, and ends it."""

    async def start(self, stdout: int = ..., line_bytes: int = ...) -> Process:
        """Start it.

        Args:
            stdout: `asyncio.subprocess.PIPE`, or `DEVNULL` to throw away what it prints.
            line_bytes: Longest line to read.

        Raises:
            SandboxError: If it cannot be started.
        """
        ...

    def leaders(self, process: Process) -> tuple[int, ...]:
        """The processes whose time is the run's; none if only wall time can be told."""
        ...

    async def end(self, process: Process, streams: Sequence[asyncio.Task[None]] = ()) -> None:
        """Leave nothing behind: no process, no zombie, no open pipe, none of the tasks that read and write these."""
        ...
