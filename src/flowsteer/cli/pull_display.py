"""How far a download is: a bar with its rate on a terminal, else a plain line every few seconds."""

import time
from contextlib import AbstractContextManager
from types import TracebackType

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as Rate

from flowsteer.cli.console import note
from flowsteer.cli.terminal import Terminal

_LINE_SECONDS = 5.0


class PullDisplay(AbstractContextManager["PullDisplay"]):
    """Shows one download on standard error.

    Args:
        name: What is fetched.
    """

    def __init__(self, name: str) -> None:
        terminal = Terminal(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Rate(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=terminal) if terminal.is_terminal else None
        self._name = name
        self._task: TaskID | None = None
        self._told: tuple[float, int] | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.stop()

    def moved(self, done: int, total: int) -> None:
        """Show that so many bytes are there, of so many; 0 if nobody knows how many."""
        if self._bar is not None:
            self._draw(self._bar, done, total)
        elif self._told is None:
            self._told = time.monotonic(), done
        elif (seconds := time.monotonic() - self._told[0]) >= _LINE_SECONDS:
            of = f" of {total / 1e6:,.0f}" if total else ""
            note(f"{done / 1e6:,.0f}{of} MB, {(done - self._told[1]) / seconds / 1e6:.1f} MB/s")
            self._told = time.monotonic(), done

    def _draw(self, bar: Progress, done: int, total: int) -> None:
        if self._task is None:  # what was there before is no part of the rate
            bar.start()
            self._task = bar.add_task(self._name, total=total or None, completed=done)
        else:
            bar.update(self._task, completed=done)
