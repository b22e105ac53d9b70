"""Texts that stand where an answer should and answer nothing: the words of its form, or a piece of one."""

import re

from flowsteer.answers.form_echo import is_echo

_ENDS_INSIDE = re.compile(
    # A plus or minus is left hanging by a formula alone: `O -` is a blood group, and `Ca2 +` an ion.
    r"(?:=|[({]|(?<=\s)[*/×·÷]|(?:[)}\]]|(?<![A-Za-z])[\da-z])\s{1,9}[-+]|\\(?:times|cdot|div|frac|sqrt))\Z"
)


def is_no_answer(answer: str, form: str) -> bool:
    r"""Whether an answer only repeats how it should look, or begins or ends in the middle of something.

    Args:
        answer: What was given as the answer.
        form: How it was to look, in words.

    >>> [is_no_answer(text, "a number") for text in ("<number>", r"]}71 \times \frac{72}{2} =", "/5 * (", "3 +")]
    [True, True, True, True]
    >>> [is_no_answer(text, "a number") for text in ("]0, 1[", "(0, 1]", "C++", "-5", "x = 4", "Who (band)", "O -")]
    [False, False, False, False, False, False, False]
    """
    return is_echo(answer, form) or _is_piece(answer.strip())


def _is_piece(text: str) -> bool:
    """Whether a text begins with a closing bracket, or something must follow its end; ]0, 1[ is an open interval."""
    begins_inside = text.startswith((")", "}")) or (text.startswith("]") and not text.endswith("["))
    return begins_inside or bool(_ENDS_INSIDE.search(text))
