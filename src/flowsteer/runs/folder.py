"""A run folder: what was asked, and every episode, append-only.

    config.json      what the run was asked to do, and the versions that did it
    episodes.jsonl   one line an episode: id, summary, events; only ever appended to
    index.jsonl      one line an episode: id, summary, where it stands; can be rebuilt from episodes.jsonl
    open/            events of the episodes in flight, written as they happen
    replies.sqlite   replies of the backends, if they are kept: what lets a broken-off episode go on where it stopped
    lock             held by the one process that writes

The same command on the same folder resumes: finished episodes are kept, unfinished ones are run again. A line that
was torn by a kill is cut off when the folder is opened, and its episode counts as not run.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from flowsteer.credentials import refuse_keys
from flowsteer.errors import RunError
from flowsteer.runs.events import JSON, Event, event_to_json, events_from_json
from flowsteer.runs.format_1 import upgraded
from flowsteer.unicode import refuse_unsound

BRIEF = 120
"""Most characters of a setting in a message."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one finished episode stands.

    Attributes:
        episode: Its id.
        offset: First byte of its line in `episodes.jsonl`.
        length: Bytes of its line, newline included.
        summary: The few figures that lists and reports need.
    """

    episode: str
    offset: int
    length: int
    summary: JSON


def versions() -> JSON:
    """Versions that can change what a run does."""
    return {"flowsteer": version("flowsteer"), "python": platform.python_version(), "platform": platform.platform()}


class RunFolder:
    """An open run folder; use it in a `with` block to write, or `RunFolder.read` to look.

    Attributes:
        path: The folder.
        config: What the run was asked to do.
        entries: Finished episodes by id, in the order they finished.
    """

    def __init__(self, path: Path, config: JSON) -> None:
        self.path = path
        self.config = config
        self.entries: dict[str, Entry] = {}
        self._lock: IO[str] | None = None
        self._new = False

    @classmethod
    def create(cls, path: Path, config: JSON) -> "RunFolder":
        """Open a folder for writing; a new one is made, an old one is resumed.

        Args:
            path: The folder.
            config: JSON values that decide what the run does. They must equal those of a run that is resumed.

        Raises:
            RunError: The folder cannot be written, is in use, is no run folder, or belongs to another configuration.
            ConfigError: The configuration holds what is not to be written down, a key, or cannot be: half a character.
        """
        refuse_keys(config)
        refuse_unsound([json.dumps(config, ensure_ascii=False)], "a setting of the run")
        run = cls(path, config)
        run._new = not path.exists()
        try:
            (path / "open").mkdir(parents=True, exist_ok=True)
            run._take_lock()
            run._check_config()
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
        run = cls(path, _stored_config(path))
        run.entries = {entry.episode: entry for entry in run._indexed()}
        return run

    def __enter__(self) -> Self:
        """The folder itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the folder free."""
        self.close()

    @property
    def replies(self) -> Path:
        """Where the replies of backends are kept."""
        return self.path / "replies.sqlite"

    @property
    def unfinished(self) -> int:
        """Episodes that broke off, or are in flight."""
        return sum(1 for _ in (self.path / "open").glob("*.jsonl"))

    def close(self) -> None:
        """Give the folder free."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def begin(self, episode: str) -> "EpisodeWriter":
        """Start to write an episode; what an earlier try of it left behind is dropped."""
        return EpisodeWriter(self, episode)

    def discard_if_new(self) -> None:
        """Remove the folder again if this object made it and nothing has happened in it."""
        if self._new and not self.entries and not self.unfinished:
            shutil.rmtree(self.path)

    def events(self, episode: str) -> list[Event]:
        """All events of one finished episode; only its own bytes are read.

        Raises:
            RunError: The run has no such episode.
        """
        return events_from_json(map(upgraded, self._record(episode)["events"]))

    def _record(self, episode: str) -> JSON:
        entry = self.entries.get(episode)
        if entry is None:
            some = ", ".join(list(self.entries)[:5]) or "none"
            raise RunError(f"{self.path} has no finished episode {episode!r}", f"it has {len(self.entries)}: {some}")
        with (self.path / "episodes.jsonl").open("rb") as file:
            file.seek(entry.offset)
            record: JSON = json.loads(file.read(entry.length))
        return record

    def append(self, episode: str, summary: JSON, lines: list[str]) -> Entry:
        """Add a finished episode: first its line, then its entry in the index.

        Args:
            episode: Its id.
            summary: Figures for lists and reports.
            lines: Its events, one JSON text each.
        """
        head = json.dumps({"episode": episode, "summary": summary}, ensure_ascii=False)
        line = f'{head[:-1]}, "events": [{", ".join(lines)}]}}\n'.encode()
        with (self.path / "episodes.jsonl").open("ab") as file:
            offset = file.tell()
            file.write(line)
        entry = Entry(episode, offset, len(line), summary)
        with (self.path / "index.jsonl").open("a", encoding="utf-8") as file:
            file.write(_index_line(entry))
        self.entries[episode] = entry
        return entry

    def _take_lock(self) -> None:
        self._lock = (self.path / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(
                f"another process is writing to {self.path}", "wait for it, or name another folder with --run DIR"
            ) from error

    def _check_config(self) -> None:
        """Write the configuration of a new run, or compare it with that of the run resumed."""
        file = self.path / "config.json"
        wanted = json.loads(json.dumps(self.config))
        if file.exists():
            stored = _stored_config(self.path)
            if stored != wanted:
                raise RunError(
                    f"{self.path} holds a run with other settings: {differences(stored, wanted)}",
                    "use the same settings to resume it, or another folder: --run DIR",
                )
            return
        fresh = file.with_suffix(".tmp")
        fresh.write_text(json.dumps({"config": wanted, "versions": versions()}, indent=2, ensure_ascii=False), "utf-8")
        fresh.replace(file)

    def _mend(self) -> None:
        """Cut off torn last lines, and index what a kill left unindexed."""
        episodes, index = self.path / "episodes.jsonl", self.path / "index.jsonl"
        for file in (episodes, index):
            file.touch()
            _cut_torn_line(file)
        self.entries = {entry.episode: entry for entry in self._indexed()}
        end = max((entry.offset + entry.length for entry in self.entries.values()), default=0)
        with episodes.open("rb") as lines, index.open("a", encoding="utf-8") as out:
            lines.seek(end)
            for line in lines:
                record = json.loads(line)
                entry = Entry(record["episode"], end, len(line), record["summary"])
                out.write(_index_line(entry))
                self.entries[entry.episode] = entry
                end += len(line)

    def _indexed(self) -> Iterator[Entry]:
        file = self.path / "index.jsonl"
        if not file.exists():
            return
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield Entry(**json.loads(line))


class EpisodeWriter:
    """Writes the events of one episode in flight; `commit` makes it part of the run."""

    def __init__(self, run: RunFolder, episode: str) -> None:
        self._run = run
        self._episode = episode
        name = hashlib.sha256(episode.encode()).hexdigest()[:24]
        self._path = run.path / "open" / f"{name}.jsonl"
        self._file = self._path.open("w", encoding="utf-8")

    def emit(self, event: Event) -> None:
        """Write one event down now."""
        self._file.write(json.dumps(event_to_json(event), ensure_ascii=False) + "\n")
        self._file.flush()

    def commit(self, summary: JSON) -> Entry:
        """The episode is over: append it to the run."""
        self._file.close()
        entry = self._run.append(self._episode, summary, self._path.read_text("utf-8").split("\n")[:-1])
        self._path.unlink()
        return entry

    def abandon(self) -> bool:
        """The episode broke off: its events stay in `open/` to look at, and it will be run again.

        Returns:
            Whether anything had happened in it.
        """
        self._file.close()
        happened = self._path.stat().st_size > 0
        if not happened:
            self._path.unlink()
        return happened


def _stored_config(path: Path) -> JSON:
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a run folder", "a run folder holds config.json and episodes.jsonl") from error
    if not isinstance(config, dict):
        raise RunError(f"{path} is not a run folder: its config.json holds no settings", "name another folder")
    return config


def _index_line(entry: Entry) -> str:
    values: dict[str, Any] = {name: getattr(entry, name) for name in ("episode", "offset", "length", "summary")}
    return json.dumps(values, ensure_ascii=False) + "\n"


def _cut_torn_line(file: Path) -> None:
    with file.open("rb+") as stream:
        end = position = stream.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - 65536)
            stream.seek(start)
            newline = stream.read(position - start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position < end:
            stream.truncate(position)


def differences(stored: JSON, wanted: JSON) -> str:
    """What two trees of settings do not agree in, in words.

    >>> differences({"seed": 0, "update": {"kl": 0.1, "steps": 3}}, {"seed": 0, "update": {"kl": 0.2, "steps": 3}})
    'update.kl is 0.1 there and 0.2 here'
    """
    return "; ".join(
        f"{name} is {_brief(there)} there and {_brief(here)} here" for name, there, here in _differing(stored, wanted)
    )


def _differing(stored: JSON, wanted: JSON) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*stored, *wanted}):
        there, here = stored.get(name), wanted.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            yield from ((f"{name}.{inner}", *values) for inner, *values in _differing(there, here))
        elif there != here:
            yield name, there, here


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"
