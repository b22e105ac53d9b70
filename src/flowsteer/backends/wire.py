"""A request as the body of a chat completion."""

from typing import Any

from flowsteer.backends.base import Features, Request, Sampling
from flowsteer.backends.presets import Dialect


def body(request: Request, model: str, dialect: Dialect, features: Features) -> dict[str, Any]:
    """The JSON body that asks for a completion.

    A grammar wins over a schema where both are asked for and both can be enforced; what the server cannot
    enforce is left out.
    """
    fields: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        dialect.max_tokens: request.sampling.max_tokens,
        **dialect.extra,
    }
    _put_sampling(fields, request.sampling, dialect)
    if request.grammar is not None and features.grammar:
        field = dialect.grammar
        fields[field] = request.grammar if field == "grammar" else {"grammar": request.grammar}
    elif request.json_schema is not None and features.json_schema:
        fields["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": dict(request.json_schema), "strict": True},
        }
    return fields


def _put_sampling(fields: dict[str, Any], sampling: Sampling, dialect: Dialect) -> None:
    """Say every setting the server takes, also the neutral ones: its own defaults are seldom neutral."""
    for name in ("temperature", "top_p"):
        if name in dialect.accepts:
            fields[name] = getattr(sampling, name)
    if sampling.seed is not None and "seed" in dialect.accepts:
        fields["seed"] = sampling.seed
    if "top_k" in dialect.accepts:
        top_k = sampling.top_k or dialect.top_k_off
        if top_k is not None:
            fields["top_k"] = top_k


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
