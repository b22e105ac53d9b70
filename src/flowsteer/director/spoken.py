"""What a reply says behind its thinking: whoever reads or shows replies asks here, in every dialect.

Models think in tags of several names, in any case, in angle or square brackets. What stands in an instruction or an
answer is text and no thinking: it may speak of tags.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from flowsteer.director.forms import FREE, WORDS
from flowsteer.director.reply_ends import FENCE, without_end_tokens
from flowsteer.director.tags import closing, tags_of
from flowsteer.unicode import sound

_OPENED_BY_TEMPLATES = ("think", "thinking", "thought")
_THINKING = (*_OPENED_BY_TEMPLATES, "reasoning")
_MARKS = frozenset((*_THINKING, *FREE))

_BLANK = re.compile(r"\s*")
_IN_LANGUAGE = re.compile(rf"(?:{FENCE})?[<\[](?:{'|'.join(WORDS)})[>\]]", re.IGNORECASE | re.ASCII)
_UNCLOSED = re.compile(rf"[<◁]({'|'.join(_THINKING)})[>▷]", re.IGNORECASE | re.ASCII)


class Behind(NamedTuple):
    """What stands behind the thinking at the head of a reply.

    Attributes:
        text: That, without white space and end-of-turn tokens around it.
        unclosed: The name of the thinking that is not closed, before which the text begins; empty if there is none.
    """

    text: str
    unclosed: str = ""


class _Thought(NamedTuple):
    """A thought where it stands in a reply; `start` is None where nothing opens it."""

    name: str
    start: int | None
    end: int


def behind_thinking(reply: str) -> Behind:
    """What stands behind the thinking at the head of a reply.

    Chat templates of some models open `<think>` themselves, so the reply then holds the closing tag alone: prose up to
    a `</think>` is thinking too. A reply that starts with a tag of the language, in a code fence or not, is never read
    that way.

    >>> behind_thinking("<think>A plan first.</think> <action>finish</action>").text
    '<action>finish</action>'

    Args:
        reply: What the Director said.
    """
    said = without_end_tokens(sound(reply)).lstrip()
    if _IN_LANGUAGE.match(said):
        return Behind(said)
    at = 0
    for thought in _thoughts(said):
        if thought.start == at or thought.name in _OPENED_BY_TEMPLATES:
            at = _behind_blanks(said, thought.end)
            if _IN_LANGUAGE.match(said, at):
                break
    unclosed = _UNCLOSED.match(said, at)
    return Behind(said[at:], unclosed[1].lower() if unclosed else "")


def spoken(reply: str) -> str:
    """What a reply says without any thinking; nothing, where thinking at its head is not closed.

    >>> spoken("Well. <reasoning>Or delete?</reasoning> <action>finish</action>")
    'Well.  <action>finish</action>'
    """
    behind = behind_thinking(reply)
    return "" if behind.unclosed else without_thoughts(behind.text)


def without_thoughts(text: str) -> str:
    """A text without the closed thinking in it, wherever that stands."""
    at, kept = 0, []
    for thought in _thoughts(text):
        if thought.start is not None:
            kept.append(text[at : thought.start])
            at = thought.end
    return "".join([*kept, text[at:]])


def _thoughts(text: str) -> Iterator[_Thought]:
    """The thoughts that are closed, outside instructions and answers."""
    tags = tags_of(text, _MARKS)
    at = 0
    for tag, last in zip(tags, closing(tags), strict=True):
        if tag.start < at:
            continue
        if tag.closes and tag.name in _THINKING:
            yield _Thought(tag.name, None, tag.end)
        elif last is not None:
            at = tags[last].end
            if tag.name in _THINKING:
                yield _Thought(tag.name, tag.start, at)


def _behind_blanks(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return at if blank is None else blank.end()
