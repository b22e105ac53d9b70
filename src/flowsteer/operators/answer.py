r"""The short answer inside a free text, and when two answers agree. Pure functions; graders have rules of their own.

Where the answer stands, first rule that applies (thinking blocks are removed before):

1. the last `<answer>…</answer>`;
2. the last `\boxed{…}`;
3. the last line that says `Answer: …`, `The final answer is …` or `#### …` (or the line after a bare `Answer:`);
4. the last sentence.

Rules 1 to 3 are a *marked* answer: the writer said which part is the answer.
"""

import re
import unicodedata
from fractions import Fraction

_THINK = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THINK_END = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_LINE = re.compile(
    r"^[\s*_#>-]*(?:so,?\s+|thus,?\s+|therefore,?\s+|hence,?\s+)?(?:the\s+)?(?:final\s+|short\s+)?answer\b"
    r"(?:\s*[*_]*\s*[:=][*_]*|\s+is\b:?)(?P<rest>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_HASHES = re.compile(r"^\s*####\s*(?P<rest>\S.*)$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(\\$])")
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")
_LATEX_FRACTION = re.compile(r"([+-]?)\s*\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_PAIRS = (("**", "**"), ("$$", "$$"), ("$", "$"), ("`", "`"), ('"', '"'), ("“", "”"), ("\\(", "\\)"))
_ARTICLES = re.compile(r"\b(?:a|an|the)\b(?=\s+\S)")


def without_thinking(text: str) -> str:
    """The text without `<think>` blocks; an unclosed block runs to the end, an unopened one from the start.

    >>> without_thinking("<think>6 * 7</think>42")
    '42'
    >>> without_thinking("6 * 7</think>42")
    '42'
    """
    return _THINK_END.sub("", _THINK.sub("", text)).strip()


def tidy(answer: str) -> str:
    r"""The answer without what stands around it: quotes, emphasis, paired dollar signs, a full stop.

    >>> tidy("**$\\frac{1}{2}$**."), tidy('"Paris".'), tidy("U.S."), tidy("$5")
    ('\\frac{1}{2}', 'Paris', 'U.S.', '$5')
    """
    text, before = answer.strip(), ""
    while text != before:
        before = text
        for opening, closing in (
            ("**", "**"),
            ("$$", "$$"),
            ("$", "$"),
            ("`", "`"),
            ('"', '"'),
            ("“", "”"),
            ("\\(", "\\)"),
        ):
            if len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing):
                text = text[len(opening) : -len(closing)].strip()
        if text.endswith(".") and not re.search(r"(?:\b[A-Za-z]|\.)\.$", text):
            text = text[:-1].rstrip()
    return text


def _boxed(text: str) -> str | None:
    r"""The content of the last complete `\boxed{…}`, braces balanced."""
    for start in reversed([match.end() for match in re.finditer(r"\\boxed\s*\{", text)]):
        depth = 1
        for end in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                return text[start:end]
    return None


def _announced(text: str) -> str | None:
    """What the last line that announces an answer says."""
    matches = (match for pattern in (_LINE, _HASHES) for match in pattern.finditer(text))
    found = max(matches, key=lambda match: match.start(), default=None)
    if found is None:
        return None
    rest: str = found["rest"].strip(" \t*_")
    following = text[found.end() :].strip().partition("\n")[0]
    return rest or following or None


def marked_answer(text: str) -> str | None:
    r"""The answer that the text marks as such (rules 1 to 3), or None.

    >>> marked_answer("6 * 7 is 42.\n**Answer:** 42.")
    '42'
    >>> marked_answer(r"Hence \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> marked_answer("I am not sure.") is None
    True
    """
    text = without_thinking(text)
    tagged = _TAGGED.findall(text)
    for found in (tagged[-1] if tagged else None, _boxed(text), _announced(text)):
        if found is not None and found.strip():
            return marked_answer(found) or tidy(found)  # `Answer: \boxed{7}` marks its answer twice
    return None


def final_answer(text: str) -> str:
    """The marked answer, else the last sentence (rules 1 to 4); empty only for an empty text.

    >>> final_answer("First we add. The total is 7."), final_answer("He has 80. Answer: 2.")
    ('The total is 7', '2')
    """
    marked = marked_answer(text)
    if marked is not None:
        return marked
    lines = [line for line in without_thinking(text).splitlines() if line.strip()]
    if not lines:
        return ""
    sentence = _SENTENCE_END.split(lines[-1].strip())[-1]
    return marked_answer(sentence) or tidy(sentence)  # `… is 80. Answer: 2` marks it within a line


def as_number(answer: str) -> Fraction | None:
    r"""The exact value of a plain number, fraction or amount of dollars; None for anything else.

    >>> as_number("$1,200.50"), as_number("1/2"), as_number(r"\frac{1}{2}"), as_number("12 eggs")
    (Fraction(2401, 2), Fraction(1, 2), Fraction(1, 2), None)
    """
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
