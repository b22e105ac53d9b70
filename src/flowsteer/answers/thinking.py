"""Thinking that a model wrote into its reply: it is never a part of the answer."""

import re
from collections import deque

_OPEN = re.compile(r"[<◁](?i:think(?:ing)?|thought)[>▷]")
_CLOSE = re.compile(r"[<◁]/(?i:think(?:ing)?|thought)[>▷]")


def without_thinking(text: str) -> str:
    """The text without `<think>` blocks; an unclosed block runs to the end, an unopened one from the start.

    >>> without_thinking("<think>6 * 7</think>42")
    '42'
    >>> without_thinking("6 * 7</think>42"), without_thinking("<think>It is 42")
    ('42', '')
    """
    return beyond_thinking(text).strip()


def beyond_thinking(text: str) -> str:
    """The same with the blanks around the rest, which are a part of code.

    >>> beyond_thinking("<think>Add.</think>    x += 1")
    '    x += 1'
    """
    lowered = text.lower()
    if "think" not in lowered and "thought" not in lowered:
        return text  # Far quicker than the search for tags, on what is long and hostile.
    kept, at = [], 0
    while opening := _OPEN.search(text, at):
        kept.append(text[at : opening.start()])
        closing = _CLOSE.search(text, opening.end())
        at = closing.end() if closing else len(text)
    said = "".join(kept) + text[at:]
    unopened = deque(_CLOSE.finditer(said), maxlen=1)
    return said[unopened[0].end() :] if unopened else said
