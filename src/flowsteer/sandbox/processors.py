"""Places to run: so many at once, and each on one processor, which its processes share among themselves.

However many spin in one place, they take nothing from another one, on any kernel and without any privilege; and the
processor time of a run is never more than its wall time.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator

_TAKEN: Counter[int] = Counter()
"""How many runs of this process, whoever started them, are on each processor."""


def usable() -> list[int]:
    """The processors that this process may use; all there are where the system does not say (macOS, Windows)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]


class Places:
    """Places to run.

    Args:
        most: How many, by default one a processor; whoever comes later waits.
    """

    def __init__(self, most: int | None = None) -> None:
        processors = usable()
        self._room = asyncio.Semaphore(most or len(processors))
        self._processors = random.sample(processors, len(processors))  # other programs choose as well

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[int]:
        """Wait for a place, and hold it; gives the number of its processor, the first that fewest runs are on."""
        async with self._room:
            processor = min(self._processors, key=_TAKEN.__getitem__)
            _TAKEN[processor] += 1
            try:
                yield processor
            finally:
                _TAKEN[processor] -= 1
