"""Cases of a function's tests as JSON, with integers of any length.

Python makes no integer of a text of more than 4300 digits and no text of such an integer; APPS expects longer ones. A
`Decimal` knows no such limit and is as exact.
"""

import json
from decimal import Decimal
from typing import Any


def read_case(text: str) -> Any:
    """The value that a JSON text holds.

    Raises:
        ValueError: It is not JSON.

    >>> read_case("[" + "9" * 5000 + "]") == [10**5000 - 1]
    True
    """
    try:
        return json.loads(text, parse_int=integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_case(value: Any) -> str:
    """The JSON text of a value that `read_case` gave.

    >>> write_case([1, {"a": 10**5000}]) == '[1, {"a": 1' + "0" * 5000 + "}]"
    True
    """
    try:
        return json.dumps(value)
    except ValueError:  # it holds an integer that has no text
        pass
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {write_case(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_case, value)) + "]"
    return str(Decimal(value))


def integer(digits: str) -> int:
    """The integer that is written so."""
    return int(Decimal(digits))


def as_key(value: Any) -> Any:
    """What a key of a dict is in JSON: its text; or itself, where it holds an integer that has none.

    >>> as_key(2), as_key((1, 2)), len(as_key(10**5000))
    ('2', '(1, 2)', 5001)
    """
    try:
        return str(value)
    except ValueError:
        return str(Decimal(value)) if isinstance(value, int) else value
