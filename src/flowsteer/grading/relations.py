r"""The shape of an answer: chains of equations, names in front, numbers in a base, kinds of brackets."""

import re

_EQUALS = re.compile(r"(?<![<>!=:])=+(?![<>=])")
_CHAIN = re.compile(r"(?<![<>!=:])(?:=|\\approx\b)(?![<>=])")
_LEAD = re.compile(r"^\s*(?:=+>?|\\approx\b|:|[A-Za-z]{3,20}:\s)\s*")
_MEMBER = re.compile(r"^\s*[A-Za-z]\w*\s*\\in\b\s*")
_NAME = re.compile(r"^\s*(?:\\?[A-Za-z]+(?:_\{?\w+\}?)?(?:\([A-Za-z]\))?|\\angle\s*[A-Z]+)\s*=\s*([^=<>]+)$")
_TUPLE_NAME = re.compile(r"^\s*\(?\s*[A-Za-z](?:_\w)?(?:\s*,\s*[A-Za-z](?:_\w)?){1,5}\s*\)?\s*=(?=\s*\()")
_APPLIED = re.compile(r"_\{?\w+\}?|(?<![A-Za-z\\])[A-Za-z]\([^()]*\)|(?<=\d)\s*x\s*(?=\d)")
_VARIABLE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{2,}")
_COMPUTES = re.compile(r"[\d+\-*/^]|\\(?:frac|sqrt)\b")
_JOINED = re.compile(r"(\s*(?:,\s*)?\b(?:and|or)\b\s*|\s*;\s*|,\s)")
_BASED = re.compile(r"\(?([0-9A-Za-z]+)\)?(?:_\{?|\(?base)(\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)[})]?")
_WORDS = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}


def aligned(gold: str, answer: str) -> tuple[str, str]:
    r"""Both without the names and steps that only one of them gives.

    >>> aligned("56", "Total = 7 \\times 8 = 56"), aligned("f(x)=2x", "2x"), aligned("x=18", "x=18")
    (('56', '56'), ('2x', '2x'), ('x=18', 'x=18'))
    >>> aligned("56", "2x = 56"), aligned("56", "m+n = 56"), aligned("(3,4)", "(x, y) = (3, 4)")
    (('56', '2x = 56'), ('56', '56'), ('(3,4)', '(3, 4)'))
    >>> aligned("1,-2", "x=1 or x=-2"), aligned("[-2,7]", "x \\in [-2,7]")
    (('1,-2', '1 or -2'), ('[-2,7]', '[-2,7]'))
    """
    answer = _LEAD.sub("", answer)
    if not is_equation(gold):
        answer = _TUPLE_NAME.sub("", answer)
        answer = "".join(_behind(part) for part in _JOINED.split(answer))
    elif not is_equation(answer) and (named := _NAME.match(gold)):
        gold = named[1].strip()
    if not _MEMBER.match(gold) or not _MEMBER.match(answer):
        gold, answer = _MEMBER.sub("", gold), _MEMBER.sub("", answer)
    return gold, answer


def is_equation(text: str) -> bool:
    """Whether two sides are said to be equal."""
    return bool(_EQUALS.search(text))


def _behind(part: str) -> str:
    """What stands behind the last equals sign of a chain; the part itself if it is yet to be solved."""
    pieces = [piece.strip() for piece in _CHAIN.split(part) if piece.strip()]
    if _JOINED.fullmatch(part) or not pieces or (len(pieces) > 1 and _is_unsolved(pieces[0])):
        return part
    return pieces[-1]


def _is_unsolved(side: str) -> bool:
    """Whether the left side of an equation computes with a single unknown: `2x = 56` does not say that `x` is 56."""
    side = _APPLIED.sub(" ", side)
    return len(set(_VARIABLE.findall(side))) == 1 and not _WORD.search(side) and bool(_COMPUTES.search(side))


def in_base(text: str) -> tuple[str, str] | None:
    """Digits and base of a number such as `1011_2`; None for anything else.

    >>> in_base("1011_{2}"), in_base("1011_2"), in_base("1011"), in_base("a_1")
    (('1011', '2'), ('1011', '2'), None, None)
    """
    found = _BASED.fullmatch(text.replace(" ", ""))
    if found is None or not found[1][0].isdigit():
        return None
    return found[1].upper().lstrip("0") or "0", _WORDS.get(found[2], found[2])


def brackets(text: str) -> str:
    r"""`set`, `open`, `half` or `closed` for what one pair of brackets with a comma in it encloses; else nothing.

    >>> brackets("(0,1)"), brackets(r"\{0,1\}"), brackets("[0,1)"), brackets("(1)(2,3)"), brackets("0,1")
    ('open', 'set', 'half', '', '')
    """
    inner = text.strip()
    if inner.startswith("\\{") and inner.endswith("\\}"):
        return "set"
    if len(inner) < 2 or inner[0] not in "([" or inner[-1] not in ")]" or "," not in inner:
        return ""
    depth = 0
    for at, sign in enumerate(inner):
        depth += (sign in "([") - (sign in ")]")
        if depth == 0 and at < len(inner) - 1:
            return ""
    return {"()": "open", "[]": "closed"}.get(inner[0] + inner[-1], "half")
