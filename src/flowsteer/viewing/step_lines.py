"""The lines of a training run's metrics, as they come: none is parsed twice, and the latest stay in memory."""

import threading
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from flowsteer.runs.event_json import JSON
from flowsteer.runs.files import is_there, parsed
from flowsteer.runs.growth import lines_from

METRICS = "metrics.jsonl"

MOST_KEPT = 5000
"""So many of the latest lines stay in memory; who asks for older ones has them read again."""


class StepLines:
    """The lines of a run's metrics; a file that was made anew is read anew.

    Args:
        run: The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._file = run / METRICS
        self._lock = threading.Lock()
        self._begin_anew()

    def since(self, line: int) -> tuple[list[JSON], int]:
        """What has come since.

        Args:
            line: The number of lines that are known; of a file that has fewer, which was made anew, all are told.

        Returns:
            The lines behind them, and the number of all.

        Raises:
            RunError: The file cannot be read.
        """
        with self._lock:
            self._read_on()
            count = len(self._starts)
            known = line if line <= count else 0
            older = list(self._read_again(known, count - len(self._latest)))
            return older + list(islice(self._latest, len(self._latest) - (count - known - len(older)), None)), count

    def _read_again(self, first: int, end: int) -> Iterator[JSON]:
        """The lines that are no longer in memory, from one to before another."""
        if first < end:
            steps = (parsed(line) for line, _ in lines_from(self._file, self._starts[first]))
            yield from islice((step for step in steps if step is not None), end - first)

    def _begin_anew(self) -> None:
        self._starts, self._behind = array("Q"), 0
        self._latest: deque[JSON] = deque(maxlen=MOST_KEPT)

    def _read_on(self) -> None:
        if (self._file.stat().st_size if is_there(self._file) else 0) < self._behind:
            self._begin_anew()
        for line, behind in lines_from(self._file, self._behind):
            if (step := parsed(line)) is not None:
                self._starts.append(self._behind)
                self._latest.append(step)
            self._behind = behind
