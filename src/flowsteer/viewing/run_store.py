"""What a run's lists are made of: its episodes in an SQLite file in the user's cache, with a full-text index.

The file grows with the run and is made anew if the run is another one than it was. Only `flowsteer view` reads it, and
all of it can be made again from the run folder.
"""

import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flowsteer.errors import ConfigError, FlowSteerError, RunError
from flowsteer.runs.event_json import JSON
from flowsteer.runs.files import read_lines
from flowsteer.runs.folder import ERRORS
from flowsteer.runs.grades import FOLDER as SCORES
from flowsteer.runs.growth import Seen, new_entries
from flowsteer.runs.index import DAMAGED, EPISODES, INDEX, Entry, summary_of
from flowsteer.viewing.plain_json import text_of
from flowsteer.viewing.store_rows import StoredEpisode, stored_finished, stored_lost

VERSION = 5
"""Of the tables; each has files of its own."""

FIRST, BATCH = 200, 2000
"""Episodes that are written at once, and can be listed then; few at first, so that a first page is soon there."""

_log = logging.getLogger(__name__)

_ODD = (*DAMAGED, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.IntegrityError)
"""What comes of a record that is not what it should be, here or in SQLite."""

_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS episodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, episode TEXT UNIQUE, number INTEGER, state TEXT,
    offset INTEGER, length INTEGER, answered TEXT,
    system TEXT, dataset TEXT, type TEXT, task TEXT, epoch INTEGER, score REAL, reward REAL, tokens INTEGER, cost REAL,
    seconds REAL, turns INTEGER, gate INTEGER, finished INTEGER, failed INTEGER);
CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, row TEXT);
CREATE INDEX IF NOT EXISTS numbers ON episodes (number);
CREATE TABLE IF NOT EXISTS failures (kind TEXT, id INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='');
"""

_CLEAR = (
    "DELETE FROM episodes",
    "DELETE FROM rows",
    "DELETE FROM failures",
    "DELETE FROM meta",
    "INSERT INTO words (words) VALUES ('delete-all')",
)
"""The ids of episodes go on behind those that were given."""

_INSERT = """
INSERT INTO episodes (episode, number, state, offset, length, answered, system, dataset, type, task, epoch, score,
    reward, tokens, cost, seconds, turns, gate, finished, failed)
VALUES (:episode, :number, :state, :offset, :length, :answered, :system, :dataset, :type, :task, :epoch, :score,
    :reward, :tokens, :cost, :seconds, :turns, :gate, :finished, :failed)
"""


class RunStore:
    """The episodes of one run.

    Args:
        run: The run folder.
        cache: Folder of the SQLite file; made if it is not there.

    Attributes:
        run: The run folder.
        indexed: Share of `index.jsonl` that has been read, in [0, 1].
        grades: The latest pass of grades that has been read; empty for none.
    """

    def __init__(self, run: Path, cache: Path) -> None:
        self.run = run
        self.indexed, self.grades = 0.0, ""
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write to {cache}: {error.strerror}", "set FLOWSTEER_HOME") from error
        self._file = cache / f"{hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:24]}-{VERSION}.sqlite"
        self._starting = threading.Lock()
        self._reader: threading.Thread | None = None
        self._failed: FlowSteerError | None = None
        self._seen: tuple[object, ...] | None = None
        self._opened = False

    def connect(self) -> sqlite3.Connection:
        """A connection to read with."""
        connection = sqlite3.connect(self._file, timeout=10, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection

    def bring_up_to_date(self, seconds: float = 0.3) -> None:
        """Read what the run has got since; what takes longer goes on in a thread, and `indexed` says how far it is.

        Args:
            seconds: Longest time to wait for it.

        Raises:
            RunError: A file of the run cannot be read.
            ConfigError: The store cannot be written.
        """
        until = time.monotonic() + seconds
        for _ in range(2):  # what is being read may have begun before the run grew
            stands = self._stands()
            if stands == self._seen:
                return
            with self._starting:
                self._open()
                if self._reader is None or not self._reader.is_alive():
                    self._failed = None
                    self._reader = threading.Thread(target=self._read_on, args=(stands,), daemon=True)
                    self._reader.start()
                reader = self._reader
            reader.join(min(threading.TIMEOUT_MAX, max(0.0, until - time.monotonic())))
            if self._failed is not None:
                raise self._failed

    def _stands(self) -> tuple[object, ...]:
        """What changes whenever the run does: its files, and the passes of grades."""
        files = [stamp_of(self.run / name) for name in (INDEX, EPISODES, ERRORS)]
        return (*files, *sorted(file.name for file in (self.run / SCORES).glob("*.jsonl")))

    def _open(self) -> None:
        """Make the file.

        Raises:
            ConfigError: It cannot be written.
        """
        if self._opened:
            return
        try:
            with closing(self.connect()) as db:
                db.executescript(_TABLES)
        except sqlite3.Error as error:
            raise self._unwritten(error) from error
        self._opened = True

    def _unwritten(self, error: sqlite3.Error) -> ConfigError:
        return ConfigError(f"cannot write {self._file}: {error}", "make room there, or set FLOWSTEER_HOME")

    def _read_on(self, stands: tuple[object, ...]) -> None:
        try:
            with closing(self.connect()) as db:
                db.isolation_level = None  # what is written together is said below
                db.execute("PRAGMA synchronous = OFF")
                self._forget_another_run(db)
                while not self._read_episodes(db):
                    pass
                self._read_lost(db)
                self._read_grades(db)
            self.indexed, self._seen = 1.0, stands
        except RunError as error:
            self._failed = error
        except sqlite3.Error as error:
            self._failed = self._unwritten(error)
        except Exception as error:  # noqa: BLE001 - a thread that ended silently would leave the run empty
            _log.exception("%s cannot be read", self.run)
            found = f"{type(error).__name__}: {error}"
            self._failed = RunError(f"{self.run} cannot be read: {found}", "a file of it is damaged")

    def _forget_another_run(self, db: sqlite3.Connection) -> None:
        """Empty the store if the run is another one than it was: what was read last no longer stands where it stood."""
        with _writing(db):
            meta = _all_meta(db)
            last = self._parts(_place(meta))
            if meta and last != {name: meta.get(name) for name in last}:
                for statement in _CLEAR:
                    db.execute(statement)
                self.indexed = 0.0

    def _parts(self, seen: Seen) -> dict[str, str]:
        return {
            "index_part": _part(self.run / INDEX, seen.index),
            "episodes_part": _part(self.run / EPISODES, seen.episodes),
        }

    def _read_episodes(self, db: sqlite3.Connection) -> bool:
        """Read the finished episodes.

        Returns:
            Whether that is done; if not, another process has read on meanwhile.
        """
        seen = now = _place(_all_meta(db))
        total, most, waiting = max(1, _size(self.run / INDEX)), FIRST, list[Entry]()
        for entry, now in new_entries(self.run, seen):
            if entry is not None:
                waiting.append(entry)
            if len(waiting) >= most:
                if not self._write(db, waiting, seen, now):
                    return False
                seen, waiting, most, self.indexed = now, [], BATCH, min(0.999, now.index / total)
        return self._write(db, waiting, seen, now)

    def _write(self, db: sqlite3.Connection, entries: list[Entry], seen: Seen, now: Seen) -> bool:
        """Keep what was read between two places; not if another process has read on meanwhile."""
        with _writing(db):
            meta = _all_meta(db)
            if _place(meta) != seen:
                return False
            number = int(meta.get("finished", 0))
            for entry in entries:
                with _or_left_out(db, f"the episode {entry.episode!a} of {self.run}"):
                    number += _put(db, stored_finished(self.run, entry), number + 1)
            keep_meta(db, finished=number, index=now.index, end=now.episodes, **self._parts(now))
        return True

    def _read_lost(self, db: sqlite3.Connection) -> None:
        """What broke off; few enough to be read again whenever there are others of them."""
        stamp = str(stamp_of(self.run / ERRORS))
        with _writing(db):
            if stamp == read_meta(db, "errors"):
                return
            lines = (line for line in read_lines(self.run / ERRORS) if isinstance(line.get("episode"), str))
            latest = {line["episode"]: line for line in lines}
            for episode, line in latest.items():
                summary = summary_of(self.run, line)
                if summary is not None:
                    with _or_left_out(db, f"the lost episode {episode!a} of {self.run}"):
                        _put(db, stored_lost(Entry(episode, summary)), None)
            for row in db.execute("SELECT id, episode FROM episodes WHERE state = 'lost'").fetchall():
                if row["episode"] not in latest:  # it was forgotten
                    _drop(db, row["id"])
            keep_meta(db, errors=stamp)

    def _read_grades(self, db: sqlite3.Connection) -> None:
        """Passes of grades that came since, in their order."""
        with _writing(db):
            done = read_meta(db, "grades") or ""
            for file in sorted((self.run / SCORES).glob("*.jsonl")):
                if file.name <= done:
                    continue
                for line in read_lines(file):
                    with _or_left_out(db, f"a grade in {file}"):
                        _grade(db, line)
                done = file.name
                keep_meta(db, grades=done)
        self.grades = done


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    """What is written whole or not at all, while no other process writes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.rollback()
        raise
    db.commit()


@contextmanager
def _or_left_out(db: sqlite3.Connection, what: str) -> Iterator[None]:
    """One record among others; one that is damaged leaves nothing behind but a warning."""
    db.execute("SAVEPOINT record")
    try:
        yield
    except _ODD as error:
        db.execute("ROLLBACK TO record")
        _log.warning("%s is damaged and left out: %s", what, error)
    db.execute("RELEASE record")


def _put(db: sqlite3.Connection, stored: StoredEpisode, number: int | None) -> bool:
    """Add an episode; a finished one takes the place of what is known of it, a lost one does not.

    Returns:
        Whether it took the number.
    """
    query = "SELECT id, state, number FROM episodes WHERE episode = ?"
    before = db.execute(query, (stored.values["episode"],)).fetchone()
    taken = True
    if before is not None:
        if before["state"] == "finished":
            if number is None:
                return False
            number, taken = before["number"], False
        _drop(db, before["id"])
    made = db.execute(_INSERT, {**stored.values, "number": number}).lastrowid
    db.execute("INSERT INTO rows VALUES (?, ?)", (made, stored.row))
    db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (made, stored.words))
    db.executemany("INSERT OR IGNORE INTO failures VALUES (?, ?)", [(kind, made) for kind in stored.failures])
    return taken


def _drop(db: sqlite3.Connection, number: int) -> None:
    """Take an episode out; its words are found by nobody then."""
    for table in ("episodes", "rows", "failures"):
        db.execute(f"DELETE FROM {table} WHERE id = ?", (number,))  # noqa: S608


def _grade(db: sqlite3.Connection, line: JSON) -> None:
    found = db.execute(
        "SELECT id, row, answered FROM episodes JOIN rows USING (id) WHERE episode = ?", (line.get("episode"),)
    ).fetchone()
    if found is None or line.get("answer", found["answered"]) != found["answered"]:  # it was played again since
        return
    row, score, reason = json.loads(found["row"]), line.get("score"), line.get("reason", "")
    if not (isinstance(score, int | float | None) and isinstance(reason, str)):
        raise TypeError("a grade is a number with a reason")
    row["right"] = None if score is None else score >= 1
    row["summary"] |= {"score": score, "reason": reason}
    db.execute("UPDATE episodes SET score = ? WHERE id = ?", (score, found["id"]))
    db.execute("UPDATE rows SET row = ? WHERE id = ?", (text_of(row), found["id"]))


def _all_meta(db: sqlite3.Connection) -> dict[str, str]:
    return dict(db.execute("SELECT key, value FROM meta").fetchall())


def _place(meta: dict[str, str]) -> Seen:
    return Seen(int(meta.get("index", 0)), int(meta.get("end", 0)))


def read_meta(db: sqlite3.Connection, key: str) -> str | None:
    """What a store keeps under a key."""
    found = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if found is None else str(found["value"])


def keep_meta(db: sqlite3.Connection, **values: object) -> None:
    """Let a store keep something."""
    rows = [(key, str(value)) for key, value in values.items()]
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)


def _part(file: Path, end: int) -> str:
    """A digest of what stands before a byte of a file."""
    try:
        with file.open("rb") as stream:
            start = stream.seek(max(0, end - 512))
            return hashlib.sha256(stream.read(end - start)).hexdigest() if end else ""
    except OSError:
        return ""


def stamp_of(file: Path) -> tuple[int, ...]:
    """What changes whenever a file does, or another one takes its place."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
