"""Thinking that a model wrote into its reply: it is never a part of the answer."""

import re

_BLOCK = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_CLOSED = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


def without_thinking(text: str) -> str:
    """The text without `<think>` blocks; an unclosed block runs to the end, an unopened one from the start.

    >>> without_thinking("<think>6 * 7</think>42")
    '42'
    >>> without_thinking("6 * 7</think>42")
    '42'
    """
    return _CLOSED.sub("", _BLOCK.sub("", text)).strip()
