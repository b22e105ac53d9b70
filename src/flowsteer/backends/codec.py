"""A request as a digest and a reply as JSON: what the response cache and packs keep."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flowsteer.backends.base import Reply, Request, Usage

_MOST = 10**15  # of tokens, seconds or dollars: more is no figure, and may be too large to add up


def digest(request: Request, *context: str) -> str:
    """SHA-256 of all that decides a reply: messages, sampling, schema, grammar and which draw it is.

    Of the origin only `sample` counts, and at temperature 0 not even that: who asks does not change what a model says,
    and all greedy draws are one.

    Args:
        request: The request.
        context: Further text to tell requests apart by, such as the model.

    >>> from flowsteer.backends.base import Message
    >>> digest(Request((Message("user", "hi"),))) == digest(Request((Message("user", "ho"),)))
    False
    """
    parts = {
        "messages": [[message.role, message.content] for message in request.messages],
        "sampling": asdict(request.sampling),
        "json_schema": None if request.json_schema is None else dict(request.json_schema),
        "grammar": request.grammar,
        "sample": request.origin.sample if request.origin and request.sampling.temperature else "",
        "context": context,
    }
    # The order of a schema's properties is kept: it decides the order in which a constrained reply is written.
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


def encode(reply: Reply) -> dict[str, Any]:
    """A reply as JSON values."""
    return asdict(reply)


def decode(fields: object) -> Reply:
    """A reply from JSON values.

    Raises:
        ValueError: They are not those of a reply.
    """
    try:
        values = dict(fields)  # type: ignore[call-overload]
        usage = read_usage(values.pop("usage"))
        if not _is_reply(values):
            raise ValueError("not a reply: a field has the wrong type")
        return Reply(usage=usage, **values)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a reply: {error}") from None


def read_usage(fields: object) -> Usage:
    """A usage from JSON values.

    Raises:
        ValueError: They are not those of a usage.
    """
    try:
        usage = Usage(**fields)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"not a usage: {error}") from None
    if not _is_usage(usage):
        raise ValueError("not a usage: a field has the wrong type")
    return usage


def read_json(text: str | bytes) -> Any:
    """JSON from outside. Bytes are UTF-8; one that is not is replaced, so that it costs a character and not the rest.

    Raises:
        ValueError: It is no JSON, or nested too deep.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig", "replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _is_reply(values: Mapping[str, Any]) -> bool:
    texts = (values["text"], values["model"], values.get("reasoning", ""))
    return all(isinstance(text, str) for text in texts) and values.get("finish", "stop") in ("stop", "length")


def _is_usage(usage: Usage) -> bool:
    counts = (usage.calls, usage.prompt_tokens, usage.completion_tokens)
    amounts = (usage.seconds, 0.0 if usage.cost is None else usage.cost)
    return all(type(count) is int for count in counts) and all(
        type(amount) in (int, float) and 0 <= amount <= _MOST for amount in (*counts, *amounts)
    )
