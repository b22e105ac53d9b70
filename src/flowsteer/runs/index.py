"""The index of a run: which episode stands where in `episodes.jsonl`, and what is told of it.

Every byte of `episodes.jsonl` belongs to a line that the index knows. Where it does not, since a kill came between or
the index is damaged, the episodes' own lines are read: they hold all that the index holds.
"""

import json
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs import format_1
from flowsteer.runs.config import format_of
from flowsteer.runs.event_json import JSON, events_from_json
from flowsteer.runs.events import Event
from flowsteer.runs.files import UNREADABLE, is_there, parsed, read_lines
from flowsteer.runs.summary import EpisodeSummary, summary_from_json

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
        plain: What the line holds.
        entry: The episode; None for a note of a search in an episode's place, as in folders of the first format.
    """

    plain: JSON
    entry: Entry | None

    @property
    def span(self) -> tuple[int, int]:
        """Its first byte in `episodes.jsonl`, and the first one behind it."""
        start: int = self.plain["offset"]
        return start, start + int(self.plain["length"])


def read_index(run: Path) -> tuple[list[Indexed], list[Indexed]]:
    """All finished episodes of a run in the order in which they finished, and those of them that the index lacks.

    Raises:
        RunError: A file cannot be read.
    """
    size = (run / EPISODES).stat().st_size if is_there(run / EPISODES) else 0
    lines = (indexed_line(run, plain) for plain in read_lines(run / INDEX))
    latest = {line.span[0]: line for line in lines if line is not None and line.span[1] <= size}
    known: list[Indexed] = []
    for line in sorted(latest.values(), key=lambda line: line.span):
        if not known or line.span[0] >= known[-1].span[1]:
            known.append(line)
    lacking = [line for gap in _gaps(known, size) for line in read_gap(run, *gap)]
    return sorted([*known, *lacking], key=lambda line: line.span), lacking


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


def indexed_line(run: Path, plain: JSON) -> Indexed | None:
    """A line of the index, read; None if it is damaged."""
    episode, offset, length = (plain.get(name) for name in ("episode", "offset", "length"))
    if not (isinstance(episode, str) and isinstance(offset, int) and isinstance(length, int) and offset >= 0 < length):
        return None
    try:
        if format_of(plain) == 1 and format_1.is_note(plain["summary"]):
            return Indexed(plain, None)
    except DAMAGED:
        return None
    summary = summary_of(run, plain)
    return None if summary is None else Indexed(plain, Entry(episode, summary, offset, length))


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
