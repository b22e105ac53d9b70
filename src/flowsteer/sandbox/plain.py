"""Values on the wire: tagged JSON that a program in a sandbox writes and the host reads as hostile text.

JSON alone loses tuples, sets and non-string keys, so containers carry a tag: `["l", […]]` is a list, `t` a tuple,
`s` a set, `f` a frozenset, `["d", [[key, value], …]]` a dict, `["b", "hex"]` bytes, `["c", [real, imaginary]]` a
complex number and `["i", "hex"]` an integer beyond 2**53. Further tags hold their parts in a list: `r` is a range, `sl`
a slice, `ba` a bytearray, `dk`, `dv`, `di` views of a dict, `q` a deque, `C` a Counter, `od` and `dd` other dicts,
`nt` a named tuple, `F` a fraction, `D` a decimal number, `da`, `ti`, `dt`, `td`, `tz`, `zi` dates and times, `np` what
numpy has (as lists and numbers here), `ty` a type and `el` an ellipsis. What is no data, such as the last two, and the
handles of pairs of programs never become values of the host.

The writers are `guest/runner.py` and `guest/values.py` (CPython) and `ENCODER` in `monty_prelude.py`.
"""

import datetime
import json
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Any

MAX_FRACTION_BITS = 4096
"""Longest numerator or denominator: what is done with fractions takes quadratic time."""

MAX_DIMENSIONS = 64
"""Most dimensions of an array, as numpy has it."""

SPARE_LISTS = 1000
"""How many more lists than items an array may become: each dimension of length one makes a list for every item."""

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
    except (TypeError, ArithmeticError, AttributeError, LookupError, MemoryError) as error:
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
    return _insertable(_items(payload))


def _insertable(keys: list[Any]) -> list[Any]:
    if len(keys) > MAX_EQUAL_HASHES and max(Counter(hash(key) for key in keys).values()) > MAX_EQUAL_HASHES:
        raise ValueError("the value has too many keys with one hash")
    return keys


def _from_pairs(pairs: list[Any]) -> dict[Any, Any]:
    return dict(zip(_insertable([key for key, _ in pairs]), [value for _, value in pairs], strict=True))


def _dict(payload: Any) -> dict[Any, Any]:
    pairs = [pair for pair in payload if isinstance(pair, list) and len(pair) == 2]
    if len(pairs) != len(payload):
        raise ValueError("not a plain value: a dict item that is no pair")
    return dict(zip(_keys([key for key, _ in pairs]), _items([value for _, value in pairs]), strict=True))


def _parts(payload: Any) -> list[float]:
    if not isinstance(payload, list) or len(payload) != 2 or not all(type(part) in (int, float) for part in payload):
        raise ValueError("not a plain value: a complex number without its two parts")
    return payload


def _fraction(parts: list[Any]) -> Fraction:
    numerator, denominator = parts
    if max(numerator.bit_length(), denominator.bit_length()) > MAX_FRACTION_BITS:
        raise ValueError("not a plain value: a fraction of too many digits")
    return Fraction(numerator, denominator)


def _array(parts: list[Any]) -> Any:
    """What numpy has, as lists of Python's numbers."""
    _, shape, items = parts
    if shape is None:
        return items[0]
    if not isinstance(shape, list) or not isinstance(items, list) or len(shape) > MAX_DIMENSIONS:
        raise ValueError("not a plain value: an array without shape and items")
    if not items:
        return []
    if any(type(size) is not int or not 0 < size <= len(items) for size in shape) or prod(shape) != len(items):
        raise ValueError("not a plain value: an array of another shape than its items")
    room = len(items) + SPARE_LISTS
    for size in reversed(shape[1:]):
        room -= len(items) // size
        if room < 0:
            raise ValueError("not a plain value: an array of more lists than items")
        items = [items[start : start + size] for start in range(0, len(items), size)]
    return items if shape else items[0]


def _of_parts(build: Callable[..., Any], *kinds: type) -> Callable[[Any], Any]:
    """A reader that builds a value of parts, the first of them of these types.

    What is built of a number or a range may be far larger than its text, so whatever expands a part names its type.
    """

    def read(payload: Any) -> Any:
        parts = _items(payload)
        if not all(map(isinstance, parts, kinds)):
            raise ValueError("not a plain value: a part of another type")
        return build(*parts)

    return read


_READERS: dict[str, Callable[[Any], Any]] = {
    "l": _items,
    "t": lambda payload: tuple(_items(payload)),
    "s": lambda payload: set(_keys(payload)),
    "f": lambda payload: frozenset(_keys(payload)),
    "d": _dict,
    "b": bytes.fromhex,
    "c": lambda payload: complex(*_parts(payload)),
    "i": lambda payload: int(payload, 16),
    "r": _of_parts(range),
    "sl": _of_parts(slice),
    "ba": _of_parts(bytearray, bytes),
    "dk": _of_parts(lambda keys: dict.fromkeys(_insertable(keys)).keys(), list),
    "dv": _of_parts(lambda values: dict(enumerate(values)).values(), list),
    "di": _of_parts(lambda pairs: _from_pairs(pairs).items(), list),
    "q": _of_parts(deque, list),
    "C": _of_parts(dict, dict),
    "od": _of_parts(_from_pairs, list),
    "dd": _of_parts(lambda _, pairs: _from_pairs(pairs), object, list),
    "nt": _of_parts(lambda _, __, items: tuple(items), object, object, list),
    "F": lambda payload: _fraction(_items(payload)),
    "D": _of_parts(Decimal, str),
    "da": _of_parts(datetime.date),
    "ti": _of_parts(lambda *parts: datetime.time(*parts[:-1], fold=parts[-1])),
    "dt": _of_parts(lambda *parts: datetime.datetime(*parts[:-1], fold=parts[-1])),
    "td": _of_parts(datetime.timedelta),
    "tz": _of_parts(datetime.timezone),
    "np": lambda payload: _array(_items(payload)),
}
