"""How much of its time a run has had, as the kernel counts it, so that a busy machine does not use it up."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path

PATIENCE = 5.0
"""Most wall time of a run, as a multiple of its limit, however long it was kept waiting for a processor."""

TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def time_limit(seconds: float, leaders: Collection[int]) -> AsyncIterator[None]:
    """End what is done inside with a `TimeoutError` once the time is used up.

    What counts is the wall time less the time spent ready and waiting for a processor, and never less than the
    processor time of all processes together; in wall time it ends after `PATIENCE` times the limit at the latest.

    Args:
        seconds: The limit.
        leaders: Processes that count, with all their descendants; it may grow. Where there is none, wall time counts.
    """
    async with asyncio.timeout(None) as deadline:
        watch = asyncio.ensure_future(_expire(deadline, seconds, leaders))
        try:
            yield
        finally:
            watch.cancel()


async def _expire(deadline: asyncio.Timeout, seconds: float, leaders: Collection[int]) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    left = seconds
    while left > 0:
        await asyncio.sleep(left)
        wall = loop.time() - started
        left = min(seconds - time_had(wall, leaders), PATIENCE * seconds - wall)
    deadline.reschedule(loop.time())


def time_had(wall: float, leaders: Collection[int]) -> float:
    """Seconds of its time that a run has used.

    Args:
        wall: Seconds since it began.
        leaders: Its processes, without their descendants.
    """
    used = waited = 0.0
    found = [*leaders]
    while found:
        process = Path(f"/proc/{found.pop()}")
        with contextlib.suppress(OSError):  # it has just ended
            used += _processor_seconds(process)
            for thread in (process / "task").iterdir():
                found += map(int, (thread / "children").read_text().split())
                waited += _waiting_seconds(thread)
    return max(used, wall - waited)


def _processor_seconds(process: Path) -> float:
    """Processor time of a process and of those of its children that have ended (fields 14 to 17 of proc(5))."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def _waiting_seconds(thread: Path) -> float:
    """Time that a thread was ready to run and another one ran."""
    return int((thread / "schedstat").read_text().split()[1]) / 1e9
