r"""Text that can be written down: UTF-8 holds no half of a character, and many a reader of files stops at a NUL.

A JSON escape (`"\ud835"`) or a byte on the command line that is no UTF-8 makes such a half, a lone surrogate.
"""

from collections.abc import Iterable

from flowsteer.errors import ConfigError


def sound(text: str) -> str:
    r"""The text with the two halves of one character joined, and what is no character replaced by U+FFFD.

    >>> sound("\ud835\udc00, \ud835, \x00") == "\U0001d400, \ufffd, \ufffd"
    True
    """
    if not text.isascii() and _unsound(text) is not None:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "\ufffd")


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
