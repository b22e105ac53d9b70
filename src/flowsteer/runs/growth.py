"""What a run has got since it was last looked at: nothing that has been read is read again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flowsteer.errors import RunError
from flowsteer.runs.event_json import JSON
from flowsteer.runs.files import UNREADABLE, is_there, parsed
from flowsteer.runs.index import EPISODES, INDEX, Entry, indexed_line, opened_episodes, read_gap, stands

FIRST_BYTES = 1 << 13
"""So much of an episode's line is read for its first event; twice as much each time that it is not enough."""

_EVENTS = b', "events": ['
"""What stands before the events in a line; within a text its quotes would be escaped."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a run has been read.

    Attributes:
        index: Bytes of `index.jsonl`.
        episodes: Bytes of `episodes.jsonl`.
    """

    index: int = 0
    episodes: int = 0


def new_entries(run: Path, seen: Seen) -> Iterator[tuple[Entry | None, Seen]]:
    """The episodes that finished since, in the order of `episodes.jsonl`; each with how far the run has been read then.

    Those that the index lacks are read from their own lines. The last step may hold no episode.

    Args:
        run: The run folder; its writer may be at work.
        seen: How far it had been read.

    Raises:
        RunError: A file cannot be read.
    """
    at, known = seen.index, seen.episodes
    with opened_episodes(run) as episodes:
        for line, behind in lines_from(run / INDEX, at):
            before, at = at, behind
            plain = parsed(line)
            found = None if plain is None else indexed_line(run, plain)
            if found is None or found.span[0] < known or not stands(found, episodes):
                continue
            for missing in read_gap(run, known, found.span[0]):
                yield missing.entry, Seen(before, missing.span[1])
            known = found.span[1]
            yield found.entry, Seen(at, known)
    size = _size(run / EPISODES)
    for missing in read_gap(run, known, size):
        known = missing.span[1]
        yield missing.entry, Seen(at, known)
    yield None, Seen(at, size if size and _is_whole(run / EPISODES, size) else known)


def first_event(run: Path, entry: Entry) -> JSON | None:
    """The first event of an episode as plain JSON values; only the beginning of its line is read.

    Returns:
        None if it cannot be read.
    """
    try:
        with (run / EPISODES).open("rb") as file:
            return _first_event(file, entry.offset, entry.length)
    except (OSError, *UNREADABLE):
        return None


def _first_event(file: BinaryIO, offset: int, length: int) -> JSON | None:
    bytes_read = FIRST_BYTES
    while True:
        file.seek(offset)
        part = file.read(min(bytes_read, length))
        start = part.find(_EVENTS)
        if start >= 0:
            text = part[start + len(_EVENTS) :].decode(errors="ignore")
            try:
                event, _ = json.JSONDecoder().raw_decode(text)
            except ValueError:
                event = None
            if isinstance(event, dict):
                return event
        if bytes_read >= length:
            return None
        bytes_read *= 2


def lines_from(file: Path, start: int) -> Iterator[tuple[bytes, int]]:
    """The whole lines of a file from a byte on, and the first byte behind each.

    Args:
        file: The file; none holds no line.
        start: The byte.

    Raises:
        RunError: It cannot be read.
    """
    if not is_there(file):
        return
    try:
        with file.open("rb") as lines:
            lines.seek(start)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                yield line, start
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}", "name another folder") from error


def _is_whole(file: Path, size: int) -> bool:
    """Whether a line ends there; then what could not be read before is damaged, and not still being written."""
    with file.open("rb") as lines:
        lines.seek(size - 1)
        return lines.read(1) == b"\n"


def _size(file: Path) -> int:
    return file.stat().st_size if is_there(file) else 0
