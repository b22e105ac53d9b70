"""Any server that speaks OpenAI chat completions."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flowsteer.backends.base import Features, Reply, Request, Usage
from flowsteer.backends.bill import Sending
from flowsteer.backends.body import MOST_BYTES
from flowsteer.backends.codec import read_json
from flowsteer.backends.completion import MOST_NAME, Answer, Completion
from flowsteer.backends.failures import Fault, explain_connection, explain_fault, fault_of
from flowsteer.backends.limits import Limiter
from flowsteer.backends.presets import Preset, recognise
from flowsteer.backends.prices import is_free, price
from flowsteer.backends.wire import body, left_out
from flowsteer.errors import BackendError
from flowsteer.unicode import sound
from flowsteer.web.hosts import is_here

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

_log = logging.getLogger(__name__)
_NO_LIST = frozenset({404, 405, 501})  # what a bare chat endpoint says to `GET /models`
_LATE = 504  # a gateway's word that the server behind it has the request, and has not answered in time
_CONNECT_SECONDS = 10.0
_LIST_SECONDS = 20.0  # for an answer to `GET /models`
_MOST_MODELS = 10_000
_CONTEXTS = ("max_model_len", "context_length", "context_window")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a server says it serves.

    Attributes:
        names: Model names, in the server's order; empty when it does not list them.
        owners: The `owned_by` of those models, which tells llama.cpp, vLLM and Ollama apart.
        contexts: Most tokens of prompt and reply together, for the models it tells that of.
    """

    names: tuple[str, ...] = ()
    owners: frozenset[str] = frozenset()
    contexts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, listed: object) -> "Catalogue":
        """The catalogue in an answer to `GET /models`: a list, in `data` or bare. What is no list says nothing."""
        models = listed.get("data") if isinstance(listed, Mapping) else listed
        found = [model for model in models if isinstance(model, Mapping)] if isinstance(models, list) else []
        names = (name for model in found if isinstance(name := model.get("id"), str) and len(name) <= MOST_NAME)
        owners = (owner for model in found if isinstance(owner := model.get("owned_by"), str))
        kept = tuple(map(sound, names))[:_MOST_MODELS]
        contexts = {str(model.get("id")): context for model in found if (context := _context(model))}
        return cls(kept, frozenset(owners), {name: contexts[name] for name in kept if name in contexts})


class Endpoint:
    """One server: one client and one limiter, shared by all backends that talk to it.

    Args:
        preset: What kind of server it is and where.
        key: Its key, empty for none. Kept out of every repr and error.
        limiter: Keeps the limits of its address, whose other endpoints may share it.
    """

    def __init__(self, preset: Preset, key: str, limiter: Limiter) -> None:
        self.preset = preset
        self._key = key
        self._limiter = limiter
        self._client = _client(preset.base_url, key)

    def __repr__(self) -> str:
        return f"Endpoint({self.preset.name!r}, {self.preset.base_url!r})"

    async def catalogue(self) -> Catalogue:
        """Ask the server what it serves, and learn from it what kind of server it is.

        A server that can be reached and does not refuse the key may well chat, whatever it makes of this question: then
        the catalogue is empty.

        Raises:
            BackendUnavailable: It cannot be reached, or refuses the key.
        """
        import httpx2

        hopeless = False

        async def ask() -> Catalogue:
            nonlocal hopeless
            hopeless = False
            async with self._explained("/models"):
                try:
                    async with self._response("GET", "/models", Sending()) as response:
                        return Catalogue.read(await _read(response))
                except Fault as fault:
                    if fault.status in _NO_LIST:
                        return Catalogue()
                    hopeless = fault.status == 401
                    raise
                except (httpx2.ConnectError, httpx2.ConnectTimeout):
                    hopeless = True
                    raise

        limits = replace(self._limiter.limits, retries=2, call_seconds=_LIST_SECONDS, total_seconds=30.0, concurrency=1)
        try:
            catalogue = await Limiter(limits).run(ask, name=f"{self.preset.base_url}/models")
        except BackendError as error:
            if hopeless:
                raise
            _log.warning("%s lists no models: %s", self.preset.base_url, error)
            catalogue = Catalogue()
        self.preset = recognise(self.preset, catalogue.owners)
        return catalogue

    async def chat(self, fields: Mapping[str, Any], *, stream: bool) -> tuple[Answer, float]:
        """Ask once, within the limits and with retries.

        Args:
            fields: The request.
            stream: Take the answer in pieces.

        Returns:
            The answer and the seconds that the successful attempt took.
        """
        asked = {**fields, "stream": True, "stream_options": {"include_usage": True}} if stream else fields

        async def attempt() -> tuple[Answer, float]:
            started = time.perf_counter()
            with Sending() as sending:
                async with self._explained("/chat/completions"):
                    answer = await self._completed(asked, sending)
                sending.answered()
            return answer, time.perf_counter() - started

        return await self._limiter.run(attempt, name=f"{self.preset.base_url} ({fields['model']})")

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self._client.aclose()

    async def _completed(self, fields: Mapping[str, Any], sending: Sending) -> Answer:
        completion = Completion()
        try:
            await self._fill(completion, fields, sending)
            return completion.answer()
        finally:
            if completion.refused:
                sending.answered()

    async def _fill(self, completion: Completion, fields: Mapping[str, Any], sending: Sending) -> None:
        """Read a reply, whole: what breaks or stays out behind its end is not missed."""
        import anyio
        import httpx2

        clock = asyncio.get_running_loop().time
        content = json.dumps(fields).encode()
        try:
            async with (
                asyncio.timeout(None) as rest,
                self._response("POST", "/chat/completions", sending, content) as response,
                aclosing(response.aiter_bytes()) as chunks,
            ):
                async for chunk in chunks:
                    completion.feed(chunk)
                    if completion.over:
                        break
                    if completion.ended and rest.when() is None:
                        rest.reschedule(clock() + self._limiter.limits.rest_seconds)
        except (httpx2.HTTPError, anyio.EndOfStream, OSError):  # a timeout is one
            if not completion.ended:
                raise

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, sending: Sending, content: bytes = b""
    ) -> "AsyncIterator[Response]":
        """An answer whose status is good, its body still to be read."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))} if content else {}
        body = _Content(content, sending.sent) if content else None
        url = self.preset.base_url + path
        async with self._client.stream(method, url, content=body, headers=headers) as response:
            dropped = response.request.method != method
            if (response.is_error and response.status_code != _LATE) or dropped:
                sending.answered()
            if response.is_error:
                raise fault_of(response.status_code, await _read(response), response.headers)
            if dropped:
                raise Fault(f"with a redirection to {response.url.copy_with(query=None)}, which drops the request", 404)
            yield response

    @asynccontextmanager
    async def _explained(self, path: str) -> AsyncIterator[None]:
        import anyio
        import httpx2

        try:
            yield
        except Fault as fault:
            explain_fault(fault, where=self.preset.base_url + path, key=self._key, key_env=self.preset.key_env)
        # Below the client's own errors: TLS that breaks off, and a host that is none, at the end of a redirect.
        except (httpx2.HTTPError, httpx2.InvalidURL, anyio.EndOfStream, OSError, UnicodeError) as error:
            explain_connection(error, self._key)


class OpenAIBackend:
    """One model of one endpoint.

    Args:
        spec: The string that names it.
        endpoint: Where it lives; usually shared, and closed by the `Backends` pool that made it.
        model: The name to ask for.
        served: The name the server has for it, once known.
        stream: Take answers in pieces; None takes the preset's default.
        context: Most tokens of prompt and reply together; 0 where that is not known.
    """

    def __init__(
        self,
        spec: str,
        endpoint: Endpoint,
        model: str,
        *,
        served: str = "",
        stream: bool | None = None,
        context: int = 0,
    ) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._model = model
        self._stream = endpoint.preset.stream if stream is None else stream
        self._context = context
        self._warned: set[str] = set()
        self.served = served or model

    def __repr__(self) -> str:
        return f"OpenAIBackend({self._spec!r})"

    @property
    def spec(self) -> str:
        """The string that names this backend; it holds no key."""
        return self._spec

    @property
    def features(self) -> Features:
        """What the server enforces while decoding, and the context that it tells."""
        return replace(self._endpoint.preset.features, context=self._context)

    async def complete(self, request: Request) -> Reply:
        """Answer one request.

        Where the server reports no token usage, or half of it, the tokens read are 0 (`Usage.counted`) and the cost of
        a paid model is unknown; nothing is estimated.

        Raises:
            BackendUnavailable: Unreachable, refused the key, or still failing after the retries.
            BackendRejected: This request was refused; `ContextExceeded` if it is too long for the model.
        """
        preset = self._endpoint.preset
        dialect = preset.dialect_of(self._model)
        for name in left_out(request.sampling, dialect):
            self._warn_once(f"does not take {name}; it is left out")
        fields = body(request, self._model, dialect, preset.features)
        answer, seconds = await self._endpoint.chat(fields, stream=self._stream)
        self.served = answer.model or self.served
        return Reply(answer.text, self._usage(answer, seconds), self.served, answer.finish, answer.reasoning)

    async def aclose(self) -> None:
        """Close the endpoint, for all who share it; a backend from a `Backends` pool is closed by the pool."""
        await self._endpoint.aclose()

    def _usage(self, answer: Answer, seconds: float) -> Usage:
        read = answer.prompt_tokens if answer.completion_tokens is not None else None
        usage = Usage(1, read or 0, answer.completion_tokens or 0, seconds)
        if not usage.counted:
            self._warn_once("does not report token usage; tokens count as 0")
        return replace(usage, cost=price(self._spec, usage) if usage.counted or is_free(self._spec) else None)

    def _warn_once(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("%s %s.", self._spec, what)


class _Content:
    """What is sent, and word of it once that begins: a connection that was refused has sent nothing."""

    def __init__(self, content: bytes, sent: Callable[[], None]) -> None:
        self._content, self._sent = content, sent

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._sent()
        yield self._content


def _context(model: Mapping[str, Any]) -> int:
    """The context in a catalogue's entry: vLLM's, OpenRouter's, Groq's or llama.cpp's name for it; 0 for none."""
    meta = model.get("meta")
    told = [model.get(name) for name in _CONTEXTS] + [meta.get("n_ctx") if isinstance(meta, Mapping) else None]
    return next((value for value in told if type(value) is int and value > 0), 0)


async def _read(response: "Response") -> object:
    """A body as JSON, or as text if it is none; one that is too long is cut."""
    read = bytearray()
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            read += chunk
            if len(read) > MOST_BYTES:
                break
    try:
        return read_json(bytes(read))
    except ValueError:
        return read.decode(errors="replace").strip()


def _client(base_url: str, key: str) -> "AsyncClient":
    import httpx2

    local = is_here(base_url)
    headers = {"User-Agent": "flowsteer"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if local:
        headers["Connection"] = "close"  # llama.cpp promises to keep a connection after a stream, and drops it
    return httpx2.AsyncClient(
        headers=headers,
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),  # the limiter keeps the time of all the rest
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),  # the limiter keeps the number
        follow_redirects=True,
        trust_env=not local,  # no proxy between here and here
    )
