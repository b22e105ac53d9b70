"""JSON that a browser can read: JavaScript knows no NaN and no Infinity, which Python writes."""

import json
import math
from typing import Any


def text_of(value: Any) -> str:
    """A value as JSON; numbers that JSON does not have become null.

    >>> text_of({"kl": float("nan"), "steps": [1, 2.5]})
    '{"kl":null,"steps":[1,2.5]}'
    """
    try:
        return _encode(value)
    except ValueError:
        return _encode(_finite(value))


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
