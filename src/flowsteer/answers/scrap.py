"""An answer that begins or ends in the middle: the reply broke off, or its form was filled with a piece of one."""

import re

_BEGINS_INSIDE = re.compile(r"[)}]|\](?!.*\[\Z)", re.DOTALL)  # ]0, 1[ is an open interval
_ENDS_INSIDE = re.compile(r"(?:=|[({]|(?<=\s)[-+*/×·÷]|\\(?:times|cdot|div|frac|sqrt))\Z")
_TAIL = 40
"""Characters at the end in which it shows."""


def is_scrap(answer: str) -> bool:
    r"""Whether an answer is only a piece of one: it begins with a closing bracket, or something must follow its end.

    >>> [is_scrap(answer) for answer in (r"]}71 \times \frac{72}{2} =", "/5 * (", "x =", "3 +")]
    [True, True, True, True]
    >>> [is_scrap(answer) for answer in ("]0, 1[", "(0, 1]", "C++", "-5", "x = 4", "$5", "Who (band)")]
    [False, False, False, False, False, False, False]
    """
    text = answer.strip()
    return bool(_BEGINS_INSIDE.match(text) or _ENDS_INSIDE.search(text[-_TAIL:]))
