"""Whether an answer has the form that is graded already, and whether a shortened one still says the same."""

import re

from flowsteer.answers.agreement import as_number
from flowsteer.answers.no_answer import is_no_answer
from flowsteer.answers.numbers import numbers_in
from flowsteer.answers.spelling import plain
from flowsteer.task import Task

MAX_WORDS = 5
"""Most words of a short answer to a question of fact."""

MAX_EXPRESSION = 100
"""Most characters of an answer that is taken for an expression alone."""

_LETTER = re.compile(r"\(?[A-Za-z]\)?")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_VERB = re.compile(r"\b(?:is|are|was|were|be|has|have|had|does|did)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_MINUS = re.compile(r"\b(?:minus|negative)\s+(?=[\d$.\\])", re.IGNORECASE)


def has_form(answer: str, task: Task, form: str) -> bool:
    r"""Whether a short answer is what the form asks for: an option letter, a number or expression, a few words.

    Args:
        answer: The answer.
        task: The task.
        form: How its answer must look, in words.

    >>> qa = Task("Who wrote Emma?", "qa")
    >>> has_form("Jane Austen", qa, "a few words"), has_form("It was Jane Austen.", qa, "a few words")
    (True, False)
    >>> math = Task("How many?", "math")
    >>> [has_form(answer, math, "a number") for answer in ("18", r"\frac{1}{2}", "18 eggs")]
    [True, True, False]
    """
    text = answer.strip()
    if not text or "\n" in text or is_no_answer(text, form):
        return False
    if asks_letter(form):
        return bool(_LETTER.fullmatch(text))
    if task.type == "math":
        return as_number(text) is not None or (len(text) <= MAX_EXPRESSION and not _PROSE.search(text))
    return len(text.split()) <= MAX_WORDS and not _VERB.search(text)


def asks_letter(form: str) -> bool:
    """Whether the form is the letter of an option."""
    return "letter" in form


def still_says(short: str, answer: str, task: Task, form: str) -> bool:
    """Whether a shortened answer can be what the longer one said: formatting copies, and never solves again.

    Args:
        short: The shortened answer.
        answer: The answer it was made of.
        task: The task.
        form: How its answer must look, in words.

    >>> math = Task("How many?", "math")
    >>> still_says("18", "18 eggs", math, "a number"), still_says("20", "18 eggs", math, "a number")
    (True, False)
    >>> still_says("18", "18.00 dollars", math, "a number"), still_says("5", "-5 degrees", math, "a number")
    (True, False)
    """
    if asks_letter(form):
        return bool(_LETTER.fullmatch(short.strip()))
    given, found = (numbers_in(plain(_MINUS.sub("-", text))) for text in (answer, short))
    if task.type == "math":
        return not given or (bool(found) and found <= given)
    return (_within(short, answer) and found <= given) or _within(short, form)


def _within(short: str, long: str) -> bool:
    """Whether the words of one text stand in another one, side by side."""
    one, other = (" ".join(_WORD.findall(text.casefold())) for text in (short, long))
    return bool(one) and f" {one} " in f" {other} "
