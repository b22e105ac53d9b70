"""When two short answers are plainly the same. For operators; graders have stricter rules of their own."""

import re
import unicodedata
from fractions import Fraction

from flowsteer.answers.extract import MAX_TEXT, tidy

MAX_NUMBER = 200
"""A text of more characters is no plain number."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")
_LATEX_FRACTION = re.compile(r"([+-]?)\s*\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b(?=\s+\S)")


def as_number(answer: str) -> Fraction | None:
    r"""The exact value of a plain number, fraction or amount of dollars; None for anything else.

    >>> as_number("$1,200.50"), as_number("1/2"), as_number(r"\frac{1}{2}"), as_number("12 eggs")
    (Fraction(2401, 2), Fraction(1, 2), Fraction(1, 2), None)
    """
    if len(answer) > MAX_NUMBER:
        return None
    text = _LATEX_FRACTION.sub(r"\1\2/\3", tidy(answer)).replace("−", "-").replace("\\$", "$")
    text = _THOUSANDS.sub("", re.sub(r"^([+-]?)\$\s*", r"\1", text))
    above, slash, below = (part.strip() for part in text.partition("/"))
    if not _NUMBER.fullmatch(above) or (slash and not _NUMBER.fullmatch(below)):
        return None
    divisor = Fraction(below) if slash else Fraction(1)
    return Fraction(above) / divisor if divisor else None


def normalised(answer: str) -> str:
    """One spelling for answers that are plainly the same: numbers by value, words by case, spaces and articles.

    Inner punctuation stays, so `1/2` and `12` remain different.

    >>> normalised("The  Eiffel Tower."), normalised("(B)"), normalised("0.50") == normalised("1/2")
    ('eiffel tower', 'b', True)
    """
    if len(answer) > MAX_TEXT:
        return " ".join(answer.split())  # No short answer: texts of this length agree when they are the same.
    number = as_number(answer)
    if number is not None:
        return str(number)
    text = " ".join(unicodedata.normalize("NFKC", tidy(answer)).casefold().split())
    bare = _ARTICLES.sub("", text.strip(" .,;:!?'\"()[]"))
    return " ".join(bare.split()) or text


def same_answer(one: str, other: str) -> bool | None:
    """Whether two answers agree: True, False where that is certain (two numbers), None where only a reader can tell.

    >>> same_answer("18", "$18.00"), same_answer("18", "81"), same_answer("NYC", "New York City")
    (True, False, None)
    """
    if normalised(one) == normalised(other):
        return True
    return False if as_number(one) is not None and as_number(other) is not None else None
