"""What was sent to models, kept once by content: `requests.sqlite` of a run folder.

    texts      key, text                 messages, schemas and grammars
    requests   key, record (JSON)        backend, messages as [role, key of a text], sampling, json_schema and grammar
                                         as keys of texts, or null

A key is the digest of its content, so what is sent again is not stored again: of a conversation each message stands
there once. Events name the requests they are about. A key of a server is no part of a request.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError, RunWriteError

JSON = dict[str, Any]

FILE = "requests.sqlite"
_MOST_KNOWN = 50_000
"""Keys of texts and requests that are remembered as written; others are looked up by the database."""
_LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as it was sent.

    Attributes:
        key: Its digest, by which events name it.
        backend: Spec of the backend.
        messages: Role and content of each message, oldest first.
        sampling: Temperature, top_p, top_k, max_tokens and seed.
        json_schema: The schema the reply was held to; None for none.
        grammar: The grammar it was held to; None for none.
    """

    key: str
    backend: str
    messages: tuple[tuple[str, str], ...]
    sampling: Mapping[str, Any]
    json_schema: JSON | None = None
    grammar: str | None = None


class RequestStore:
    """Writes requests; several processes may write one file.

    Args:
        path: The file; made if it is not there.

    Raises:
        RunWriteError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, None] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            for table, content in (("texts", "text"), ("requests", "record")):
                self._database.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, {content} TEXT)")
        except (OSError, sqlite3.Error) as error:
            raise self._unwritable(error) from error

    def keep(
        self,
        backend: str,
        messages: Sequence[tuple[str, str]],
        sampling: Mapping[str, Any],
        json_schema: Mapping[str, Any] | None = None,
        grammar: str | None = None,
    ) -> str:
        """Keep a request before it is sent.

        Args:
            backend: Spec of who is asked.
            messages: Role and content of each message.
            sampling: How the reply is drawn.
            json_schema: What the reply is held to.
            grammar: Likewise.

        Returns:
            Its key.

        Raises:
            RunWriteError: It cannot be written.
        """
        fresh: list[tuple[str, str]] = []

        def named(text: str) -> str:
            key = _key(text)
            if key not in self._known:
                fresh.append((key, text))
            return key

        record = json.dumps(
            {
                "backend": backend,
                "messages": [(role, named(content)) for role, content in messages],
                "sampling": dict(sampling),
                "json_schema": None if json_schema is None else named(json.dumps(json_schema, ensure_ascii=False)),
                "grammar": None if grammar is None else named(grammar),
            }
        )
        key = _key(record)
        if key not in self._known:
            self._write(fresh, key, record)
        return key

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _write(self, texts: list[tuple[str, str]], key: str, record: str) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?)", texts)
            self._database.execute("INSERT OR IGNORE INTO requests VALUES (?, ?)", (key, record))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise self._unwritable(error) from error
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known.update(dict.fromkeys((key, *(text for text, _ in texts))))

    def _unwritable(self, error: Exception) -> RunWriteError:
        return RunWriteError(f"cannot write {self._path}: {error}", "make room there, or keep none: --no-requests")


def read_requests(run: Path, keys: Iterable[str]) -> dict[str, SentRequest]:
    """Requests of a run by their keys; those that were not kept are left out.

    Args:
        run: The run folder; its writer may be at work.
        keys: The keys, as events name them.

    Raises:
        RunError: The file cannot be read.
    """
    path = run / FILE
    if not path.is_file():
        return {}
    # Without a writer nothing is written beside the file, so that a folder can be read where nothing may be written.
    has_log = path.with_name(f"{FILE}-wal").exists()
    how = "mode=ro" if has_log else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_LOCK_SECONDS)) as file:
            found = {key: _sent(file, key) for key in dict.fromkeys(keys)}
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        hint = "the episodes themselves can be read"
        if has_log:  # what a killed writer left can be read only where a file may be written beside it
            hint += f"; if {run} is read-only, copy it to where you may write, and read it there"
        raise RunError(f"{path} cannot be read: {error}", hint) from error
    return {key: sent for key, sent in found.items() if sent is not None}


def _sent(file: sqlite3.Connection, key: str) -> SentRequest | None:
    row = file.execute("SELECT record FROM requests WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None

    def text(of: str) -> str:
        found: str = file.execute("SELECT text FROM texts WHERE key = ?", (of,)).fetchone()[0]
        return found

    plain: JSON = json.loads(row[0])
    schema, grammar = plain["json_schema"], plain["grammar"]
    return SentRequest(
        key=key,
        backend=plain["backend"],
        messages=tuple((role, text(of)) for role, of in plain["messages"]),
        sampling=plain["sampling"],
        json_schema=None if schema is None else json.loads(text(schema)),
        grammar=None if grammar is None else text(grammar),
    )


def _key(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
