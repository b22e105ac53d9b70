"""JSON that a browser can read: JavaScript knows no NaN and no Infinity, and UTF-8 no half of a surrogate pair."""

import json
import math
from typing import Any


def text_of(value: Any) -> str:
    r"""A value as JSON; numbers that JSON does not have become null, and halves of surrogate pairs escapes.

    >>> text_of({"kl": float("nan"), "steps": [1, 2.5]})
    '{"kl":null,"steps":[1,2.5]}'
    >>> text_of("half \\ud83d")
    '"half \\\\ud83d"'
    """
    try:
        text = _encode(value)
    except ValueError:
        text = _encode(_finite(value))
    return text.encode(errors="backslashreplace").decode()


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
