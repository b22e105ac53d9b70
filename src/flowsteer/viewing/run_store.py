"""What a run's lists are made of: its episodes in an SQLite file in the user's cache, with a full-text index.

The file grows with the run and is made anew if the run is another one than it was. Only `flowsteer view` reads it, and
all of it can be made again from the run folder.
"""

import hashlib
import json
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from flowsteer.errors import ConfigError, FlowSteerError, RunError
from flowsteer.runs.event_json import JSON
from flowsteer.runs.files import read_lines
from flowsteer.runs.folder import ERRORS
from flowsteer.runs.grades import FOLDER as SCORES
from flowsteer.runs.growth import Seen, new_entries
from flowsteer.runs.index import EPISODES, INDEX, Entry, summary_of
from flowsteer.viewing.store_rows import StoredEpisode, stored_finished, stored_lost

VERSION = 3
"""Of the tables; a file of another one is made anew."""

FIRST, BATCH = 200, 2000
"""Episodes that are written at once, and can be listed then; few at first, so that a first page is soon there."""

_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS episodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, episode TEXT UNIQUE, number INTEGER, state TEXT,
    offset INTEGER, length INTEGER,
    system TEXT, dataset TEXT, type TEXT, task TEXT, epoch INTEGER, score REAL, reward REAL, tokens INTEGER, cost REAL,
    seconds REAL, turns INTEGER, gate INTEGER, finished INTEGER, failed INTEGER);
CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, row TEXT);
CREATE INDEX IF NOT EXISTS numbers ON episodes (number);
CREATE TABLE IF NOT EXISTS failures (kind TEXT, id INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='');
"""

_INSERT = """
INSERT INTO episodes (episode, number, state, offset, length, system, dataset, type, task, epoch, score, reward, tokens,
    cost, seconds, turns, gate, finished, failed)
VALUES (:episode, :number, :state, :offset, :length, :system, :dataset, :type, :task, :epoch, :score, :reward, :tokens,
    :cost, :seconds, :turns, :gate, :finished, :failed)
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
        self._file = cache / f"{hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:24]}.sqlite"
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
        """What changes whenever the run does: sizes, and the passes of grades."""
        sizes = [_size(self.run / name) for name in (INDEX, EPISODES, ERRORS)]
        return (*sizes, *sorted(file.name for file in (self.run / SCORES).glob("*.jsonl")))

    def _read_on(self, stands: tuple[object, ...]) -> None:
        try:
            with closing(self.connect()) as db:
                self._read_episodes(db)
                self._read_lost(db)
                self._read_grades(db)
                db.commit()
            self.indexed, self._seen = 1.0, stands
        except RunError as error:
            self._failed = error
        except sqlite3.Error as error:
            self._failed = ConfigError(f"cannot write {self._file}: {error}", "make room there, or set FLOWSTEER_HOME")

    def _open(self) -> None:
        """Make the file, or make it anew if the run is another one than it was."""
        if self._opened:
            return
        with closing(self.connect()) as db:
            db.executescript(_TABLES)
            meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        if meta and not self._is_same_run(meta):
            for file in self._file.parent.glob(f"{self._file.name}*"):
                file.unlink()
            meta = {}
        if not meta:
            with closing(self.connect()) as db:
                db.executescript(_TABLES)
                keep_meta(db, version=VERSION, run=str(self.run.resolve()))
                db.commit()
        self._opened = True

    def _is_same_run(self, meta: dict[str, str]) -> bool:
        """Whether what was read last still stands where it stood."""
        if meta.get("version") != str(VERSION):
            return False
        last = _part(self.run / INDEX, int(meta.get("index", 0))), _part(self.run / EPISODES, int(meta.get("end", 0)))
        return last == (meta.get("index_part", ""), meta.get("episodes_part", ""))

    def _read_episodes(self, db: sqlite3.Connection) -> None:
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        seen = Seen(int(meta.get("index", 0)), int(meta.get("end", 0)))
        total, most, waiting, now = max(1, _size(self.run / INDEX)), FIRST, list[Entry](), seen
        for entry, now in new_entries(self.run, seen):
            if entry is not None:
                waiting.append(entry)
            if len(waiting) >= most:
                self._write(db, waiting, now)
                waiting, most, self.indexed = [], BATCH, min(0.999, now.index / total)
        self._write(db, waiting, now)

    def _write(self, db: sqlite3.Connection, entries: list[Entry], seen: Seen) -> None:
        number = int(read_meta(db, "finished") or 0)
        for entry in entries:
            number += _put(db, stored_finished(self.run, entry), number + 1)
        keep_meta(
            db,
            finished=number,
            index=seen.index,
            end=seen.episodes,
            index_part=_part(self.run / INDEX, seen.index),
            episodes_part=_part(self.run / EPISODES, seen.episodes),
        )
        db.commit()

    def _read_lost(self, db: sqlite3.Connection) -> None:
        """What broke off; few enough to be read again whenever there are more of them."""
        size = _size(self.run / ERRORS)
        if size == int(read_meta(db, "errors") or 0):
            return
        latest = {
            line["episode"]: line for line in read_lines(self.run / ERRORS) if isinstance(line.get("episode"), str)
        }
        for episode, line in latest.items():
            summary = summary_of(self.run, line)
            if summary is not None:
                _put(db, stored_lost(Entry(episode, summary)), None)
        keep_meta(db, errors=size)

    def _read_grades(self, db: sqlite3.Connection) -> None:
        """Passes of grades that came since, in their order."""
        done = read_meta(db, "grades") or ""
        for file in sorted((self.run / SCORES).glob("*.jsonl")):
            if file.name <= done:
                continue
            for line in read_lines(file):
                _grade(db, line)
            done = file.name
            keep_meta(db, grades=done)
        self.grades = done


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
        for table in ("episodes", "rows", "failures"):
            db.execute(f"DELETE FROM {table} WHERE id = ?", (before["id"],))  # noqa: S608
    made = db.execute(_INSERT, {**stored.values, "number": number}).lastrowid
    db.execute("INSERT INTO rows VALUES (?, ?)", (made, stored.row))
    db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (made, stored.words))
    db.executemany("INSERT OR IGNORE INTO failures VALUES (?, ?)", [(kind, made) for kind in stored.failures])
    return taken


def _grade(db: sqlite3.Connection, line: JSON) -> None:
    found = db.execute(
        "SELECT id, row FROM episodes JOIN rows USING (id) WHERE episode = ?", (line.get("episode"),)
    ).fetchone()
    if found is None:
        return
    row, score = json.loads(found["row"]), line.get("score")
    row["right"] = None if score is None else score >= 1
    row["summary"] |= {"score": score, "reason": line.get("reason", "")}
    db.execute("UPDATE episodes SET score = ? WHERE id = ?", (score, found["id"]))
    db.execute("UPDATE rows SET row = ? WHERE id = ?", (json.dumps(row, ensure_ascii=False), found["id"]))


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
            start = max(0, end - 512)
            return hashlib.sha256(os.pread(stream.fileno(), end - start, start)).hexdigest() if end else ""
    except OSError:
        return ""


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
