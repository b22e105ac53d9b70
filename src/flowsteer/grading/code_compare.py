"""How APPS compares what a program printed, or a function returned, with what is expected."""

import math
import re
from typing import Any

from flowsteer.case_json import as_key

RELATIVE, ABSOLUTE = 1e-5, 1e-8
"""How far numbers may differ where they may: as the runner of APPS has it (`numpy.allclose`)."""


_FRACTIONAL = re.compile(r"[+-]?(?=\d|\.\d)\d*(?:\.\d*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)")
_NUMBER = re.compile(rf"{_FRACTIONAL.pattern}|[+-]?\d+")


def same_output(printed: str, expected: str) -> bool:
    """Whether both have the same tokens."""
    return printed.split() == expected.split()


def close_output(printed: str, expected: str) -> bool:
    """Whether both have the same tokens, where a number may differ a little if the expected one is no integer.

    >>> close_output("0.333333 yes", "0.3333333333 yes"), close_output("3.0", "3")
    (True, False)
    """
    given, wanted = printed.split(), expected.split()
    return len(given) == len(wanted) and all(map(_close_tokens, given, wanted))


def same_value(value: Any, expected: Any) -> bool:
    """Whether a function returned what is expected.

    Tuples count as lists, keys as texts, and the expected value may stand in a list by itself.
    """
    given = _as_json(value)
    alone = isinstance(expected, list) and len(expected) > 0 and given == expected[0]
    return given == expected or alone


def close_value(value: Any, expected: Any) -> bool:
    """The same, where a number may differ a little if the expected one is no integer."""
    given = _as_json(value)
    alone = isinstance(expected, list) and len(expected) > 0 and _close_values(given, expected[0])
    return alone or _close_values(given, expected)


def _close_tokens(given: str, expected: str) -> bool:
    if given == expected or not _NUMBER.fullmatch(given) or not _FRACTIONAL.fullmatch(expected):
        return given == expected
    return _close(float(given), float(expected))


def _close_values(given: Any, expected: Any) -> bool:
    match given, expected:
        case list(), list():
            return len(given) == len(expected) and all(map(_close_values, given, expected))
        case dict(), dict():
            return given.keys() == expected.keys() and all(_close_values(given[key], expected[key]) for key in given)
        case (int() | float(), float()):
            return _close(given, expected)
    return bool(given == expected)


def _close(given: float, expected: float) -> bool:
    try:
        return abs(given - expected) <= ABSOLUTE + RELATIVE * abs(expected) and math.isfinite(expected)
    except OverflowError:  # an integer beyond all floats
        return False


def _as_json(value: Any) -> Any:
    """The value as JSON would give it back: tuples are lists, keys are texts."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {as_key(key): _as_json(item) for key, item in value.items()}
    return value
