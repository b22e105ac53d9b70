"""When two short answers are plainly the same. For operators; graders have stricter rules of their own."""

import re
import unicodedata
from fractions import Fraction

from flowsteer.answers.extract import MAX_TEXT, tidy
from flowsteer.answers.numbers import Number, read_number, same_number
from flowsteer.answers.spelling import plain

MAX_NUMBER = 200
"""A text of more characters is no plain number."""

_OTHER_AMOUNT = re.compile(r"[€£¥%]|(?<![\\A-Za-z])[A-Za-z]{2}")
"""What stands beside a number that is more than a number; dollars alone are left aside."""

_RAISED = "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209f\u2150-\u218f"
_LEVEL = re.compile(f"[^{_RAISED}]+")
"""Text without raised and lowered signs, which are no digits of the number before them."""

_LETTER = re.compile(r"[(\[]?\s*([^\W\d_])\s*[)\].:]*")
_WORD = re.compile(r"[^\W\d_]{2}")
_FORMULA = re.compile(rf"[\\^_=+*<>|{{}}{_RAISED}√∞]|[(\[][^()\[\],\d]*+[,\d][^()\[\]]*+[)\]]")
"""A sign of a formula, or a pair of brackets around numbers or several things: a tuple, an interval."""

_ARTICLES = re.compile(r"\b(?:a|an|the)\b(?=\s+\S)")


def as_number(answer: str) -> Fraction | None:
    r"""The exact value of a plain number, fraction or amount of dollars; None for anything else.

    >>> as_number("$1,200.50"), as_number("1/2"), as_number(r"1\frac{1}{2}"), as_number("12 eggs")
    (Fraction(2401, 2), Fraction(1, 2), Fraction(3, 2), None)
    """
    number = _number(answer)
    return None if number is None else number.value


def _number(answer: str) -> Number | None:
    if len(answer) > MAX_NUMBER:
        return None
    text = plain(tidy(answer))
    number = None if _OTHER_AMOUNT.search(text) else read_number(text, variables=True)
    return None if number is None or number.unit else number


def normalised(answer: str) -> str:
    """One spelling for answers that are plainly the same: numbers by value, words by case, spaces and articles.

    Inner punctuation stays, so `1/2` and `12` remain different, and so do all signs of a formula.

    >>> normalised("The  Eiffel Tower."), normalised("(B)"), normalised("0.50") == normalised("1/2")
    ('eiffel tower', 'b', True)
    >>> normalised("[0, 1)"), normalised("n!"), normalised("a + b")
    ('[0, 1)', 'n!', 'a + b')
    """
    if len(answer) > MAX_TEXT:
        return " ".join(answer.split())  # No short answer: texts of this length agree when they are the same.
    number = as_number(answer)
    if number is not None:
        return str(number)
    level = _LEVEL.sub(lambda found: unicodedata.normalize("NFKC", found[0]), tidy(answer))
    text = " ".join(level.casefold().split())
    if letter := _LETTER.fullmatch(text):
        return letter[1]
    if _FORMULA.search(text) or not _WORD.search(text):
        return text
    bare = _ARTICLES.sub("", text.strip(" .,;:!?'\"()[]"))
    return " ".join(bare.split()) or text


def same_answer(one: str, other: str) -> bool | None:
    """Whether two answers agree: True, False where that is certain (two numbers), None where only a reader can tell.

    >>> same_answer("18", "$18.00"), same_answer("18", "81"), same_answer("NYC", "New York City")
    (True, False, None)
    """
    if normalised(one) == normalised(other):
        return True
    number, another = _number(one), _number(other)
    return same_number(number, another) if number and another else None
