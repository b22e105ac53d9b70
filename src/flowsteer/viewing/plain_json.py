"""JSON that a browser can read: JavaScript knows no NaN and no Infinity, and UTF-8 no half of a surrogate pair."""

import json
from typing import Any

from flowsteer.unicode import finite


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
        text = _encode(finite(value))
    return text.encode(errors="backslashreplace").decode()


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
