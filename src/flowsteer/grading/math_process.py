"""Compare expressions in worker processes with a hard time limit: what does not end is killed."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

from flowsteer.errors import GraderError

START_SECONDS = 120.0
"""Longest time a worker may take to load; it happens once, and slowly on a busy machine."""

MEMORY_MB = 1024
"""Address space of a worker beyond which it fails, on Linux."""

_PROGRAM = """
import sys
if sys.platform == "linux":
    import ctypes, os, resource, signal
    resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
    ctypes.CDLL(None).prctl({death_signal}, signal.SIGKILL)
    if os.getppid() != {parent}:
        sys.exit()
sys.path.insert(0, {packages!r})
from flowsteer.grading.math_worker import main
main()
"""
"""How a worker begins. In the midst of a comparison it would not see that its input ends, so Linux is told to kill it
when its parent is gone, which it may be already. On other systems it ends after the comparison, and its memory has no
limit."""

PR_SET_PDEATHSIG = 1

_PACKAGES = str(Path(__file__).parents[2])
"""Where this very package lies: an isolated interpreter looks for it among the installed ones alone."""


class UnreadableGold(GraderError):
    """The gold answer is no mathematics that the library can read."""


class MathWorkers:
    """A pool of workers, started when needed.

    Args:
        seconds: Longest time for one comparison.
        workers: Most processes at once.
    """

    def __init__(self, seconds: float = 10.0, workers: int = 2) -> None:
        self._seconds = seconds
        self._slots = asyncio.Semaphore(workers)
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    async def equal(self, gold: str, answer: str) -> bool:
        """Whether two LaTeX expressions, without dollar signs, are mathematically equal.

        An answer that cannot be read is not equal.

        Raises:
            UnreadableGold: The gold cannot be read.
            GraderError: The library failed or the time limit was hit.
        """
        async with self._slots:
            worker = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(self._seconds):
                    said = await _exchange(worker, {"gold": gold, "answer": answer})
            except TimeoutError:
                await self._kill(worker)
                raise GraderError(f"the comparison did not end within {self._seconds:g} s") from None
            except BaseException:
                await self._kill(worker)
                raise
            self._idle.append(worker)
        if "failed" in said:
            raise GraderError(f"the comparison failed: {said['failed']}")
        if said.get("unreadable") == "gold":
            raise UnreadableGold("the gold answer cannot be read as mathematics")
        return bool(said.get("equal", False))

    async def aclose(self) -> None:
        """End all workers."""
        for worker in list(self._all):
            await self._kill(worker)
        self._idle.clear()

    async def _start(self) -> Process:
        program = _PROGRAM.format(
            limit=MEMORY_MB * 1024 * 1024, death_signal=PR_SET_PDEATHSIG, parent=os.getpid(), packages=_PACKAGES
        )
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", program, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
        )
        self._all.add(worker)
        try:
            async with asyncio.timeout(START_SECONDS):
                await _read(worker)
        except (TimeoutError, GraderError):
            await self._kill(worker)
            raise GraderError(
                "the worker that compares expressions did not start", "pip install math-verify[antlr4_13_2]"
            ) from None
        except BaseException:
            await self._kill(worker)
            raise
        return worker

    async def _kill(self, worker: Process) -> None:
        self._all.discard(worker)
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


async def _exchange(worker: Process, request: dict[str, str]) -> dict[str, Any]:
    assert worker.stdin is not None  # noqa: S101 (it was opened as a pipe)
    worker.stdin.write(json.dumps(request).encode() + b"\n")
    await worker.stdin.drain()
    return await _read(worker)


async def _read(worker: Process) -> dict[str, Any]:
    assert worker.stdout is not None  # noqa: S101
    line = await worker.stdout.readline()
    if not line:
        raise GraderError("the worker that compares expressions ended unexpectedly")
    said: dict[str, Any] = json.loads(line)
    return said
