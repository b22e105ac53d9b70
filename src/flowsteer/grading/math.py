"""Math: equal in value, exactly. No tolerance on integers, no judge, no repair of what was said.

Two answers are compared as texts, then as exact numbers, then as expressions by math-verify in a worker process.
"""

import re
from collections.abc import Mapping

from flowsteer.grading.base import RIGHT, Grade, wrong
from flowsteer.grading.extract import final_answer, plain
from flowsteer.grading.math_process import MathWorkers, UnreadableGold
from flowsteer.grading.numbers import read_number, same_number, without_unit

MAX_CHARS = 2000
"""An answer longer than this after extraction is no answer."""

_INTEGER = re.compile(r"[+-]?\d+(?:\.0*)?")
_LETTER = re.compile(r"\(?\s*([A-Ea-e])\s*(?:\)|\.|:|$)(?P<rest>.*)", re.DOTALL)
_OPTION_WORD = re.compile(r"^(?:option|choice)\s+", re.IGNORECASE)
_NAMED = re.compile(r"^\s*[A-Za-z](?:\([A-Za-z]\))?\s*=\s*([^=<>]+)$")
_COMMANDS = re.compile(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+")
_WORDS = re.compile(r"[A-Za-z]{3,}")
_FUNCTION = re.compile(r"(?:arc)?(?:sin|cos|tan)h?|cot|sec|csc|log|exp|sqrt|lim|max|min|gcd|lcm|mod|det", re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:,\s*)?\b(?:and|or)\b\s*")


async def grade_math(gold: str, answer: str, workers: MathWorkers) -> Grade:
    """Grade by mathematical equivalence.

    Args:
        gold: The right answer, plain or LaTeX.
        answer: What a workflow answered; may hold reasoning around it.
        workers: Where expressions are compared.

    Raises:
        GraderError: The grader cannot decide.
    """
    if _spelling(plain(gold)) == _spelling(plain(answer)) or await equivalent(gold, final_answer(answer), workers):
        return RIGHT
    return wrong("the value differs" if answer.strip() else "there is no answer")


def grade_integer(gold: str, answer: str) -> Grade:
    r"""Grade an AIME answer: the very same integer, in digits.

    >>> grade_integer("70", r"\boxed{070}").score, grade_integer("70", "70.4").score
    (1.0, 0.0)
    """
    given = plain(final_answer(answer)).replace(",", "")
    if named := _NAMED.match(given):
        given = named[1].strip()
    if not _INTEGER.fullmatch(given):
        return wrong("it is no integer in digits" if answer.strip() else "there is no answer")
    return RIGHT if int(given.partition(".")[0]) == int(gold) else wrong("the integer differs")


async def grade_option(gold: str, options: Mapping[str, str], answer: str, workers: MathWorkers) -> Grade:
    """Grade a multiple-choice answer: the letter, or the value of an option.

    A lone letter is a letter, even where an option's value is that letter.

    Args:
        gold: The right letter.
        options: Values by letter; may be empty, then only letters count.
        answer: What a workflow answered.
        workers: Where expressions are compared.

    Raises:
        GraderError: The grader cannot decide.
    """
    right, given = gold.strip().lower(), final_answer(answer)
    if letter := chosen_letter(given):
        return RIGHT if letter == right else wrong("another option")
    value = re.sub(rf"^{right}\s*\)\s*", "", options.get(right, "").strip())
    try:
        if value and await equivalent(value, given, workers):
            return RIGHT
    except UnreadableGold:
        pass  # A value in words, and other words given: the letter would have been right.
    return wrong("neither the letter nor the value of the right option" if answer.strip() else "there is no answer")


def chosen_letter(text: str) -> str:
    """The option letter that an answer names, in lower case; empty if it names none.

    >>> chosen_letter("(B)"), chosen_letter("option c"), chosen_letter("a ) 12"), chosen_letter("3 b")
    ('b', 'c', 'a', '')
    """
    found = _LETTER.fullmatch(_OPTION_WORD.sub("", plain(text)))
    return found[1].lower() if found else ""


async def equivalent(gold: str, answer: str, workers: MathWorkers) -> bool:
    """Whether two answers have the same value.

    Raises:
        GraderError: The grader cannot decide.
    """
    right, given = plain(gold), plain(answer)
    if _spelling(right) == _spelling(given):
        return True
    if not given or len(given) > MAX_CHARS:
        return False
    if "=" not in right and (named := _NAMED.match(given)):
        given = named[1].strip()
    elif "=" not in given and (named := _NAMED.match(right)):
        right = named[1].strip()
    gold_number, number = read_number(right), read_number(given)
    if gold_number and number:
        return same_number(gold_number, number)
    if gold_number:
        right = str(gold_number.value)
    right, given = (without_unit(_JOINED.sub(", ", text)) for text in (right, given))
    if _is_prose(right) or _is_prose(given):
        return _spelling(right) == _spelling(given)
    return await workers.equal(_formula(right), _formula(given))


def _spelling(text: str) -> str:
    """The text without case, braces around single characters and spaces, for comparing words and option values.

    A space between digits stays: `1 1/2` is not `11/2`.
    """
    bare = re.sub(r"(?<=[A-Za-z])\.", "", re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text))
    return re.sub(r"\{(\w)\}", r"\1", bare).rstrip(".").casefold()


def _is_prose(text: str) -> bool:
    """Whether words stand in the text that are no part of a formula."""
    words = _WORDS.findall(_COMMANDS.sub(" ", text))
    return any(not _FUNCTION.fullmatch(word) for word in words)


def _formula(text: str) -> str:
    """The text as the parser wants it: `%` is a sign and not a comment, a dollar sign is money and not an end."""
    return text.replace("%", "\\%").replace("$", "").strip()
