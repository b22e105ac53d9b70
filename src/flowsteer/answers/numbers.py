"""Exact numbers in answers: integers, decimals, fractions, mixed numbers, percent, amounts, with or without a unit."""

import re
from dataclasses import dataclass
from fractions import Fraction

_DIGITS = r"(?:\d{1,3}(?:(?:,| , | |')\d{3})+|\d{1,2000})"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d{{0,2000}})?|\.\d{{1,2000}})"
_TEN_TO = r"\s*(?:\\times|\\cdot|\*|x)\s*10\s*(?:\^|\*\*)\s*[{(]?\s*(?P<power>[+-]?\d{1,3})\s*[)}]?"
_POWER = rf"(?:e(?P<exponent>[+-]?\d{{1,3}})|{_TEN_TO})"
_LATEX = rf"\\frac\{{\s*(?P<top>-?{_DIGITS})\s*\}}\{{\s*(?P<bottom>{_DIGITS})\s*\}}"
_FRACTION = rf"(?:(?P<whole>{_DIGITS})[ -]?)?{_LATEX}"
_SLASH = rf"(?:(?P<whole2>{_DIGITS})\s)?(?P<top2>{_DECIMAL})\s*/\s*(?P<bottom2>{_DECIMAL})"
_AMOUNT = (
    r"(?:(?:[$€£¥]|(?:US|CA|AU)?\$|(?:USD|EUR|GBP)\b|rs\s?\.?)\s*(?P<sign2>[+-]?)\s*)?"
    rf"(?:{_FRACTION}|{_SLASH}|(?P<decimal>{_DECIMAL}){_POWER}?)"
)
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*{_AMOUNT}(?:\s*[$€£¥])?(?:\s*(?P<percent>%|percent\b))?(?P<unit>.*)", re.IGNORECASE
)
_WITHIN = re.compile(rf"(?P<sign>(?:(?<![\w)\]}}])[+-])?){_AMOUNT}", re.IGNORECASE)
"""A number somewhere in a text: in `3-5` the minus is none of its sign."""

_UNIT_PARTS = re.compile(r"[A-Za-zµ]+|\\mu\b|\^\s*\{?\s*-?[123]\s*\}?|[./()'-]")
UNIT_LETTERS = "mglshwvcf"
"""Letters that are a unit; any other single letter is a variable."""

_MARKED_UNIT = re.compile(r"\\unit\{([^{}]*)\}")
_SHORT_UNIT = re.compile(
    rf"[{UNIT_LETTERS}]|[ckm]m|f?t|in|[km]g|lbs?|hrs?|min|sec|mi|yd|sq|rs|cc|ml|oz|k?mph|kph|a[nt]?|o[nf]",
    re.IGNORECASE,
)
"""Units that may stand right behind the digits, or be shorter than three letters."""

_NOT_A_UNIT = re.compile(
    r"or|and|plus|minus|times|over|if|sqrt|frac|pi|log|sin|cos|tan|squared|cubed|factorial|choose"
    r"|half|halves|(?:third|quarter|fourth|fifth|sixth|eighth|tenth|hundredth)s?",
    re.IGNORECASE,
)
_EXPRESSION_AND_UNIT = re.compile(r"(.*(?:[\d})\]]|\\pi))(\s+.*)")
MAX_UNIT_WORDS = 8
FLOAT_DIGITS = 10
"""A decimal of at least so many digits stands for the value that it was rounded or cut from, if that is no decimal."""

_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written.

    Attributes:
        value: Exact value, the percent sign left aside.
        percent: Whether it was given in percent.
        unit: What stood behind it, in lower case.
        digits: Significant digits if it was written with a decimal point, else 0.
    """

    value: Fraction
    percent: bool = False
    unit: str = ""
    digits: int = 0


def read_number(text: str, variables: bool = False) -> Number | None:
    r"""The number that a text is, as `flowsteer.answers.spelling.plain` spells it; None if it is anything else.

    Args:
        text: The text.
        variables: Whether a single letter right behind digits or in a formula is a variable and no unit, unless marked.

    >>> read_number("1,200.50").value, read_number("22 1 / 2 days").value, read_number("-\\frac{1}{2}").value
    (Fraction(2401, 2), Fraction(45, 2), Fraction(-1, 2))
    >>> read_number("2 million dollars").value, read_number("16 %").percent
    (Fraction(2000000, 1), True)
    >>> read_number("12 or 13") is read_number("3,5") is read_number("2x") is read_number("3 ab") is None
    True
    >>> [read_number(text, variables=True) is None for text in ("6w^2", "6 w", r"\frac{3}{4} h", r"6 \unit{w}")]
    [True, False, True, False]
    """
    text = text.strip()
    found = _NUMBER.fullmatch(text)
    if found is None or (found["sign"] and found["sign2"]):
        return None
    value = _value(found)
    unit = without_unit_marks(found["unit"]).strip()
    if value is None or (unit and not _is_unit(found["unit"], text[: found.start("unit")] if variables else None)):
        return None
    scale = _SCALES.get(unit.split()[0].lower().rstrip("s"), 1) if unit else 1
    digits = len(found["decimal"].replace(".", "").strip("0")) if "." in (found["decimal"] or "") else 0
    return Number(value * scale, found["percent"] is not None, unit.lower(), digits)


def numbers_in(text: str) -> set[Fraction | str]:
    r"""The values of all numbers that stand in a text; one without a value, such as 1/0, as it stands.

    Args:
        text: The text, as `flowsteer.answers.spelling.plain` spells it.

    >>> sorted(numbers_in("-5 degrees, 1 1/2 cups, 3-4 eggs")), numbers_in("$1,200.50"), numbers_in("1/0")
    ([Fraction(-5, 1), Fraction(3, 2), Fraction(3, 1), Fraction(4, 1)], {Fraction(2401, 2)}, {'1/0'})
    """
    return {found[0] if (value := _value(found)) is None else value for found in _WITHIN.finditer(text)}


def same_number(gold: Number, answer: Number) -> bool:
    """Whether two numbers are equal, exactly.

    Units are not compared, but for two different letters: 12 m is not 12 g. Where one alone is in percent, 50% is 50
    (the question asked for percent) and 1/2. A fraction that is no integer is also equal to the decimal of ten or more
    digits that it was rounded or cut to.

    >>> third = Number(Fraction(1, 3))
    >>> [same_number(third, read_number(text)) for text in ("0.3333333333", "0.333333333", "0.3333333335")]
    [True, False, False]
    """
    if len(gold.unit) == len(answer.unit) == 1 and gold.unit != answer.unit:
        return False
    if _is_float_of(gold, answer) or _is_float_of(answer, gold):
        return True
    if gold.percent == answer.percent:
        return gold.value == answer.value
    marked, bare = (gold, answer) if gold.percent else (answer, gold)
    return bare.value in (marked.value, marked.value / 100)


def _is_float_of(exact: Number, written: Number) -> bool:
    """Whether a long decimal is what a computer prints for a fraction that is no integer."""
    needed = 16 if exact.digits else FLOAT_DIGITS  # Between two decimals only the noise of binary floats is forgiven.
    if written.digits < needed or exact.value.denominator == 1 or exact.percent != written.percent:
        return False
    return abs(exact.value - written.value) < unit_of(written.value, written.digits)


def unit_of(value: Fraction, digits: int) -> Fraction:
    """One unit of the last of so many significant digits, at most the 15 that a binary float has."""
    order = 0
    while Fraction(10) ** order <= abs(value):
        order += 1
    while value and Fraction(10) ** (order - 1) > abs(value):
        order -= 1
    return Fraction(10) ** (order - min(digits, 15))


def without_unit(text: str, variables: bool = False) -> str:
    r"""An expression without the unit that may stand behind it.

    Args:
        text: The expression, as `flowsteer.answers.spelling.plain` spells it.
        variables: As of `read_number`.

    >>> without_unit(r"12\sqrt{3} square inches"), without_unit("x + 2"), without_unit("2 ab")
    ('12\\sqrt{3}', 'x + 2', '2 ab')
    >>> without_unit(r"2 \pi h"), [without_unit(text, variables=True) for text in (r"2 \pi h", r"2\pi \unit{h}")]
    ('2 \\pi', ['2 \\pi h', '2\\pi'])
    """
    found = _EXPRESSION_AND_UNIT.fullmatch(text)
    return found[1] if found and _is_unit(found[2], found[1] if variables else None) else text


def without_unit_marks(text: str) -> str:
    r"""The text with the letters of `\unit{…}` alone.

    >>> without_unit_marks(r"10 \unit{m}^2")
    '10 m^2'
    """
    return _MARKED_UNIT.sub(r"\1", text)


def _value(found: re.Match[str]) -> Fraction | None:
    sign = -1 if "-" in (found["sign"], found["sign2"]) else 1
    if found["decimal"]:
        return sign * _fraction(found["decimal"]) * Fraction(10) ** int(found["exponent"] or found["power"] or 0)
    whole, top, bottom = (found[name] or found[f"{name}2"] for name in ("whole", "top", "bottom"))
    divisor = _fraction(bottom)
    if divisor == 0:
        return None
    return sign * (_fraction(whole or "0") + _fraction(top) / divisor)


def _fraction(text: str) -> Fraction:
    return Fraction(re.sub(r"[\s,']", "", text).rstrip(".") or "0")


def _is_unit(marked: str, formula: str | None) -> bool:
    """Whether what stands behind a number is a unit: a few words without anything to compute or choose.

    Behind a formula, if one is given, a single letter is a unit only with a mark, or apart where nothing is LaTeX.
    """
    text = without_unit_marks(marked)
    if _UNIT_PARTS.sub("", text).strip():
        return False
    words = re.findall(r"[A-Za-zµ]+", text)
    if not words or len(words) > MAX_UNIT_WORDS or any(_NOT_A_UNIT.fullmatch(word) for word in words):
        return False
    if formula is not None and len(words[0]) == 1 and text == marked and (not text[0].isspace() or "\\" in formula):
        return False
    if text[0].isalpha() and not _SHORT_UNIT.fullmatch(words[0]):
        return False
    return all(len(word) > 2 or _SHORT_UNIT.fullmatch(word) for word in words)
