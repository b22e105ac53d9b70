"""How two trees of settings differ, in words."""

from collections.abc import Iterator
from typing import Any

JSON = dict[str, Any]

BRIEF = 120
"""Most characters of a setting in a message."""


def differences(stored: JSON, wanted: JSON) -> str:
    """What two trees of settings do not agree in, in words.

    >>> differences({"seed": 0, "update": {"kl": 0.1, "steps": 3}}, {"seed": 0, "update": {"kl": 0.2, "steps": 3}})
    'update.kl is 0.1 there and 0.2 here'
    """
    return "; ".join(
        f"{name} is {_brief(there)} there and {_brief(here)} here" for name, there, here in _differing(stored, wanted)
    )


def _differing(stored: JSON, wanted: JSON) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*stored, *wanted}):
        there, here = stored.get(name), wanted.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            yield from ((f"{name}.{inner}", *values) for inner, *values in _differing(there, here))
        elif there != here:
            yield name, there, here


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"
