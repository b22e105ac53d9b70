"""A run folder: what was asked, and every episode, append-only.

    config.json      the format, what the run was asked to do, and the versions that did it
    episodes.jsonl   one line an episode: id, format, summary, events; only ever appended to
    index.jsonl      one line an episode: id, format, summary, where it stands; can be rebuilt from episodes.jsonl
    errors.jsonl     one line for each time that infrastructure broke an episode off
    notes.jsonl      what else a run keeps so as not to do it twice, such as the rounds of a search
    scores/          grades given later, a file each pass (`flowsteer.runs.grades`)
    open/            events of the episodes in flight, written as they happen
    requests.sqlite  what was sent to models, if it is kept (`flowsteer.runs.request_store`)
    replies.sqlite   replies of the backends, if they are kept: what lets a broken-off episode go on where it stopped
    spent.json       what was paid over all starts (`flowsteer.backends.ledger`)
    lock             held by the one process that writes

The same command on the same folder resumes: finished episodes are kept, unfinished ones are run again. A line that
was torn by a kill is cut off when the folder is opened, and its episode counts as not run. A folder that names no
format is of the first one, and read as well (`flowsteer.runs.format_1`); what is added to it is of today's.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from flowsteer.credentials import refuse_keys
from flowsteer.errors import RunError
from flowsteer.runs.config import CONFIG, FORMAT, keep_config, stored_config
from flowsteer.runs.event_json import BROKEN_OFF, JSON, event_line
from flowsteer.runs.events import Event
from flowsteer.runs.files import append, append_line, append_lines, cut_torn_line, is_there, read_lines, writing
from flowsteer.runs.grades import regraded
from flowsteer.runs.index import (
    EPISODES,
    INDEX,
    Entry,
    Indexed,
    known_lines,
    lacking_lines,
    mend_index,
    read_events,
    summary_of,
)
from flowsteer.runs.lock import LOCK, take_lock
from flowsteer.runs.request_store import FILE as REQUESTS
from flowsteer.runs.stored_entries import StoredEntries
from flowsteer.runs.summary import EpisodeSummary, summary_to_json
from flowsteer.runs.unfinished import events_so_far, unfinished_files
from flowsteer.unicode import refuse_unsound

_log = logging.getLogger(__name__)

ERRORS, NOTES, OPEN, REPLIES = "errors.jsonl", "notes.jsonl", "open", "replies.sqlite"

RESULTS = ("result.json", "start", "policy", "best", "checkpoints")
"""What may come of a run besides episodes: figures and policies of a training."""


Whole = tuple[str, EpisodeSummary, list[str]]
"""A finished episode: its id, what is told of it in lists and reports, and its events, each an `event_line`."""

Append = Callable[[Sequence[Whole]], list[Entry]]
"""What adds finished episodes."""

Listener = Callable[[str, str], None]
"""Gets every event that is written down, and `BROKEN_OFF`: the episode's id, and the event as a line of JSON."""


def unheard(episode: str, line: str) -> None:
    """A `Listener` that hears nothing."""


class EpisodeWriter:
    """Writes the events of one episode in flight; `commit` makes it part of the run.

    Args:
        folder: Where the events stand until then.
        episode: The episode's id.
        append: Makes it part of the run.
        listener: Gets each event.
    """

    def __init__(self, folder: Path, episode: str, append: Append, listener: Listener = unheard) -> None:
        self._episode, self._append, self._listener = episode, append, listener
        self._path = folder / open_name(episode)
        with writing(self._path):
            self._file = self._path.open("w", encoding="utf-8")

    def emit(self, event: Event) -> None:
        """Write one event down now.

        Raises:
            RunWriteError: It cannot be written.
        """
        line = event_line(event)
        with writing(self._path):
            self._file.write(f"{line}\n")
            self._file.flush()
        self._listener(self._episode, line)

    def commit(self, summary: EpisodeSummary) -> Entry:
        """The episode is over: append it to the run.

        Raises:
            RunWriteError: It cannot be written.
        """
        with writing(self._path):
            self._file.close()
        entries = self._append([(self._episode, summary, self._path.read_text("utf-8").split("\n")[:-1])])
        self._path.unlink()
        return entries[0]

    def abandon(self) -> bool:
        """The episode broke off: its events stay in `open/` to look at, and it will be run again.

        Returns:
            Whether anything had happened in it.
        """
        with suppress(OSError):  # on a full disk the last event could not be written, and why has been told
            self._file.close()
        if not self._path.stat().st_size:
            self._path.unlink()
            return False
        with suppress(OSError):  # as above, of a listener that writes
            self._listener(self._episode, BROKEN_OFF)
        return True


class RunFolder:
    """An open run folder; use it in a `with` block to write, or `RunFolder.read` to look.

    Attributes:
        path: The folder.
        config: What the run was asked to do.
        entries: Finished episodes by id, in the order they finished. While the folder is written, each look at one
            reads it from the disk, so that memory does not grow with what is told of them.
        notes: What else was kept, by name.
    """

    def __init__(self, path: Path, config: JSON, listener: Listener = unheard) -> None:
        self.path = path
        self.config = config
        self._listener = listener
        self.entries: Mapping[str, Entry] = {}
        self.notes: dict[str, JSON] = {}
        self._stored = StoredEntries(path)
        self._lock: FileLock | None = None
        self._new = self._first = False

    @classmethod
    def create(cls, path: Path, config: JSON, listener: Listener = unheard) -> "RunFolder":
        """Open a folder for writing; a new one is made, an old one is resumed.

        Args:
            path: The folder.
            config: JSON values that decide what the run does. They must equal those of a run that is resumed.
            listener: Gets every event that is written down from now on.

        Raises:
            RunError: The folder cannot be written, is in use, is no run folder, or belongs to another configuration.
            ConfigError: The configuration holds what is not to be written down, a key, or cannot be: half a character.
        """
        refuse_keys(config)
        refuse_unsound([json.dumps(config, ensure_ascii=False)], "a setting of the run")
        run = cls(path, config, listener)
        try:
            _refuse_other_files(path)
            run._new = not path.exists()
            run._first = not path.parent.exists()
            (path / OPEN).mkdir(parents=True, exist_ok=True)
            run._lock = take_lock(path)
            keep_config(path, config)
            run._mend()
        except OSError as error:
            run.close()
            raise RunError(
                f"cannot write the run folder {path}: {error.strerror}", "name another with --run DIR"
            ) from error
        except RunError:
            run.close()
            raise
        return run

    @classmethod
    def read(cls, path: Path) -> "RunFolder":
        """Open a folder to look into; nothing is changed, and its writer may be at work.

        Raises:
            RunError: There is no run, or it cannot be read.
        """
        run = cls(path, stored_config(path))
        run._load()
        return run

    def __enter__(self) -> Self:
        """The folder itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the folder."""
        self.close()

    @property
    def replies(self) -> Path:
        """Where the replies of backends are kept."""
        return self.path / REPLIES

    @property
    def requests(self) -> Path:
        """Where what is sent to backends is kept."""
        return (self.path / REQUESTS).absolute()

    @property
    def unfinished(self) -> int:
        """Episodes that broke off, in some of which nothing had happened yet, or are in flight."""
        begun = {file.name for file in (self.path / OPEN).glob("*.jsonl")}
        return len(begun | {open_name(entry.episode) for entry in self.lost()})

    @property
    def unfinished_episodes(self) -> list[str]:
        """Ids of the episodes that broke off or are in flight, if anything has happened in them."""
        return list(unfinished_files(self.path / OPEN))

    @property
    def empty(self) -> bool:
        """Whether nothing has come of it: no finished episode, here or in a run within, no figure, no policy."""
        if self.entries or any((self.path / name).exists() for name in RESULTS):
            return False
        return not any(file.stat().st_size for file in self.path.rglob(EPISODES) if file.is_file())

    def close(self) -> None:
        """Release the folder."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def begin(self, episode: str) -> EpisodeWriter:
        """Start to write an episode; what an earlier try of it left behind is dropped."""
        return EpisodeWriter(self.path / OPEN, episode, self._append, self._listener)

    def discard_if_new(self) -> None:
        """Remove the folder again, and the one that was made to hold it, if nothing has happened in it."""
        if self._new and not self.entries and not any((self.path / OPEN).glob("*.jsonl")):
            shutil.rmtree(self.path)
            if self._first:
                with suppress(OSError):  # another run has begun beside it
                    self.path.parent.rmdir()

    def events(self, episode: str, kinds: Collection[type[Event]] | None = None) -> list[Event]:
        """The events of one episode; only its own bytes are read. Of one that is not finished, those up to now.

        Args:
            episode: Its id.
            kinds: Which events; all without it. A feedback needs the events before it.

        Raises:
            RunError: The run has no such episode, or it is damaged.
        """
        entry = self.entries.get(episode)
        if entry is None and (file := unfinished_files(self.path / OPEN).get(episode)) is not None:
            found = events_so_far(file)
            return [event for event in found if kinds is None or isinstance(event, tuple(kinds))]
        if entry is None:
            some = ", ".join(list(self.entries)[:5]) or "none"
            raise RunError(f"{self.path} has no episode {episode!r}", f"it has {len(self.entries)}: {some}")
        return read_events(self.path, entry.offset, entry.length, kinds)

    def graded(self) -> list[Entry]:
        """The finished episodes, each with the latest grade of its answer."""
        return regraded(self.path, self.entries.values())

    def lost(self) -> list[Entry]:
        """Episodes that only ever broke off, with the latest failure of each; nothing else is told of them."""
        lines = (line for line in read_lines(self.path / ERRORS) if isinstance(line.get("episode"), str))
        latest = {line["episode"]: line for line in lines if line["episode"] not in self.entries}
        summaries = {episode: summary_of(self.path, line) for episode, line in latest.items()}
        return [Entry(episode, summary) for episode, summary in summaries.items() if summary is not None]

    def lose(self, episode: str, summary: EpisodeSummary) -> None:
        """Write down that infrastructure broke an episode off: it is not finished, and the next start tries again."""
        line = {"episode": episode, "format": FORMAT, "summary": summary_to_json(summary)}
        _log.info("%s: episode %s broke off: %s", self.path, episode, summary.lost and summary.lost.message)
        append_line(self.path / ERRORS, line)

    def note(self, name: str, content: JSON) -> None:
        """Keep something that is no episode under a name of its own."""
        append_line(self.path / NOTES, {"note": name, "content": content})
        self.notes[name] = content

    def append(self, episode: str, summary: EpisodeSummary, lines: Iterable[str]) -> Entry:
        """Add a finished episode whose events were not written down as they happened.

        Args:
            episode: Its id.
            summary: What is told of it in lists and reports.
            lines: Its events, each an `event_line`.

        Raises:
            RunWriteError: It cannot be written; nothing of it is.
        """
        return self.append_all([(episode, summary, list(lines))])[0]

    def append_all(self, finished: Sequence[Whole]) -> list[Entry]:
        """Add finished episodes at once, as `append` would one by one; of many, that takes half the time.

        Raises:
            RunWriteError: They cannot be written; nothing of them is, or the next start finds them whole.
        """
        entries = self._append(finished)
        for episode, _, lines in finished:
            for line in lines:
                self._listener(episode, line)
        return entries

    def _append(self, finished: Sequence[Whole]) -> list[Entry]:
        """Add finished episodes: first their lines, then their entries in the index."""
        if not finished:
            return []
        plain = [
            {"episode": episode, "format": FORMAT, "summary": summary_to_json(summary)}
            for episode, summary, _ in finished
        ]
        lines = [
            f'{json.dumps(told, ensure_ascii=False)[:-1]}, "events": [{", ".join(events)}]}}\n'.encode()
            for told, (_, _, events) in zip(plain, finished, strict=True)
        ]
        start = append(self.path / EPISODES, b"".join(lines))
        offsets = accumulate(map(len, lines), initial=start)
        entries = [
            Entry(episode, summary, at, len(line))
            for (episode, summary, _), at, line in zip(finished, offsets, lines, strict=False)
        ]
        known = [told | {"offset": one.offset, "length": one.length} for told, one in zip(plain, entries, strict=True)]
        for one, at in zip(entries, append_lines(self.path / INDEX, known), strict=True):
            self._stored.add(one.episode, at)
            ended, turns = one.summary.ended, one.summary.turns
            _log.info("%s: episode %s is done: %s after %d turns", self.path, one.episode, ended, turns)
        return entries

    def _mend(self) -> None:
        """Cut off torn last lines, index what a kill left unindexed, and drop what it left of finished episodes."""
        for file in (self.path / EPISODES, self.path / INDEX):
            if is_there(file):
                cut_torn_line(file)
            else:
                file.touch()
        lines = mend_index(self.path)
        for line in lines:
            if line.at is not None and line.note is None:
                self._stored.add(line.episode, line.at)
        self.entries = self._stored
        self._load_notes(lines)
        left = {file.name for file in (self.path / OPEN).glob("*.jsonl")}
        for name in left & {open_name(episode) for episode in self.entries} if left else ():
            (self.path / OPEN / name).unlink()

    def _load(self) -> None:
        """Read the index and the notes."""
        known = known_lines(self.path)
        lines = sorted([*known, *lacking_lines(self.path, known)], key=lambda line: line.span)
        self.entries = {line.episode: line.entry for line in lines if line.entry is not None}
        self._load_notes(lines)

    def _load_notes(self, lines: Iterable[Indexed]) -> None:
        """Take in the notes: those in an episode's place, and those in a file of their own."""
        own = (line for line in read_lines(self.path / NOTES) if isinstance(line.get("note"), str))
        self.notes = {line.episode: line.note for line in lines if line.note is not None}
        self.notes |= {line["note"]: line["content"] for line in own if isinstance(line.get("content"), dict)}


def open_name(episode: str) -> str:
    """Name of the file in `open/` that an episode is written to until it is over."""
    return f"{hashlib.sha256(episode.encode()).hexdigest()[:24]}.jsonl"


def _refuse_other_files(path: Path) -> None:
    """Refuse a folder of other things: a run is begun in a new or an empty one.

    Raises:
        RunError: It holds files, and no run.
    """
    if not path.is_dir() or is_there(path / CONFIG):
        return
    others = sorted(file.name for file in path.iterdir() if file.name not in (OPEN, LOCK))
    if others:
        raise RunError(
            f"{path} is not empty and holds no run: there is {', '.join(others[:3])}", "name another folder: --run DIR"
        )
