"""How far a command is, on standard error: a bar on a terminal, else a plain line every few seconds."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from flowsteer.cli.console import note
from flowsteer.cli.verbosity import is_quiet

EVERY, AGAIN = 5.0, 60.0
"""Seconds between two lines, and until a line that has nothing new is said again."""


class ShowProgress(Protocol):
    """Takes what is done, of how much, and what else there is to say."""

    def __call__(self, done: float, total: float, words: str) -> None:
        """Show it."""


@contextmanager
def progress_display(wanted: bool = True) -> Iterator[ShowProgress]:
    """Show progress until the block is left; `--quiet` shows none.

    Args:
        wanted: Whether to show any.
    """
    if not wanted or is_quiet():
        yield lambda done, total, words: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        with _Lines() as show:
            yield show


@contextmanager
def _bar() -> Iterator[ShowProgress]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from flowsteer.cli.terminal import Terminal

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Terminal(stderr=True)) as bar:
        task = bar.add_task("starting", total=None)

        def show(done: float, total: float, words: str) -> None:
            bar.update(task, completed=done, total=total, description=words)

        yield show


class _Lines:
    """Says from a thread where a command stands: also one that works for long between two calls."""

    def __init__(self) -> None:
        self._line, self._said, self._last = "starting", "", 0.0
        self._began, self._over = monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def __enter__(self) -> ShowProgress:
        self._thread.start()
        return self._show

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _show(self, done: float, total: float, words: str) -> None:
        self._line = f"{done:.0f} of {total:.0f}  {words}"

    def _speak(self) -> None:
        while not self._over.wait(EVERY):
            took = monotonic() - self._began
            if self._line != self._said or took - self._last >= AGAIN:
                self._said, self._last = self._line, took
                note(f"[{took:.0f} s] {self._line}")
