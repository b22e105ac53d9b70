"""What chat templates and habits leave around a reply: an end-of-turn token, a code fence. It never costs a turn."""

import re

_ENDS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
)
"""Tokens that end a turn, as the chat templates of common models write them."""

_FENCE = "```"

FENCE = rf"{_FENCE}[A-Za-z]{{0,16}}\s*"
"""Pattern of the opening of a code fence."""

_OPENING = re.compile(rf"{FENCE}(?=<)")


def without_end_tokens(text: str) -> str:
    """A reply without white space and end-of-turn tokens behind it.

    >>> without_end_tokens("<action>finish</action><|im_end|>")
    '<action>finish</action>'
    """
    end, before = len(text), -1
    while end != before:
        before = end
        while end and text[end - 1].isspace():
            end -= 1
        end -= next((len(token) for token in _ENDS if text.endswith(token, 0, end)), 0)
    return text[:end]


def without_fence(text: str) -> str:
    r"""A reply without a code fence around its tags, or a half of one.

    >>> without_fence("```xml\n<action>finish</action>\n```")
    '<action>finish</action>'
    """
    opened = _OPENING.match(text)
    inner = text[opened.end() :] if opened else text
    return without_end_tokens(inner.removesuffix(_FENCE)) if opened or inner.endswith(f">\n{_FENCE}") else inner
