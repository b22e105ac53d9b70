"""How much of its time a run has had, as the kernel counts it, so that a busy machine does not use it up."""

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from pathlib import Path

PATIENCE = 5.0
"""Most wall time of a run, as a multiple of its limit, however long it was kept waiting for a processor."""

CHILDREN = Path("/proc/thread-self/children")
"""Where the kernel lists the children of a thread, if it was built to."""

PROCESSORS = Path("/proc/stat")
"""Where the kernel counts what each processor did."""


@contextlib.asynccontextmanager
async def time_limit(seconds: float, leaders: Collection[int]) -> AsyncIterator[None]:
    """End what is done inside with a `TimeoutError` once the time is used up.

    What counts is the wall time less the time spent ready and waiting for a processor, and less the time in which a
    hypervisor lent the processor to another machine; never less than the processor time of all processes together. In
    wall time it ends after `PATIENCE` times the limit at the latest.

    Args:
        seconds: The limit.
        leaders: Processes that count, with all their descendants; it may grow. Where there is none, and on systems
            other than Linux, wall time counts.
    """
    async with asyncio.timeout(None) as deadline:
        watch = asyncio.ensure_future(_expire(deadline, seconds, leaders))
        try:
            yield
        finally:
            watch.cancel()


async def _expire(deadline: asyncio.Timeout, seconds: float, leaders: Collection[int]) -> None:
    loop, clock = asyncio.get_running_loop(), RunClock(leaders)
    started = loop.time()
    left = seconds
    while left > 0:
        await asyncio.sleep(left)
        wall = loop.time() - started
        left = min(seconds - clock.time_had(wall), PATIENCE * seconds - wall)
    deadline.reschedule(loop.time())


class RunClock:
    """Looks now and then at what a run's processes have used and waited.

    The kernel forgets a thread with its end, so how long it had waited since the last look is not known. The time
    between two looks counts as waiting if a thread ended in it: a run whose end the host is about to see is not late.

    Args:
        leaders: The run's processes, without their descendants; it may grow.
    """

    def __init__(self, leaders: Collection[int]) -> None:
        self._leaders = leaders
        self._known: set[int] = set()
        self._alive: dict[Path, float] = {}
        self._waited_by_ended = self._used = self._last_look = 0.0
        self._lent_before = _lent()

    def time_had(self, wall: float) -> float:
        """Seconds of its time that the run has used.

        Args:
            wall: Seconds since it began.
        """
        if not CHILDREN.exists():  # the system counts no such time: wall time is what it had
            return wall
        new = [leader for leader in self._leaders if leader not in self._known]
        before = self._alive | {Path(f"/proc/{leader}/task/{leader}"): 0.0 for leader in new}
        self._known.update(new)
        used, self._alive = _look(self._leaders)
        if ended := [waited for thread, waited in before.items() if thread not in self._alive]:
            self._waited_by_ended += sum(ended) + wall - self._last_look
        self._used, self._last_look = max(self._used, used), wall
        return max(self._used, wall - self._waited_by_ended - sum(self._alive.values()) - self._lent_meanwhile())

    def _lent_meanwhile(self) -> float:
        """For how long the run's processors were lent to another machine since it began, on average."""
        lent, processors = _lent(), _processors(self._leaders)
        return sum(lent[each] - self._lent_before[each] for each in processors) / max(1, len(processors))


def _lent() -> dict[int, float]:
    """Seconds since its start for which a hypervisor gave each processor to another machine ("steal" in proc(5))."""
    lines = PROCESSORS.read_text().splitlines() if PROCESSORS.exists() else []
    counts = [line.removeprefix("cpu").split() for line in lines if line.startswith("cpu") and line[3].isdigit()]
    return defaultdict(float, {int(count[0]): int(count[8]) / os.sysconf("SC_CLK_TCK") for count in counts})


def _processors(leaders: Collection[int]) -> set[int]:
    """Where the processes may run, those that have not ended."""
    allowed = set[int]()
    for leader in leaders:
        with contextlib.suppress(ProcessLookupError):
            allowed |= os.sched_getaffinity(leader)
    return allowed


def _look(leaders: Collection[int]) -> tuple[float, dict[Path, float]]:
    """Processor time of the processes and their descendants, and for how long each of their threads has waited."""
    used, waited = 0.0, dict[Path, float]()
    found = [*leaders]
    while found:
        process = Path(f"/proc/{found.pop()}")
        with contextlib.suppress(OSError):  # it has just ended
            used += _processor_seconds(process)
            for thread in [*(process / "task").iterdir()]:
                with contextlib.suppress(OSError):  # this thread has, and its children go to another
                    waited[thread] = _waiting_seconds(thread)
                    found += _children(thread)
    return used, waited


def _children(thread: Path) -> set[int]:
    """Its children, listed twice: where one ends meanwhile, the kernel leaves another one out (proc(5))."""
    return {int(child) for _ in range(2) for child in (thread / "children").read_text().split()}


def _processor_seconds(process: Path) -> float:
    """Processor time of a process and of those of its children that have ended (fields 14 to 17 of proc(5))."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _waiting_seconds(thread: Path) -> float:
    """Time that a thread was ready to run and another one ran."""
    return int((thread / "schedstat").read_text().split()[1]) / 1e9
