"""What a command prints for programs: `--json`, one object at the end; `--events`, an object a line while it runs.

The lines of `--events`, each an object with one of these keys:

    {"episode": ID, "event": {"kind": …}}   an event of an episode
    {"progress": {…}}                       counts of an evaluation
    {"stage": "coldstart 7/375"}            what a training is at
    {"step": {…}}                           metrics of a training step
    {"result": {…}}                         the last line: what --json prints
    {"error": {"code", "message", "hint"}}  the last line of a command that failed
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowsteer.cli.console import print_json, print_line


@dataclass(frozen=True, slots=True)
class ForPrograms:
    """What was asked for.

    Attributes:
        json: Whether the result is printed as one object.
        events: Whether events are printed as they happen.
    """

    json: bool = False
    events: bool = False

    def __bool__(self) -> bool:
        """Whether standard output is read by a program."""
        return self.json or self.events

    def listener(self) -> Callable[[str, str], None]:
        """A `flowsteer.runs.folder.Listener`; it prints to what is standard output now, also if that is redirected."""
        stream = sys.stdout

        def hear(episode: str, line: str) -> None:
            print_line(f'{{"episode": {json.dumps(episode, ensure_ascii=False)}, "event": {line}}}', stream)

        return hear if self.events else lambda episode, line: None

    def teller(self, key: str) -> Callable[[Any], None]:
        """What prints one thing that happened under a key; as `listener` does."""
        stream = sys.stdout

        def tell(value: Any) -> None:
            print_line(json.dumps({key: value}, ensure_ascii=False), stream)

        return tell if self.events else lambda value: None

    def result(self, value: Any) -> None:
        """Print what the command came to."""
        if self.events:
            self.teller("result")(value)
        else:
            print_json(value)
