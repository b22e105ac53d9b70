"""The type of a task that names none: guessed from the question by a few rules, of which the first that fits counts.

Code is looked for first: a question that shows code, asks for some, or has the form of a programming contest. One with
passages beside it is then a question to answer from them. What is left is math where it holds formulas, or numbers and
words that ask to reckon with them; anything else is a question of knowledge.
"""

import re
from dataclasses import dataclass

from flowsteer.task import TaskType


@dataclass(frozen=True, slots=True)
class GuessedType:
    """A type that nobody named.

    Attributes:
        type: The type.
        why: What in the question speaks for it.
    """

    type: TaskType
    why: str


_LANGUAGES = r"(python|java|javascript|typescript|rust|kotlin|haskell|perl|php|sql|bash|golang|c\+\+|c#)(?!\w)"
_CODE = {
    "it shows code": re.compile(
        r"```|</?code>|\bdef \w+\(|\bfunction \w{2,99}\(|^[ \t]{1,40}return |\b\w+\.\w+\("
        r"|(?-i:\bSELECT\b.{1,200}\bFROM\b)|^[ \t]{0,40}(class \w+[(:]|import [\w.]+( as \w+)?$|from [\w.]+ import "
        r"|#include|>>> |assert .*==|(public|private|static) \w+ \w+\()",
        re.MULTILINE | re.IGNORECASE,
    ),
    "it asks for code": re.compile(
        r"\b(write|implement|create|complete|fix|debug|refactor)\b(?:(?!\babout\b)[^.?!:\n]){0,60}"
        r"\b(function(?! \w( ?=|\())|program(?! of\b)|script|code|algorithm|regex|regular expression|quicksort|\w+ sort"
        r"|(a|an|the|this|my) (\w+ )?(class|method|query))\b"
        rf"|\bin (?!(java|rust)(?!\w)){_LANGUAGES}"
        r"|\b(arrays?|strings?|lists?|loops?|methods?|class(es)?) in (java|rust)(?!\w)"
        rf"|\b{_LANGUAGES} (\d|function|program|script|code|class|one-liner|list|dict)"
        r"|\bsort (a|an|the) (list|array)\b"
        r"|\b(linked list|list of (tuples|lists|dicts|strings)|dataframe|numpy|pandas|regex)\b",
        re.IGNORECASE,
    ),
    "it has the form of a programming contest": re.compile(
        r"^\W{0,20}(input|output|examples?|sample (input|output)|constraints)\W{0,20}$"
        r"|\b(first|next|second|only|last) line (of (the |each )?(input|test case)\w*[^.\n]{0,60})?contains"
        r"|\b(standard|from) (input|stdin)\b|\btest cases?\b",
        re.IGNORECASE | re.MULTILINE,
    ),
}
"""What speaks for code, and how it is told."""

_FORMULA = re.compile(
    r"\$[^$\n]{0,99}[\\=^_+<>][^$\n]{0,99}\$|\$\w{1,9}\$|\\(frac|sqrt|text|begin|cdot|left|sum|int|pi)\b|\\\["
    r"|\d\s*[-+*/^=×÷]\s*\(?\s*\d|\b[a-z]\((?!n\))[a-z\d]\)"
    r"|\b[a-z]\s*(=|\^|\*\*)\s*-?[\da-z(]|\b(sin|cos|tan|log|sqrt)\b|\d\s*%\s*of\b|\b(square|cube) root of\b"
)
_NUMBER = re.compile(
    r"(?<![\w.])[$€£]?(\d[\d,]*(\.\d+)?|\.\d+)(?![\w])|\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"dozen|half|twice|thrice|double|triple|third|quarter)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(1\d|20)\d\d")
_RECKON = re.compile(
    r"\bhow (many|much|long|far|old|fast|tall|often)\b|\bwhat (is|are|was|were|will be) the (\w+ ){0,2}(value|sum|"
    r"total|number|average|mean|area|volume|perimeter|ratio|probability|remainder|product|difference|cost|price|profit|"
    r"speed|percent(age)?|measure|smallest|largest|greatest|least)\b|\bwhat is -?[\d.,]+ "
    r"|\b(find|compute|calculate|evaluate|simplify|solve|determine|express)\b",
    re.IGNORECASE,
)
_MATHS = re.compile(
    r"\b(integers?|prime numbers?|divisors?|divisible|polynomial|equations?|triangles?|rectangles?|\w+gon|circle|"
    r"radius|probability|percent|per cent|remainder|factorial|digits?|fraction|vectors?|matrix|perimeter|consecutive|"
    r"perfect (square|cube)|ways (to|can|are|of)|combinations|permutations|arithmetic|geometric|derivative|integral|"
    r"options: a \))",
    re.IGNORECASE,
)
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
"""A figure as problems of geometry have it, in a language of its own."""

READ = 10_000
"""So many characters of a question are looked at."""

ENOUGH = 2
"""Numbers, years aside, that make a question which asks to reckon one of math."""


def guessed_type(question: str, context: str = "") -> GuessedType:
    """The type of a task, as far as its words tell.

    Args:
        question: The question.
        context: Passages to answer from.

    >>> guessed_type("A baker fills 4 trays with 6 rolls each. How many rolls are there?").type
    'math'
    >>> guessed_type("How many moons has Mars?").type, guessed_type("Write a function that reverses a list.").type
    ('qa', 'code')
    """
    question = _DRAWING.sub("", question[:READ])
    shown = next((why for why, pattern in _CODE.items() if pattern.search(question)), "")
    if shown:
        return GuessedType("code", shown)
    if context.strip():
        return GuessedType("qa", "there are passages to answer from")
    if _FORMULA.search(question):
        return GuessedType("math", "it holds a formula")
    numbers = sum(not _YEAR.fullmatch(found[0]) for found in _NUMBER.finditer(question))
    asks, about = bool(_RECKON.search(question)), bool(_MATHS.search(question))
    if (asks and numbers >= ENOUGH) or (about and (asks or numbers >= ENOUGH)):
        return GuessedType("math", "it has numbers, and asks to reckon with them" if numbers else "it speaks of math")
    return GuessedType("qa", "nothing in it speaks of code or of math")
