"""A request as the body of a chat completion, and the answer back as plain data."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flowsteer.backends.base import Features, Request, Sampling
from flowsteer.backends.limits import Transient
from flowsteer.backends.presets import Dialect
from flowsteer.errors import BackendRejected

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over the wire.

    Attributes:
        text: The reply.
        reasoning: Thinking returned in a field of its own.
        model: The model the server names.
        finish: Why it ended.
        prompt_tokens: Tokens read, None when the server does not say.
        completion_tokens: Tokens written, None when the server does not say.
    """

    text: str
    reasoning: str
    model: str
    finish: Literal["stop", "length"]
    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def tokens(self) -> int | None:
        """Tokens read and written, None when the server does not say."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens


def body(request: Request, model: str, dialect: Dialect, features: Features) -> dict[str, Any]:
    """The arguments of the SDK's `chat.completions.create` for a request.

    A grammar wins over a schema where both are asked for and both can be enforced; what the server cannot
    enforce is left out.
    """
    extra = dict(dialect.extra)
    fields: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        dialect.max_tokens: request.sampling.max_tokens,
        "extra_body": extra,
    }
    _put_sampling(fields, extra, request.sampling, dialect)
    if request.grammar is not None and features.grammar:
        field = dialect.grammar
        extra[field] = request.grammar if field == "grammar" else {"grammar": request.grammar}
    elif request.json_schema is not None and features.json_schema:
        fields["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": dict(request.json_schema), "strict": True},
        }
    return fields


def _put_sampling(fields: dict[str, Any], extra: dict[str, Any], sampling: Sampling, dialect: Dialect) -> None:
    """Say every setting the server takes, also the neutral ones: its own defaults are seldom neutral."""
    for name in ("temperature", "top_p"):
        if name in dialect.accepts:
            fields[name] = getattr(sampling, name)
    if sampling.seed is not None and "seed" in dialect.accepts:
        fields["seed"] = sampling.seed
    if "top_k" in dialect.accepts:
        top_k = sampling.top_k or dialect.top_k_off
        if top_k is not None:
            extra["top_k"] = top_k


def left_out(sampling: Sampling, dialect: Dialect) -> tuple[str, ...]:
    """The settings that ask for something and that the server does not take.

    >>> left_out(Sampling(temperature=0.0, top_k=20), Dialect())
    ('top_k',)
    """
    asked = {
        "temperature": sampling.temperature != 1.0,
        "top_p": sampling.top_p != 1.0,
        "top_k": sampling.top_k != 0,
        "seed": sampling.seed is not None,
    }
    return tuple(name for name, wanted in asked.items() if wanted and name not in dialect.accepts)


def read_completion(completion: Any) -> Answer:
    """An answer that came in one piece.

    Raises:
        Transient: It is no whole chat completion.
        BackendRejected: The server or the model refused to answer.
    """
    choices = getattr(completion, "choices", None)
    if not choices:
        raise Transient(f"no chat completion in the answer: {_shorten(completion)}")
    message = choices[0].message
    return Answer(
        text=message.content or "",
        reasoning=_reasoning(message),
        model=completion.model or "",
        finish=_finish(choices[0].finish_reason, getattr(message, "refusal", None)),
        **_tokens(completion.usage),
    )


async def read_stream(chunks: "AsyncIterator[ChatCompletionChunk]") -> Answer:
    """An answer that came in pieces.

    Raises:
        Transient: The stream ended before it said why.
        BackendRejected: The server or the model refused to answer.
    """
    text: list[str] = []
    reasoning: list[str] = []
    refusal: list[str] = []
    finish: str | None = None
    model, usage = "", None
    async for chunk in chunks:
        model, usage = chunk.model or model, chunk.usage or usage
        for choice in chunk.choices or ():
            finish = choice.finish_reason or finish
            if choice.delta is not None:
                text.append(choice.delta.content or "")
                reasoning.append(_reasoning(choice.delta))
                refusal.append(choice.delta.refusal or "")
    if finish is None:
        raise Transient(f"the stream was cut after {len(''.join(text))} characters")
    return Answer("".join(text), "".join(reasoning), model, _finish(finish, "".join(refusal)), **_tokens(usage))


def _finish(reason: str | None, refusal: str | None) -> Literal["stop", "length"]:
    if refusal:
        raise BackendRejected(f"The model refused: {_shorten(refusal)}", "Change the request.")
    if reason == "content_filter":
        raise BackendRejected("The server's content filter withheld the reply.", "Change the request.")
    if reason == "length":
        return "length"
    if reason == "stop":
        return "stop"
    raise Transient(f"the reply ended with finish_reason {reason!r}, expected 'stop' or 'length'")


def _reasoning(message: Any) -> str:
    """Thinking in a field of its own: `reasoning_content` (llama.cpp, DeepSeek) or `reasoning` (vLLM, OpenRouter)."""
    extra: Mapping[str, Any] = message.model_extra or {}
    return extra.get("reasoning_content") or extra.get("reasoning") or ""


def _tokens(usage: Any) -> dict[str, int | None]:
    return {
        "prompt_tokens": getattr(usage, "prompt_tokens", None),
        "completion_tokens": getattr(usage, "completion_tokens", None),
    }


def _shorten(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(getattr(value, "model_extra", None) or {}, default=str)
    return text if len(text) <= 200 else text[:200] + "…"
