r"""One spelling for what is written in many: LaTeX, typography, degrees, recurring decimals."""

import re

from flowsteer.answers.numbers import UNIT_LETTERS, without_unit_marks
from flowsteer.answers.typography import as_latex
from flowsteer.answers.value import unwrap

_TEXT = re.compile(
    r"\\(?:text|textbf|textrm|textit|textnormal|mathrm|mathbf|mathit|mathsf|boldsymbol|bm|mbox|operatorname|emph|rm|bf)\s*"
    r"\{([^{}]*)\}"
)
_UNIT = re.compile(
    r"(?:(?<=[\d})\]])|(?<=\\pi))\s*\\(?:text|textrm|textnormal|mathrm|mbox|rm)\s*"
    rf"\{{\s*([{UNIT_LETTERS}](?:\s?[./]\s?[{UNIT_LETTERS}])?)\s*\}}",
    re.IGNORECASE,
)
"""Letters behind a number that are set as text: a unit, where the same letters in a formula are variables."""

_COLOUR = re.compile(r"\\(?:color|textcolor)\s*\{\w{1,20}\}")
_BRACED = re.compile(r"\{\s*(-?\w+)\s*\}")
_SPACE = re.compile(r"\\ |(?<!\\)\\\Z|\\q?quad\b|~")
_SPACING = re.compile(
    r"\\[,!;:>]|\\displaystyle\b|\\limits\b|\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?|biggl?|biggr?)(?![A-Za-z])"
)
_SHORT_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{([^{}]*)\}|(\w))\s*(?:\{([^{}]*)\}|(\w))")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(?:(\w)|\(([^()]*)\))")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree\b|°")
_RECURRING = (
    re.compile(r"(?<![\d.])(\d{0,40})\.(\d{0,40})\\(?:overline|bar|dot|overdot)\s*\{?(\d{1,40})\}?"),
    re.compile(r"(?<![\d.])(\d{0,40})\.(\d{0,40})\((\d{1,40})\)"),
    re.compile(r"(?<![\d.])(\d{0,40})\.(\d{0,40}?)(\d{1,40})\s*\(?(?:recurring|repeating)\)?"),
    re.compile(r"(?<![\d.])(\d{0,40})\.(\d{0,40}?)(?:(\d)\3\3{1,40}|(\d{2,12})\4{1,9})\s*(?:\.\.\.|\\[lcd]?dots\b)"),
)
_NAMES = (
    (re.compile(r"\\varnothing\b"), "\\emptyset "),
    (re.compile(r"\b(?:the\s)?empty\sset\b", re.IGNORECASE), "\\emptyset "),
    (re.compile(r"\\(?:leq|leqslant)\b"), "\\le "),
    (re.compile(r"\\(?:geq|geqslant)\b"), "\\ge "),
    (re.compile(r"\\neq\b"), "\\ne "),
    (re.compile(r"\\(?:Rightarrow|implies|Longrightarrow|to|rightarrow)\b|(?<![<>=])=>"), " = "),
    (re.compile(r"\+\s*-(?=\s*[\d.a-z\\])"), "-"),
)


def plain(text: str) -> str:
    r"""One spelling of LaTeX and typography: no `\text`, no spacing, whole fractions, plain minus and percent signs.

    Letters that are a unit for being set as text stand in `\unit{…}`.

    >>> plain(r"\dfrac12 \text{ cm}"), plain(r"\$32,\!348"), plain("50\\%"), plain(r"36^\circ")
    ('\\frac{1}{2} cm', '$32,348', '50%', '36 degrees')
    >>> plain(r"0.\overline{3}"), plain("0.333..."), plain("４√2")
    ('\\frac{3}{9}', '\\frac{3}{9}', '4\\sqrt{2}')
    >>> plain(r"10\text{ m}"), plain("10m")
    ('10 \\unit{m}', '10m')
    """
    text = _COLOUR.sub("", as_latex(text)).replace("{,}", ",")
    text = _DEGREES.sub(" degrees", text)
    text = _UNIT.sub(r" \\unit{\1} ", _SPACING.sub("", _SPACE.sub(" ", text)))
    text = _TEXT.sub(r" \1 ", _TEXT.sub(r" \1 ", text))
    text = text.replace("\\%", "%").replace("\\$", "$").replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac")
    for name, usual in _NAMES:
        text = name.sub(lambda _, usual=usual: usual, text)  # type: ignore[misc]
    text = _SHORT_FRACTION.sub(lambda m: f"\\frac{{{m[1] or m[2] or ''}}}{{{m[3] or m[4] or ''}}}", text)
    text = _SHORT_ROOT.sub(lambda m: f"\\sqrt{{{m[1] or m[2] or ''}}}", text)
    for form in _RECURRING:
        text = form.sub(_fraction, text)
    return " ".join(unwrap(text).split())


def _fraction(found: re.Match[str]) -> str:
    """A recurring decimal as the fraction that it is."""
    whole, lead = found[1] or "0", found[2]
    period = next(digits for digits in found.groups()[2:] if digits)
    top = int(whole + lead + period) - int(whole + lead)
    return f"\\frac{{{top}}}{{{'9' * len(period)}{'0' * len(lead)}}}"


def spelling(text: str) -> str:
    """The text without case, braces around single characters and spaces, for comparing words and option values.

    A space between digits stays: `1 1/2` is not `11/2`.
    """
    bare = without_unit_marks(text)
    bare = re.sub(r"(?<=[A-Za-z])\.", "", re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", bare))
    return _BRACED.sub(r"\1", bare).rstrip(".").casefold()
