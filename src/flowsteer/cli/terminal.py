"""The terminal as rich draws on it; of all text that is drawn, nothing steers it but rich itself."""

import os
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from flowsteer.cli.console import output
from flowsteer.unicode import printable

UNBROKEN = 10_000
"""Columns of what is no terminal: a file or a pipe gets every line whole."""


class Terminal(Console):
    """A console whose texts are `printable`: models, questions, files and exceptions send it no control characters.

    Every text, also one in a table, a panel or a progress bar, comes through `render`; square brackets and colons in it
    are no markup. A reader that has gone is told by `BrokenPipeError`, as everywhere.

    Args:
        stderr: Whether to draw on standard error, not on standard output.
    """

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = UNBROKEN

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `rich.console.Console.render`."""
        if isinstance(renderable, Text) and (clean := printable(renderable.plain)) != renderable.plain:
            renderable = renderable.copy()
            renderable.plain = clean  # character by character, so that styles stay where they are
        return super().render(renderable, options)

    def print(self, *objects: Any, **options: Any) -> None:
        """See `rich.console.Console.print`; standard output that cannot be written ends the command."""
        with nullcontext() if self.stderr else output():
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Leave it to the command, which ends as shells expect."""
        raise
