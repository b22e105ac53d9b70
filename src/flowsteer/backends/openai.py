"""Any server that speaks OpenAI chat completions."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flowsteer.backends.base import Features, Reply, Request, Usage
from flowsteer.backends.failures import explain
from flowsteer.backends.limits import Limiter, Limits
from flowsteer.backends.presets import Preset, recognise
from flowsteer.backends.prices import is_free, price
from flowsteer.backends.wire import Answer, body, left_out, read_completion, read_stream

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_log = logging.getLogger(__name__)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NO_LIST = frozenset({404, 405, 501})  # what a bare chat endpoint says to `GET /models`
_CHARACTERS_PER_TOKEN = 4  # rough, and only to book a rate ahead; the answer corrects it


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a server says it serves.

    Attributes:
        names: Model names, in the server's order; empty when it does not list them.
        owners: The `owned_by` of those models, which tells llama.cpp, vLLM and Ollama apart.
    """

    names: tuple[str, ...] = ()
    owners: frozenset[str] = frozenset()


class Endpoint:
    """One server: one client and one limiter, shared by all backends that talk to it.

    Args:
        preset: What kind of server it is and where.
        key: Its key, empty for none. Kept out of every repr and error.
        limits: Its limits.
        limiter: A limiter with a clock of its own, for tests.
    """

    def __init__(self, preset: Preset, key: str, limits: Limits, limiter: Limiter | None = None) -> None:
        self.preset = preset
        self._key = key
        self._limiter = limiter or Limiter(limits)
        self._client = _client(preset.base_url, key, preset.name)

    def __repr__(self) -> str:
        return f"Endpoint({self.preset.name!r}, {self.preset.base_url!r})"

    async def catalogue(self) -> Catalogue:
        """Ask the server what it serves, and learn from it what kind of server it is.

        Raises:
            BackendUnavailable: It cannot be reached, or refuses the key.
        """
        limits = replace(self._limiter.limits, retries=2, call_seconds=10.0, total_seconds=30.0, concurrency=1)

        async def ask() -> Catalogue:
            import openai

            async with self._explained("/models"):
                try:
                    page = await self._client.models.list()
                except openai.APIStatusError as error:
                    if error.status_code in _NO_LIST:
                        return Catalogue()
                    raise
            models = getattr(page, "data", None) or ()
            owners = frozenset(str(model.owned_by) for model in models if getattr(model, "owned_by", None))
            return Catalogue(tuple(model.id for model in models), owners)

        catalogue = await Limiter(limits).run(ask, name=f"{self.preset.base_url}/models")
        self.preset = recognise(self.preset, catalogue.owners)
        return catalogue

    async def chat(self, fields: Mapping[str, Any], *, stream: bool, tokens: int) -> tuple[Answer, float]:
        """Ask once, within the limits and with retries.

        Args:
            fields: Arguments of the SDK's call.
            stream: Take the answer in pieces.
            tokens: Estimate of prompt and reply.

        Returns:
            The answer and the seconds that the successful attempt took.
        """

        async def attempt() -> tuple[Answer, float]:
            started = time.perf_counter()
            async with self._explained("/chat/completions"):
                answer = await (self._streamed(fields) if stream else self._whole(fields))
            return answer, time.perf_counter() - started

        return await self._limiter.run(
            attempt,
            name=f"{self.preset.base_url} ({fields['model']})",
            tokens=tokens,
            used=lambda result: tokens if (total := result[0].tokens) is None else total,
        )

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self._client.close()

    async def _whole(self, fields: Mapping[str, Any]) -> Answer:
        return read_completion(await self._client.chat.completions.create(**fields))

    async def _streamed(self, fields: Mapping[str, Any]) -> Answer:
        asked = {**fields, "stream": True, "stream_options": {"include_usage": True}}
        async with await self._client.chat.completions.create(**asked) as chunks:
            return await read_stream(chunks)

    @asynccontextmanager
    async def _explained(self, path: str) -> AsyncIterator[None]:
        import openai

        try:
            yield
        except (openai.OpenAIError, ValueError) as error:
            explain(error, where=self.preset.base_url + path, key=self._key, key_env=self.preset.key_env)


class OpenAIBackend:
    """One model of one endpoint.

    Args:
        spec: The string that names it.
        endpoint: Where it lives; usually shared, and closed by the `Backends` pool that made it.
        model: The name to ask for.
        served: The name the server has for it, once known.
        stream: Take answers in pieces; None takes the preset's default.
    """

    def __init__(
        self, spec: str, endpoint: Endpoint, model: str, *, served: str = "", stream: bool | None = None
    ) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._model = model
        self._stream = endpoint.preset.stream if stream is None else stream
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
        """What the server enforces while decoding."""
        return self._endpoint.preset.features

    async def complete(self, request: Request) -> Reply:
        """Answer one request.

        Where the server reports no token usage, the tokens are 0 and the cost of a paid model is unknown; nothing
        is estimated.

        Raises:
            BackendUnavailable: Unreachable, refused the key, or still failing after the retries.
            BackendRejected: This request was refused.
        """
        preset = self._endpoint.preset
        dialect = preset.dialect_of(self._model)
        for name in left_out(request.sampling, dialect):
            self._warn_once(f"does not take {name}; it is left out")
        fields = body(request, self._model, dialect, preset.features)
        length = sum(len(message.content) for message in request.messages)
        estimate = length // _CHARACTERS_PER_TOKEN + request.sampling.max_tokens
        answer, seconds = await self._endpoint.chat(fields, stream=self._stream, tokens=estimate)
        self.served = answer.model or self.served
        return Reply(answer.text, self._usage(answer, seconds), self.served, answer.finish, answer.reasoning)

    async def aclose(self) -> None:
        """Close the endpoint, for all who share it; a backend from a `Backends` pool is closed by the pool."""
        await self._endpoint.aclose()

    def _usage(self, answer: Answer, seconds: float) -> Usage:
        usage = Usage(1, answer.prompt_tokens or 0, answer.completion_tokens or 0, seconds)
        known = answer.tokens is not None
        if not known:
            self._warn_once("does not report token usage; tokens count as 0")
        return replace(usage, cost=price(self._spec, usage) if known or is_free(self._spec) else None)

    def _warn_once(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("%s %s.", self._spec, what)


def _client(base_url: str, key: str, name: str) -> "AsyncOpenAI":
    """The SDK's client, with retries off and nothing of another provider's account taken from the environment."""
    import openai

    local = urlsplit(base_url).hostname in _LOOPBACK
    headers: dict[str, Any] = {}
    if name != "openai":
        headers |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    if local:
        headers["Connection"] = "close"  # llama.cpp promises to keep a connection after a stream, and drops it
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=key or "none",  # the SDK insists on one
        max_retries=0,
        timeout=None,  # the limiter keeps the time
        default_headers=headers,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=not local),  # no proxy between here and here
    )
