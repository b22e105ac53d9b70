"""Tags where they stand in a reply, as models write them: in any case, in angle or square brackets."""

import re
from collections.abc import Collection
from typing import NamedTuple

from flowsteer.director.forms import WORDS

_TAG = re.compile(r"([<\[◁])(/?)([A-Za-z_]{1,16})[>\]▷]")


class Tag(NamedTuple):
    """A tag where it stands in a reply.

    Attributes:
        name: Its name, in lower case.
        closes: Whether it is a closing one.
        bracket: What it begins with.
        start: Where it begins.
        end: Where the text behind it begins.
    """

    name: str
    closes: bool
    bracket: str
    start: int
    end: int


def tags_of(text: str, names: Collection[str]) -> list[Tag]:
    """All tags of these names, in reading order.

    >>> [tag.name for tag in tags_of("<THINK>[b]</think>", ("think",))]
    ['think', 'think']
    """
    return [
        Tag(found[3].lower(), bool(found[2]), found[1], found.start(), found.end())
        for found in _TAG.finditer(text)
        if found[3].lower() in names
    ]


def closing(tags: list[Tag]) -> list[int | None]:
    """For each tag the place of what closes it in its brackets; None for none.

    One of the language is closed before the next such one is opened: prose may name it. Thinking ends at the first end.
    """
    found: list[int | None] = [None] * len(tags)
    nearest: dict[tuple[str, str], int | None] = {}
    for number in range(len(tags) - 1, -1, -1):
        tag = tags[number].name, tags[number].bracket
        if tags[number].closes:
            nearest[tag] = number
        else:
            found[number] = nearest.get(tag)
            if tags[number].name in WORDS:
                nearest[tag] = None
    return found
