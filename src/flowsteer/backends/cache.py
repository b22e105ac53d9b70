"""The response cache: the same request to the same model is paid for once, also in the next run."""

import asyncio
import json
import logging
import sqlite3
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from flowsteer.backends.base import Backend, Features, Reply, Request, payee
from flowsteer.backends.codec import decode, digest, encode, read_json
from flowsteer.errors import ConfigError

_log = logging.getLogger(__name__)
_LOCK_SECONDS = 30.0  # how long to wait for another process that writes


class ResponseCache:
    """Replies in one SQLite file, for any number of tasks and processes at once.

    Attributes:
        hits: Replies found.
        misses: Replies not found.
        faults: Entries that could not be read or written. Each is logged; a fault costs a call, never a run.

    Args:
        path: The file; made if it is not there.

    Raises:
        ConfigError: The file cannot be opened or is not a cache.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hits = self.misses = self.faults = 0
        self._turn = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=_LOCK_SECONDS, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS models (spec TEXT, served TEXT, features TEXT, PRIMARY KEY (spec, served))"
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"The response cache {path} cannot be opened: {error}.", "Move that file away or name another."
            ) from error

    async def get(self, key: str) -> Reply | None:
        """The reply kept under a key, None if there is none that can be read."""
        reply = await asyncio.to_thread(self._get, key)
        if reply is None:
            self.misses += 1
        else:
            self.hits += 1
        return reply

    async def put(self, key: str, reply: Reply) -> None:
        """Keep a reply."""
        await asyncio.to_thread(self._put, key, reply)

    def know(self, spec: str, served: str, features: Features) -> None:
        """Write down whose replies are kept here: without that nobody could ask for them by a request alone."""
        try:
            with self._turn:
                row = (spec, served, json.dumps(asdict(features)))
                self._database.execute("INSERT OR IGNORE INTO models VALUES (?, ?, ?)", row)
        except sqlite3.Error as error:
            self._fault("written", spec, error)

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._database.close()

    def _get(self, key: str) -> Reply | None:
        try:
            with self._turn:
                row = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            return decode(read_json(row[0])) if row else None
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._fault("read", key, error)
            return None

    def _put(self, key: str, reply: Reply) -> None:
        try:
            with self._turn:
                self._database.execute("REPLACE INTO replies VALUES (?, ?)", (key, json.dumps(encode(reply))))
        except sqlite3.Error as error:
            self._fault("written", key, error)

    def _fault(self, what: str, key: str, error: Exception) -> None:
        self.faults += 1
        _log.warning("Response cache %s: entry %.12s could not be %s: %s", self.path, key, what, error)


@dataclass(slots=True, eq=False)
class _Flight:
    """One call on its way, and who waits for it."""

    task: "asyncio.Task[Reply]"
    waiting: int = 0
    delivered: bool = False


class CachedBackend:
    """A backend behind a response cache; equal requests in flight at once are made once.

    Args:
        backend: Who answers what is not kept.
        cache: Where replies are kept.
        served: The model name the server reported at connect: a server may change the model behind a name.
    """

    def __init__(self, backend: Backend, cache: ResponseCache, served: str = "") -> None:
        self._backend = backend
        self._cache = cache
        self._flights: dict[str, _Flight] = {}
        self._context = (backend.spec, served)
        cache.know(backend.spec, served, backend.features)

    @property
    def spec(self) -> str:
        """The spec of the backend behind."""
        return self._backend.spec

    @property
    def payee(self) -> str:
        """See `payee`."""
        return payee(self._backend)

    @property
    def features(self) -> Features:
        """The features of the backend behind."""
        return self._backend.features

    async def complete(self, request: Request) -> Reply:
        """Answer from the cache, from an equal call in flight, or from the backend behind.

        A reply keeps the usage it had when the model was asked. Of several who wait for one call, one gets it as
        asked and the others as cached.

        Raises:
            BackendUnavailable: As the backend behind.
            BackendRejected: As the backend behind; refusals are not kept.
        """
        key = digest(request, *self._context)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._fly(key, request)))
        flight.waiting += 1
        try:
            reply = await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:  # the last one to leave, or to be cancelled, takes the call with it
                flight.task.cancel()
                self._flights.pop(key, None)
        if flight.delivered:
            return replace(reply, cached=True)
        flight.delivered = True
        return reply

    async def aclose(self) -> None:
        """Close the backend behind; the cache stays open for the others that use it."""
        await self._backend.aclose()

    async def _fly(self, key: str, request: Request) -> Reply:
        kept = await self._cache.get(key)
        if kept is not None:
            return replace(kept, cached=True)
        reply = await self._backend.complete(request)
        await self._cache.put(key, reply)
        return reply
