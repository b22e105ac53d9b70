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
    if not any(word in text.lower() for word in ("think", "thought")):
        return text.strip()  # Far quicker than the search for tags, on what is long and hostile.
    kept, at = [], 0
    while opening := _OPEN.search(text, at):
        kept.append(text[at : opening.start()])
        closing = _CLOSE.search(text, opening.end())
        at = closing.end() if closing else len(text)
    said = "".join(kept) + text[at:]
    unopened = deque(_CLOSE.finditer(said), maxlen=1)
    return said[unopened[0].end() :].strip() if unopened else said.strip()
