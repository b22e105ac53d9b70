"""The episodes in flight, with what a reader who was cut off needs to be told of no one twice."""

import threading
from collections.abc import Callable

from flowsteer.runs.event_json import JSON


class Flying:
    """The rows of the episodes in flight, each with a number: that of the latest change when it became what it is.

    Args:
        read: Reads the rows as they are now.
    """

    def __init__(self, read: Callable[[], list[JSON]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[int, JSON]] = {}
        self._latest = 0

    def since(self, change: int) -> list[tuple[int, JSON]]:
        """The rows that are new or another than before, in the order of their numbers.

        Args:
            change: Number of the latest change that is known; 0 for none.

        Raises:
            RunError: They cannot be read.
        """
        with self._lock:
            self._rows = {row["episode"]: self._numbered(row) for row in self._read()}
            return sorted((one for one in self._rows.values() if one[0] > change), key=lambda one: one[0])

    def _numbered(self, row: JSON) -> tuple[int, JSON]:
        number, known = self._rows.get(row["episode"], (0, None))
        if known != row:
            self._latest += 1
            number = self._latest
        return number, row
