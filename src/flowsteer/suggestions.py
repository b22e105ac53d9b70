"""What a mistyped name was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like this one; empty if none is.

    >>> nearest("opnai", ["openai", "gemini"])
    'openai'
    """
    by_lower = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to put behind an error, or an empty text if no known name is like it.

    >>> did_you_mean("cavnas", ["canvas", "agent"])
    ' Did you mean canvas?'
    >>> did_you_mean("poem", ["canvas", "agent"])
    ''
    """
    return question(nearest(name, known))


def question(meant: str) -> str:
    """The question whether something was meant, to put behind an error; empty if nothing was.

    >>> question("openai:gpt-4o")
    ' Did you mean openai:gpt-4o?'
    """
    return f" Did you mean {meant}?" if meant else ""
