"""The index of a run: which episode stands where in `episodes.jsonl`, and what is told of it.

Every byte of `episodes.jsonl` belongs to a line that the index knows. Where it does not, since a kill came between or
one of the two is damaged, the episodes' own lines are read: they hold all that the index holds. A line of the index is
believed if a line of its episode stands where it says.
"""

import json
import logging
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from flowsteer.errors import RunError
from flowsteer.runs import format_1
from flowsteer.runs.config import FORMAT, format_of
from flowsteer.runs.event_json import JSON, events_from_json
from flowsteer.runs.events import Event
from flowsteer.runs.files import UNREADABLE, is_there, parsed, read_lines_at, write_text
from flowsteer.runs.summary import EpisodeSummary, summary_from_json, summary_to_json

EPISODES, INDEX = "episodes.jsonl", "index.jsonl"

DAMAGED = (*UNREADABLE, KeyError, TypeError, AttributeError, IndexError, OverflowError)
"""What comes of JSON that is not what it should be."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One episode in the index of a run.

    Attributes:
        episode: Its id.
        summary: What is told of it in lists and reports.
        offset: First byte of its line in `episodes.jsonl`.
        length: Bytes of its line, newline included.
    """

    episode: str
    summary: EpisodeSummary
    offset: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Indexed:
    """One line of the index, read.

    Attributes:
        episode: The episode's id.
        offset: First byte of its line in `episodes.jsonl`.
        length: Bytes of that line, newline included.
        content: What is told of the episode; or a note of a search in an episode's place, as in folders of the first
            format; None if it was not kept.
        at: First byte of this line in the index; None if the index lacks it.
    """

    episode: str
    offset: int
    length: int
    content: EpisodeSummary | JSON | None
    at: int | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Its first byte in `episodes.jsonl`, and the first one behind it."""
        return self.offset, self.offset + self.length

    @property
    def entry(self) -> Entry | None:
        """The episode; None for a note, or if nothing of it was kept."""
        if isinstance(self.content, EpisodeSummary):
            return Entry(self.episode, self.content, self.offset, self.length)
        return None

    @property
    def note(self) -> JSON | None:
        """The note, if it is one."""
        return self.content if isinstance(self.content, dict) else None

    @property
    def plain(self) -> JSON:
        """The line."""
        if isinstance(self.content, EpisodeSummary):
            told = {"episode": self.episode, "format": FORMAT, "summary": summary_to_json(self.content)}
        else:
            told = {"episode": self.episode, "summary": self.content}
        return told | {"offset": self.offset, "length": self.length}


def known_lines(run: Path, keep: bool = True) -> list[Indexed]:
    """The finished episodes that the index of a run knows, in the order of `episodes.jsonl`.

    Args:
        run: The run folder.
        keep: Whether what is told of them is kept; notes are.

    Raises:
        RunError: A file cannot be read.
    """
    latest: dict[int, Indexed] = {}
    with opened_episodes(run) as episodes:
        for at, plain in read_lines_at(run / INDEX):
            line = indexed_line(run, plain, at)
            if line is not None and stands(line, episodes):
                dropped = not keep and isinstance(line.content, EpisodeSummary)
                latest[line.offset] = replace(line, content=None) if dropped else line
    known: list[Indexed] = []
    for line in sorted(latest.values(), key=lambda line: line.span):
        if not known or line.span[0] >= known[-1].span[1]:
            known.append(line)
    return known


def lacking_lines(run: Path, known: Sequence[Indexed]) -> Iterator[Indexed]:
    """The finished episodes that the index lacks, read from their own lines.

    Args:
        run: The run folder.
        known: What the index knows.

    Raises:
        RunError: A file cannot be read.
    """
    for start, end in _gaps(known, _size(run)):
        yield from read_gap(run, start, end)


def mend_index(run: Path) -> list[Indexed]:
    """Have the index hold one line for each finished episode, and nothing else.

    Returns:
        Its lines, in the order of `episodes.jsonl`; what is told of episodes is not kept.

    Raises:
        RunError: A file cannot be read or written.
    """
    known = known_lines(run, keep=False)
    lacking = [*lacking_lines(run, known)]
    with (run / INDEX).open("rb") as index:
        if not lacking and sum(1 for _ in index) == len(known):
            return known
        lines = sorted([*known, *lacking], key=lambda line: line.span)
        texts = [_text_of(line, index) for line in lines]
    write_text(run / INDEX, b"".join(texts).decode())
    begins = accumulate(map(len, texts), initial=0)
    return [replace(line, at=at, content=line.note) for line, at in zip(lines, begins, strict=False)]


def _text_of(line: Indexed, index: BinaryIO) -> bytes:
    """A line of the index as it stands there, or is to."""
    if line.at is None:
        return f"{json.dumps(line.plain)}\n".encode()  # what it holds may be half a character
    index.seek(line.at)
    return index.readline()


@contextmanager
def opened_episodes(run: Path) -> Iterator[BinaryIO | None]:
    """`episodes.jsonl`, to look into here and there; None if there is none.

    Raises:
        RunError: It cannot be read.
    """
    if not is_there(run / EPISODES):
        yield None
        return
    try:
        with (run / EPISODES).open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise RunError(f"{run / EPISODES} cannot be read: {error.strerror}", "name another folder") from error


def stands(line: Indexed, episodes: BinaryIO | None) -> bool:
    """Whether a whole line of that episode stands where a line of the index says.

    Args:
        line: The line.
        episodes: What `opened_episodes` gave.
    """
    start, end = line.span
    if episodes is None or end > os.fstat(episodes.fileno()).st_size:
        return False
    begins = [
        f'{{"episode": {json.dumps(line.episode, ensure_ascii=escaped)}, '.encode(errors="replace")
        for escaped in (False, True)
    ]
    episodes.seek(max(0, start - 1))
    found = episodes.read(bool(start) + max(map(len, begins)))
    episodes.seek(end - 1)
    return episodes.read(1) == b"\n" and found.startswith(tuple(b"\n" * bool(start) + one for one in begins))


def summary_of(run: Path, plain: JSON) -> EpisodeSummary | None:
    """The summary in a line of the index, or of what broke off; None if it holds none."""
    try:
        if format_of(plain) > 1:
            return summary_from_json(plain["summary"])
        return format_1.summary(
            plain["summary"], plain["episode"], lambda: read_events(run, plain["offset"], plain["length"])
        )
    except (RunError, *DAMAGED):
        return None


def read_events(run: Path, offset: int, length: int, kinds: Collection[type[Event]] | None = None) -> list[Event]:
    """The events of one episode; only its own bytes are read.

    Args:
        run: The run folder.
        offset: First byte of its line in `episodes.jsonl`.
        length: Bytes of its line.
        kinds: Which events; None for all. To make few of them is much quicker.

    Raises:
        RunError: They cannot be read.
    """
    try:
        with (run / EPISODES).open("rb") as file:
            file.seek(offset)
            record: JSON = json.loads(file.read(length))
        wanted = None if kinds is None else {kind.kind for kind in kinds}
        stream = [plain for plain in record["events"] if wanted is None or plain["kind"] in wanted]
        return events_from_json(map(format_1.event, stream) if format_of(record) == 1 else stream)
    except (OSError, *DAMAGED) as error:
        found = f"{type(error).__name__}: {error}"
        raise RunError(
            f"{run / EPISODES} is damaged between bytes {offset} and {offset + length}: {found}",
            "the other episodes can be read",
        ) from error


def indexed_line(run: Path, plain: JSON, at: int | None = None) -> Indexed | None:
    """A line of the index, read; None if it is damaged."""
    episode, offset, length = (plain.get(name) for name in ("episode", "offset", "length"))
    if not (isinstance(episode, str) and isinstance(offset, int) and isinstance(length, int) and offset >= 0 < length):
        return None
    try:
        if format_of(plain) == 1 and format_1.is_note(plain["summary"]):
            return Indexed(episode, offset, length, plain["summary"], at)
    except DAMAGED:
        return None
    summary = summary_of(run, plain)
    return None if summary is None else Indexed(episode, offset, length, summary, at)


def _size(run: Path) -> int:
    return (run / EPISODES).stat().st_size if is_there(run / EPISODES) else 0


def _gaps(known: Sequence[Indexed], size: int) -> Iterator[tuple[int, int]]:
    """Bytes of `episodes.jsonl` that no line of the index knows: the first, and the first behind them."""
    end = 0
    for start, behind in (*(line.span for line in known), (size, size)):
        if start > end:
            yield end, start
        end = behind


def read_gap(run: Path, start: int, end: int) -> Iterator[Indexed]:
    """The episodes in lines that the index does not know, between two bytes of `episodes.jsonl`."""
    if start >= end:
        return
    with (run / EPISODES).open("rb") as lines:
        lines.seek(start)
        while start < end and (line := lines.readline(end - start)):
            plain = parsed(line)
            found = None
            if plain is not None and "events" in plain:
                del plain["events"]
                found = indexed_line(run, plain | {"offset": start, "length": len(line)})
            if found is not None:
                yield found
            elif line.endswith(b"\n"):  # what is not, is still being written or was torn by a kill
                _log.warning("%s: no episode can be read at byte %d; it counts as not run", run / EPISODES, start)
            start += len(line)
