"""A backend whose requests are kept in the record, and who asks for them: whatever runs inside `sent`."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict

from flowsteer.backends.base import Backend, Features, Reply, Request, payee
from flowsteer.runs.request_store import RequestStore

_SENT: ContextVar[list[str] | None] = ContextVar("sent", default=None)


@contextmanager
def sent() -> Iterator[list[str]]:
    """Collect the keys of the requests that are sent in this block, also by tasks that it starts.

    They are in the order in which they were sent, those that were refused among them; none where nothing is kept.
    """
    keys: list[str] = []
    token = _SENT.set(keys)
    try:
        yield keys
    finally:
        _SENT.reset(token)


class KeepingBackend:
    """A backend that writes down every request before it is sent, or answered from the cache.

    Args:
        backend: Who answers.
        store: Where requests are kept.
    """

    def __init__(self, backend: Backend, store: RequestStore) -> None:
        self._backend = backend
        self._store = store

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
        """Keep the request, and ask the backend behind.

        Raises:
            RunWriteError: It cannot be kept.
            BackendUnavailable: As the backend behind.
            BackendRejected: As the backend behind.
        """
        messages = [(message.role, message.content) for message in request.messages]
        key = self._store.keep(self.spec, messages, asdict(request.sampling), request.json_schema, request.grammar)
        if (keys := _SENT.get()) is not None:
            keys.append(key)
        return await self._backend.complete(request)

    async def aclose(self) -> None:
        """Close the backend behind; the store stays open for the others that use it."""
        await self._backend.aclose()
