r"""Text that can be written down: UTF-8 holds no half of a character, and many a reader of files stops at a NUL.

A JSON escape (`"\ud835"`) or a byte on the command line that is no UTF-8 makes such a half, a lone surrogate.
And text that can be shown: what moves a terminal's cursor, colours it or turns its letters round is no part of it.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from flowsteer.errors import ConfigError

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, delete, C1: escape sequences begin with one of them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # letters are shown in another order
    "\ud800-\udfff]"  # halves of characters, which UTF-8 cannot hold
)


def sound(text: str) -> str:
    r"""The text with the two halves of one character joined, and what is no character replaced by U+FFFD.

    >>> sound("\ud835\udc00, \ud835, \x00") == "\U0001d400, \ufffd, \ufffd"
    True
    """
    if not text.isascii() and _unsound(text) is not None:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "\ufffd")


def printable(text: str) -> str:
    r"""The text as a terminal may have it: what would steer the terminal is U+FFFD, each in its place.

    >>> printable("a\tb\n") == "a\tb\n", printable("\x1b[31m") == "\ufffd[31m", printable("\r\n")
    (True, True, '\n')
    """
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def printable_json(value: Any, ascii_only: bool = False) -> str:
    r"""JSON for a terminal: what would steer it is an escape, and reads back as it was; no number is NaN or infinite.

    Args:
        value: JSON values; numbers that JSON does not have become null.
        ascii_only: Whether all that is no ASCII is an escape as well.

    >>> printable_json(["é\x7f"])
    '[\n  "é\\u007f"\n]'
    """
    encode = json.JSONEncoder(ensure_ascii=ascii_only, allow_nan=False, indent=2).encode
    try:
        return escaped(encode(value))
    except ValueError:
        return escaped(encode(finite(value)))


def finite(value: Any) -> Any:
    """JSON values with null for each number that JSON does not have.

    >>> finite({"kl": float("nan"), "steps": [1, 2.5]})
    {'kl': None, 'steps': [1, 2.5]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def escaped(text: str) -> str:
    r"""JSON text with what would steer a terminal as escapes: it reads back as it was.

    >>> escaped('["\x7f"]')
    '["\\u007f"]'
    """
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_plain(text: str) -> bool:
    r"""Whether a text is sound at a glance: ASCII without NUL.

    >>> is_plain("7 km"), is_plain("7\x00"), is_plain("½")
    (True, False, False)
    """
    return text.isascii() and "\x00" not in text


def make_sound(record: object, *names: str) -> None:
    """Make the texts of a frozen record sound; for its `__post_init__`."""
    for name in names:
        text = getattr(record, name)
        if (clean := sound(text)) is not text:
            object.__setattr__(record, name, clean)


def refuse_unsound(texts: Iterable[str], where: str) -> None:
    """Refuse a user's text that UTF-8 cannot hold: replacing a part of it would ask something else.

    Args:
        texts: The texts.
        where: What they are of, for the error.

    Raises:
        ConfigError: One holds a lone surrogate.
    """
    for text in texts:
        position = _unsound(text)
        if position is not None:
            raise ConfigError(
                f"{where} is not clean UTF-8: character {position + 1} of {text[:40]!r} is no whole one",
                "save the text as UTF-8, and give it again",
            )


def _unsound(text: str) -> int | None:
    """Where the first lone surrogate stands, None if there is none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None
