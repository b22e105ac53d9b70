"""Signs beyond ASCII in the spelling of LaTeX: `√2`, `x²`, `½`, `∞`, `∪`, `·`, full-width forms."""

import re
import unicodedata

_SIGNS = {
    **dict.fromkeys("−–‒‑﹣", "-"),
    **dict.fromkeys("∕⁄÷", "/"),
    **dict.fromkeys("·⋅∙•∗", "\\cdot "),
    **dict.fromkeys("°º˚", "\N{DEGREE SIGN}"),
    **dict.fromkeys("∅⌀", "\\emptyset "),
    **dict.fromkeys("\u00a0\u2002\u2003\u2005\u2007\u2008\u2009\u200a\u202f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufe0f\ufeff\u200e\u200f\u2061\u2062", ""),
    **dict.fromkeys("’‘ʹ′＇", "'"),
    **dict.fromkeys("⇒⟹→⟶", " = "),
    "∶": ":",
    "、": ",",
    "。": ".",
    "…": "...",
    "×": "\\times ",
    "±": "\\pm ",
    "∓": "\\mp ",
    "∞": "\\infty ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∈": "\\in ",
    "∉": "\\notin ",
    "⊂": "\\subset ",
    "∖": "\\setminus ",
    "≤": "\\le ",
    "⩽": "\\le ",
    "≥": "\\ge ",
    "⩾": "\\ge ",
    "≠": "\\ne ",
    "≈": "\\approx ",
    "∠": "\\angle ",
    "△": "\\triangle ",
    "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}",
    "ℕ": "\\mathbb{N}",
    "ℚ": "\\mathbb{Q}",
    "ℂ": "\\mathbb{C}",
    "ϕ": "\\phi ",
    "ϵ": "\\epsilon ",
    "ϑ": "\\theta ",
    "µ": "\\mu ",
    "∴": "",
    "⟨": "(",
    "⟩": ")",
}
_SMALL = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi pi rho sigma tau upsilon phi chi psi omega"
)
_CAPITAL = "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
GREEK = (*_SMALL.split(), *_CAPITAL.split())
"""Greek letters that LaTeX has a command for."""


def _letter(name: str) -> str:
    size = "SMALL" if name.islower() else "CAPITAL"
    return unicodedata.lookup(f"GREEK {size} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")


_SIGNS |= {_letter(name): f"\\{name} " for name in GREEK}
_TABLE = str.maketrans(_SIGNS)

_FORMS = re.compile("[\uff01-\uff5e\uffe5\U0001d400-\U0001d7ff\u2460-\u2473]+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣⁱ]+")
_SUBSCRIPT = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₓₙₘₖ]+")
_VULGAR = re.compile(r"(\d?)\s?([¼½¾⅐-⅞])")
_ROOT = re.compile(r"([√∛∜])\s*(?:(\d+(?:\.\d+)?|[A-Za-z]|\\[A-Za-z]+)|\(([^()]{1,200})\)|\{([^{}]{1,200})\})")
_ROOTS = {"√": "\\sqrt", "∛": "\\sqrt[3]", "∜": "\\sqrt[4]"}
_MINUS = re.compile(r"[−﹣－]|(?<![\w)}\]%°])[–‒‑](?=[.$€£]?\d)")
"""A proper minus, or a dash before a number that no range begins before."""

_BAR_ABOVE = re.compile("((?:\\d[\u0305\u0304])+)")


def with_minus(text: str) -> str:
    """The text with a hyphen for every sign that is a minus; the dash of a range stays.

    >>> with_minus("−5 and \N{EN DASH}7"), with_minus("3\N{EN DASH}5") == "3\N{EN DASH}5"
    ('-5 and -7', True)
    """
    return text if text.isascii() else _MINUS.sub("-", text)


def as_latex(text: str) -> str:
    r"""The text with signs beyond ASCII spelled in LaTeX; letters of any language stay.

    >>> as_latex("4√2"), as_latex("x²"), as_latex("1½"), as_latex("2·3⁵"), as_latex("（1，2）")
    ('4\\sqrt{2}', 'x^{2}', '1 \\frac{1}{2}', '2\\cdot 3^{5}', '(1,2)')
    """
    if text.isascii():
        return text
    text = _FORMS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = _BAR_ABOVE.sub(lambda found: f"\\overline{{{re.sub('[^0-9]', '', found[0])}}}", text)
    text = _SUPERSCRIPT.sub(lambda found: f"^{{{unicodedata.normalize('NFKC', found[0])}}}".replace("−", "-"), text)
    text = _SUBSCRIPT.sub(lambda found: f"_{{{unicodedata.normalize('NFKC', found[0])}}}".replace("−", "-"), text)
    text = _VULGAR.sub(_fraction, text).translate(_TABLE)
    return _ROOT.sub(lambda found: f"{_ROOTS[found[1]]}{{{found[2] or found[3] or found[4]}}}", text)


def _fraction(found: re.Match[str]) -> str:
    top, bottom = unicodedata.normalize("NFKC", found[2]).split("\N{FRACTION SLASH}")
    return f"{found[1]}{' ' if found[1] else ''}\\frac{{{top}}}{{{bottom or 1}}}"
