"""Math: equal in value, exactly. No tolerance on integers, no judge, no repair of what was said.

Two answers are compared as texts, then as exact numbers, then as expressions by math-verify in a worker process.
What is wrong with an answer, too long, too deep or too slow to compare, makes it wrong; only a gold answer that cannot
be read or compared with itself makes a task unscorable.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import accumulate

from flowsteer.answers.extract import final_answer
from flowsteer.answers.numbers import FLOAT_DIGITS, read_number, same_number, without_unit, without_unit_marks
from flowsteer.answers.spelling import plain, spelling
from flowsteer.answers.thinking import without_thinking
from flowsteer.answers.value import math_value
from flowsteer.errors import GraderError
from flowsteer.grading.base import RIGHT, Grade, wrong
from flowsteer.grading.code_spelling import from_code
from flowsteer.grading.math_process import MathWorkers, UnreadableGold
from flowsteer.grading.relations import aligned, brackets, in_base, is_equation

MAX_CHARS = 2000
"""An answer longer than this after extraction is no answer."""

_INTEGER = re.compile(r"[+-]?\d+(?:\.0*)?")
_LETTERS = tuple("abcde")
"""Letters of options where none are listed."""

_OPTION_WORD = re.compile(r"^(?:option|choice)\s+", re.IGNORECASE)
_REFUSAL = re.compile(r"\b(?:not|wrong|incorrect|false|neither)\b|n't\b", re.IGNORECASE)
_COMMANDS = re.compile(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+")
_WORDS = re.compile(r"[A-Za-z]{3,}")
_FUNCTION = re.compile(r"(?:arc)?(?:sin|cos|tan)h?|cot|sec|csc|log|exp|sqrt|lim|max|min|gcd|lcm|mod|det", re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:,\s*)?\b(?:and|or)\b\s*|\s*;\s*")
_ANGLE = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?|\\frac\{[^{}]*\}\{[^{}]*\})\s*degrees?\b")

_VARIABLE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_BARE_LOG = re.compile(r"\\log(?!\s*_)")
_LOGARITHM = re.compile(r"(?<![A-Za-z\\])log(?=\s?\()")
_IMAGINARY = re.compile(r"(?<=\d)i(?![A-Za-z])")


async def grade_math(gold: str, answer: str, workers: MathWorkers) -> Grade:
    """Grade by mathematical equivalence.

    Args:
        gold: The right answer, plain or LaTeX.
        answer: What a workflow answered; may hold reasoning around it.
        workers: Where expressions are compared.

    Raises:
        GraderError: The gold answer cannot be compared.
    """
    said = without_thinking(answer)
    if not said:
        return wrong("there is no answer")
    as_gold = len(said) <= MAX_CHARS and spelling(plain(gold)) == spelling(plain(said))
    return RIGHT if as_gold or await equivalent(gold, math_value(said), workers) else wrong("the value differs")


def grade_integer(gold: str, answer: str) -> Grade:
    r"""Grade an AIME answer: the very same integer, in digits.

    >>> grade_integer("70", r"\boxed{070}").score, grade_integer("70", "70.4").score
    (1.0, 0.0)
    >>> grade_integer("70", r"\boxed{m+n = 70}").score, grade_integer("70", "70 degrees").score
    (1.0, 1.0)
    """
    said = math_value(answer)
    if len(said) > MAX_CHARS:
        return wrong("it is no integer in digits")
    _, given = aligned(gold, plain(said))
    given = without_unit(given).replace(",", "").removesuffix(" degrees")
    if not _INTEGER.fullmatch(given):
        return wrong("it is no integer in digits" if said else "there is no answer")
    return RIGHT if int(given.partition(".")[0]) == int(gold) else wrong("the integer differs")


async def grade_option(gold: str, options: Mapping[str, str], answer: str, workers: MathWorkers) -> Grade:
    """Grade a multiple-choice answer: the letter, or the value of an option.

    A lone letter is a letter, even where an option's value is that letter. Where the answer is neither, the only letter
    that its last sentence names counts: `I would pick option (A)`.

    Args:
        gold: The right letter.
        options: Values by letter; may be empty, then only the letters a to e count.
        answer: What a workflow answered.
        workers: Where expressions are compared.

    Raises:
        GraderError: The gold answer cannot be compared.
    """
    right, given, letters = gold.strip().lower(), math_value(answer), tuple(options) or _LETTERS
    if letter := chosen_letter(given[:MAX_CHARS], letters):
        return RIGHT if letter == right else wrong("another option")
    value = re.sub(rf"^{right}\s*\)\s*", "", options.get(right, "").strip())
    try:
        if value and await equivalent(value, given, workers):
            return RIGHT
    except UnreadableGold:
        pass  # A value in words, and other words given: the letter would have been right.
    if letter := _named_letter(final_answer(answer)[:MAX_CHARS], letters):
        return RIGHT if letter == right else wrong("another option")
    return wrong("neither the letter nor the value of the right option" if given else "there is no answer")


def chosen_letter(text: str, letters: Iterable[str] = _LETTERS) -> str:
    """The option letter that an answer is, in lower case; empty if it is none.

    >>> chosen_letter("(B)"), chosen_letter("option c"), chosen_letter("a ) 12"), chosen_letter("3 b")
    ('b', 'c', 'a', '')
    """
    found = _patterns(tuple(letters))[0].match(_OPTION_WORD.sub("", plain(text)))
    return found[1].lower() if found else ""


def _named_letter(text: str, letters: tuple[str, ...]) -> str:
    """The only letter that a sentence names as the right option."""
    found = {next(filter(None, named), "").lower() for named in _patterns(letters)[1].findall(text)}
    return found.pop() if len(found) == 1 and not _REFUSAL.search(text) else ""


@cache
def _patterns(letters: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What an answer looks like that begins with a letter, and where a sentence names one; `A` may be an article."""
    capital, any_case = ("|".join(map(re.escape, case)) for case in (map(str.upper, letters), letters))
    lone = rf"[(\[]?\s*({any_case})\s*(?:[)\]:!]|\.(?![A-Za-z])|$)"
    named = (
        rf"(?i:\b(?:option|choice)\s+[(\[]?({any_case})\b)",
        rf"\b(?i:answer|choose|chose|pick|picked|select|selected)\s+({capital})\b",
        rf"(?<!\w)[(\[]({capital})[)\]]",
        rf"(?i:^({any_case})\s+is\s+(?:the\s+)?(?:correct|right|best|answer)\b)",
        rf"(?i:\b(?:and|or)\s+[(\[]?(?:{any_case})\b(?!\s*\w))",  # One of several, named by no group.
    )
    return re.compile(lone, re.IGNORECASE), re.compile("|".join(named))


async def equivalent(gold: str, answer: str, workers: MathWorkers) -> bool:
    """Whether two answers have the same value.

    Raises:
        UnreadableGold: The gold answer is no mathematics that can be read.
        GraderError: The gold answer cannot be compared.
    """
    if not answer or len(answer) > MAX_CHARS:
        return False
    right, given = plain(gold), plain(answer)
    if spelling(right) == spelling(given):
        return True
    right, given = aligned(right, given)
    if is_equation(given) and not is_equation(right):
        return False  # It is yet to be solved.
    if spelling(right) == spelling(given):
        return True
    based = in_base(right), in_base(given)
    if based[0] and based[1]:
        return based[0] == based[1]
    gold_number, variables = read_number(right, variables=True), bool(_VARIABLE.search(without_unit(right, True)))
    number = read_number(given, variables)
    if gold_number and number:
        return same_number(gold_number, number)
    if gold_number:
        right = str(gold_number.value)
    elif number and number.digits < FLOAT_DIGITS:
        given = str(number.value)
    natural = _BARE_LOG.search(right) is None
    right, given = _formula(right, natural, True), _formula(given, natural, variables)
    if _is_prose(right) or _is_prose(given):
        return spelling(right) == spelling(given)
    kinds = {brackets(right), brackets(given)}
    if "set" in kinds and kinds & {"open", "half", "closed"}:
        return False
    return await _same_expression(right, given, workers)


async def _same_expression(gold: str, answer: str, workers: MathWorkers) -> bool:
    """What the workers say; where they fail, it is the answer's fault if they can compare the gold with itself.

    A gold that is whole but no mathematics, such as a time of day, is compared as text, which was done before.
    """
    try:
        return await workers.equal(gold, answer)
    except UnreadableGold:
        if _is_balanced(gold):
            return False
        raise
    except GraderError:
        await workers.equal(gold, gold)
        return False


def _is_balanced(text: str) -> bool:
    """Whether every brace is closed."""
    depths = list(accumulate((sign == "{") - (sign == "}") for sign in text))
    return bool(depths) and min(depths) >= 0 and depths[-1] == 0


def _is_prose(text: str) -> bool:
    """Whether words stand in the text that are no part of a formula."""
    words = _WORDS.findall(_COMMANDS.sub(" ", text))
    return any(not _FUNCTION.fullmatch(word) for word in words)


def _formula(text: str, natural: bool, variables: bool) -> str:
    r"""The text as the parser wants it: LaTeX, `%` as a sign and not a comment, no dollar signs, no unit.

    Degrees are radians in the argument of a function and a unit elsewhere. `log` without a backslash is the natural
    logarithm, as in code, unless the gold answer has `\log`.
    """
    text = from_code(text if natural else _LOGARITHM.sub(r"\\log", text))
    if _ANGLE.search(text):
        text = _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    text = without_unit(_JOINED.sub(", ", re.sub(r"\s*degrees?\b", "", text)), variables)
    if text.startswith("{") and text.endswith("}"):
        text = f"\\{text[:-1]}\\}}"
    text = _IMAGINARY.sub(" i", text)
    return without_unit_marks(text).replace("%", "\\%").replace("$", "").strip()
