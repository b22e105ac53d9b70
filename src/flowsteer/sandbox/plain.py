"""Plain values on the wire: tagged JSON that a program in a sandbox writes and the host reads as hostile text.

JSON alone loses tuples, sets and non-string keys, so containers carry a tag: `["l", […]]` is a list, `t` a tuple,
`s` a set, `f` a frozenset, `["d", [[key, value], …]]` a dict, `["b", "hex"]` bytes, `["c", [real, imaginary]]` a
complex number and `["i", "hex"]` an integer beyond 2**53. The writers are `runner.py` (CPython) and `ENCODER` in
`monty_prelude.py`.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

MAX_EQUAL_HASHES = 64
"""Most keys of one set or dict that may share a hash.

Integers that differ by multiples of 2**61 - 1 share theirs, and a set of many such is quadratic to build: without this
limit a program could stall the host with one small value.
"""


def decode(text: str) -> Any:
    """Read a plain value.

    Args:
        text: Tagged JSON, from an untrusted writer.

    Raises:
        ValueError: If the text is not a plain value, is nested too deeply, or was made to be slow to read.

    >>> decode('["t",[1,["s",["a"]],["d",[[["t",[0]],null]]]]]')
    (1, {'a'}, {(0,): None})
    """
    try:
        return _value(json.loads(text))
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None
    except (TypeError, OverflowError) as error:
        raise ValueError(f"not a plain value: {error}") from None


def _value(node: Any) -> Any:
    if not isinstance(node, (list, dict)):
        return node
    match node:
        case [str(tag), payload] if tag in _READERS:
            return _READERS[tag](payload)
    raise ValueError("not a plain value: unknown tag")


def _items(payload: Any) -> list[Any]:
    if not isinstance(payload, list):
        raise ValueError("not a plain value: a container without items")
    return [_value(item) for item in payload]


def _keys(payload: Any) -> list[Any]:
    keys = _items(payload)
    if len(keys) > MAX_EQUAL_HASHES and max(Counter(hash(key) for key in keys).values()) > MAX_EQUAL_HASHES:
        raise ValueError("the value has too many keys with one hash")
    return keys


def _dict(payload: Any) -> dict[Any, Any]:
    pairs = [pair for pair in payload if isinstance(pair, list) and len(pair) == 2]
    if len(pairs) != len(payload):
        raise ValueError("not a plain value: a dict item that is no pair")
    return dict(zip(_keys([key for key, _ in pairs]), _items([value for _, value in pairs]), strict=True))


def _parts(payload: Any) -> list[float]:
    if not isinstance(payload, list) or len(payload) != 2 or not all(type(part) in (int, float) for part in payload):
        raise ValueError("not a plain value: a complex number without its two parts")
    return payload


_READERS: dict[str, Callable[[Any], Any]] = {
    "l": _items,
    "t": lambda payload: tuple(_items(payload)),
    "s": lambda payload: set(_keys(payload)),
    "f": lambda payload: frozenset(_keys(payload)),
    "d": _dict,
    "b": bytes.fromhex,
    "c": lambda payload: complex(*_parts(payload)),
    "i": lambda payload: int(payload, 16),
}
