"""What the program of an MCP server writes to its standard error: it goes into the log, and not to the terminal."""

import logging
import os
from threading import Thread
from typing import IO

_log = logging.getLogger(__name__)

LONGEST_LINE = 2_000
"""Most characters of a line; what is longer is told in pieces."""

END_SECONDS = 1.0
"""How long the last line of a program that has ended is waited for."""


class McpStderr:
    """Reads it in a thread, to its end.

    Args:
        server: Name of the server, which stands before each line.

    Attributes:
        end: The end to be given to the program, and closed once it has that.
    """

    def __init__(self, server: str) -> None:
        reads, writes = os.pipe()
        self.end: IO[str] = os.fdopen(writes, "w")
        self._last = ""
        said = os.fdopen(reads, encoding="utf-8", errors="replace")
        self._thread = Thread(target=self._read, args=(server, said), daemon=True)
        self._thread.start()

    def last_words(self) -> str:
        """The last line of a program that has ended, as the end of a sentence; empty if it said nothing."""
        self._thread.join(END_SECONDS)
        return f"; it last said: {self._last}" if self._last else ""

    def _read(self, server: str, said: IO[str]) -> None:
        with said:
            while line := said.readline(LONGEST_LINE):
                if line.strip():
                    self._last = line.strip()
                    _log.info("%s: %s", server, self._last)
