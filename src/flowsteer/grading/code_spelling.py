r"""Formulas as Python, SymPy and calculators write them, in the spelling of LaTeX. They are read here, never run.

`7*pi`, `x**2 + 3*x`, `sqrt(2)/2`, `exp(2)`, `3 + 4*I`, `oo`, `Union(Interval.open(-oo, 1), Interval(2, 3))`. What is
no such spelling comes back as it was: LaTeX is its own spelling.
"""

import re
from collections.abc import Callable

from flowsteer.answers.typography import GREEK

MAX_CALLS = 200
"""Most calls in a formula that are spelled anew."""

_PREFIX = re.compile(r"(?<![\w\\.])(?:np|numpy|math|cmath|sp|sympy|S)\.(?=[A-Za-z])")
_CALL = re.compile(r"(?<![A-Za-z\\])([A-Za-z]{2,12}(?:\.[A-Za-z]{4,5})?)\s?\(")
_POWER = re.compile(r"(?:\*\*|\^)\s*(?=[^\s{])")
_EXPONENT = re.compile(r"[+-]?\s*(?:\d+(?:\.\d+)?|\\?[A-Za-z]+)")
_COMPLEX = re.compile(r"(?<=\d)j(?!\w)")
_UNION = re.compile(r"(?<=[)\]}])\s*(?:U|u|union)\s*(?=[(\[{\\])")
_NAMES = {name: f"\\{name} " for name in GREEK} | dict.fromkeys(
    ("oo", "infinity", "Infinity", "inf", "infty"), "\\infty "
)
_NAMES |= {"EmptySet": "\\emptyset ", "Reals": "\\mathbb{R}", "Integers": "\\mathbb{Z}", "E": "e", "I": "i"}
_WORD = re.compile(r"(?<![A-Za-z\\_])([A-Za-z]{2,8}|[EI])(?![A-Za-z(])")
_PLAIN = (
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "sinh",
    "cosh",
    "tanh",
    "ln",
    "max",
    "min",
    "gcd",
    "arcsin",
    "arccos",
    "arctan",
)
_NAMES |= {name: f"\\{name} " for name in ("log", *_PLAIN)}


def _interval(left: str, right: str) -> Callable[..., str]:
    def spell(low: str = "", high: str = "", left_open: str = "", right_open: str = "") -> str:
        opening = "(" if left_open.strip() == "True" or "\\infty" in low else left
        closing = ")" if right_open.strip() == "True" or "\\infty" in high else right
        return f"{opening}{low},{high}{closing}"

    return spell


def _matrix(*arguments: str) -> str:
    rows = re.findall(r"\[([^\[\]]+)\]", ",".join(arguments))
    return "\\begin{pmatrix}" + "\\\\".join(row.replace(",", "&") for row in rows) + "\\end{pmatrix}"


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "sqrt": lambda x: f"\\sqrt{{{x}}}",
    "cbrt": lambda x: f"\\sqrt[3]{{{x}}}",
    "root": lambda x, n: f"\\sqrt[{n}]{{{x}}}",
    "exp": lambda x: f"e^{{{x}}}",
    "abs": lambda x: f"|{x}|",
    "factorial": lambda x: f"({x})!",
    "Rational": lambda x, y="1": f"\\frac{{{x}}}{{{y}}}",
    "Fraction": lambda x, y="1": f"\\frac{{{x}}}{{{y}}}",
    "frac": lambda x, y: f"\\frac{{{x}}}{{{y}}}",
    "pow": lambda x, y: f"({x})^{{{y}}}",
    "binomial": lambda n, k: f"\\binom{{{n}}}{{{k}}}",
    "comb": lambda n, k: f"\\binom{{{n}}}{{{k}}}",
    "C": lambda n, k: f"\\binom{{{n}}}{{{k}}}",
    "log": lambda x, base="": f"\\log_{{{base.strip()}}}({x})" if base else f"\\ln({x})",
    "log10": lambda x: f"\\log_{{10}}({x})",
    "Eq": lambda x, y: f"{x}={y}",
    "Union": lambda *sets: "\\cup ".join(sets),
    "Intersection": lambda *sets: "\\cap ".join(sets),
    "FiniteSet": lambda *items: f"\\{{{','.join(items)}\\}}",
    "set": lambda *items: f"\\{{{','.join(items)}\\}}".replace("\\{{", "\\{").replace("}\\}", "\\}"),
    "EmptySet": lambda: "\\emptyset ",
    "Tuple": lambda *items: f"({','.join(items)})",
    "Matrix": _matrix,
    "array": _matrix,
    "Interval": _interval("[", "]"),
    "Interval.open": _interval("(", ")"),
    "Interval.Lopen": _interval("(", "]"),
    "Interval.Ropen": _interval("[", ")"),
}
_FUNCTIONS |= {"Abs": _FUNCTIONS["abs"], "asin": lambda x: f"\\arcsin({x})", "acos": lambda x: f"\\arccos({x})"}
_FUNCTIONS |= {"atan": lambda x: f"\\arctan({x})"}
_FUNCTIONS |= {name: (lambda x, name=name: f"\\{name}({x})") for name in _PLAIN}


def from_code(text: str) -> str:
    r"""The formula in LaTeX where it was spelled as code.

    >>> from_code("7*pi"), from_code("x**2+3*x"), from_code("2**(1/3)"), from_code("3 + 4*I")
    ('7\\cdot \\pi ', 'x^{2}+3\\cdot x', '2^{(1/3)}', '3 + 4\\cdot i')
    >>> from_code("Union(Interval.open(-oo, 1), Interval(2, 3))"), from_code(r"\frac{\pi}{2}")
    ('(-\\infty,1)\\cup [2,3]', '\\frac{\\pi}{2}')
    """
    coded = "*" in text
    text = _COMPLEX.sub("i", text)
    text = _UNION.sub("\\\\cup ", _PREFIX.sub("", text))
    text = _WORD.sub(lambda found: _name(found[1], coded), text)
    for _ in range(MAX_CALLS):
        replaced = _innermost(text)
        if replaced is None:
            break
        text = replaced
    return _powers(text).replace("*", "\\cdot ")


def _name(word: str, coded: bool) -> str:
    """A constant's name; `E` and `I` are constants of SymPy only where a star shows that it is code."""
    return word if word in ("E", "I") and not coded else _NAMES.get(word, word)


def _innermost(text: str) -> str | None:
    """The text with its last call spelled in LaTeX: none stands in the arguments of the last."""
    ends = _closings(text)
    for call in reversed(list(_CALL.finditer(text))):
        spell = _FUNCTIONS.get(call[1])
        end = ends.get(call.end() - 1)
        if spell is None or end is None:
            continue
        try:
            spelled = spell(*_arguments(text[call.end() : end]))
        except TypeError:  # Another number of arguments than the function has.
            continue
        return f"{text[: call.start()]}{spelled}{text[end + 1 :]}"
    return None


def _arguments(text: str) -> list[str]:
    """What stands between the commas that no bracket encloses."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts] if text.strip() else []


def _closings(text: str) -> dict[int, int]:
    """Where each bracket closes that opens in a text, by where it opens."""
    opened: list[int] = []
    ends: dict[int, int] = {}
    for bracket in re.finditer(r"[()\[\]{}]", text):
        if bracket[0] in "([{":
            opened.append(bracket.start())
        elif opened:
            ends[opened.pop()] = bracket.start()
    return ends


def _powers(text: str) -> str:
    """Exponents in braces, whatever sign raises them."""
    done, at, ends = "", 0, _closings(text)
    while power := _POWER.search(text, at):
        begin = power.end()
        exponent = _EXPONENT.match(text, begin)
        end = (ends.get(begin) if text[begin] == "(" else None) if exponent is None else exponent.end() - 1
        if end is None:
            done, at = done + text[at:begin].replace("**", "^"), begin
        else:
            done, at = f"{done}{text[at : power.start()]}^{{{text[begin : end + 1]}}}", end + 1
    return done + text[at:]
