r"""Find the final answer in a text that may hold more, and strip what does not belong to its value.

Where it stands, first rule that applies: the last `\boxed{…}`; the last `Answer: …`, `The answer is …` or `#### …`; the
whole text if it is one line, else its last line. Of a line of prose the value is the only number in its last sentence,
or else what stands behind its last `=` or `is`.
"""

import re

from flowsteer.answers.boxed import last_boxed

MAX_TEXT = 20_000
"""Characters at the end of a text in which an answer is looked for."""

_ANNOUNCED = re.compile(
    r"(?:####|\b(?:final\s+|correct\s+)?(?:answer|option|choice)\b(?:\s+is)?\s*[*_]*\s*:|\b(?:answer|option|choice)\s+is\b)"
    r"[ \t*_:]*\n?[ \t]*(\S[^\n]*)",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r".*(?:\b(?:is|are|equals|be|gives?|get|was|makes?|has|have|needs?)\b:?|=|≈|:)\s*(.+)$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\])")
_NUMBERS = re.compile(
    r"(?<![\w.^_{/])(-?[$€£]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?(?:\s*(?:\\?%|percent|dozen|hundred|thousand|[mbtr]+illion))?)"
    r"(?![\w^_{\\])",
    re.IGNORECASE,
)
_DENIAL = re.compile(r"\bnot\b|n't\b|\b(?:half|twice|double)\b", re.IGNORECASE)
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
_SEVERAL = re.compile(r"=.*\b(?:and|or)\b.*=")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?:\s+[A-Za-z]+)+")
_WRAPPERS = (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$"), ("**", "**"), ("`", "`"), ('"', '"'))
_TEXT = re.compile(r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_SPACE = re.compile(r"\\ |\\q?quad\b|~")
_SPACING = re.compile(r"\\[,!;:]|\\displaystyle\b|\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?)(?![A-Za-z])")
_SHORT_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}|(\w))\s*(?:\{([^{}]*)\}|(\w))")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\w)")


def final_answer(text: str) -> str:
    r"""The part of the text that is the answer.

    >>> final_answer(r"So we get \boxed{\frac{1}{2}} in all.")
    '\\frac{1}{2}'
    >>> final_answer("First add.\nAnswer: 18 eggs")
    '18 eggs'
    >>> final_answer("The total cost is $42.")
    '$42'
    """
    text = _CALCULATOR.sub("", text[-MAX_TEXT:])
    boxed = last_boxed(text)
    if boxed is not None:
        return boxed.strip()
    announced = _ANNOUNCED.findall(text)
    line = announced[-1] if announced else (text.strip().splitlines() or [""])[-1]
    line = unwrap(line)
    return _of_prose(line) if _PROSE.search(line) and not _SEVERAL.search(line) else line


def _of_prose(line: str) -> str:
    tail = _TAIL.match(line)
    behind = unwrap(tail[1]) if tail else line
    for part in (_SENTENCE_END.split(line)[-1], behind if _PROSE.search(behind) else ""):
        numbers = _NUMBERS.findall(part)
        if len(numbers) == 1 and not _DENIAL.search(part):
            return str(numbers[0]).strip()
    return behind


def unwrap(text: str) -> str:
    """The text without dollar signs, quotes, emphasis and the full stop around it."""
    text, before = text.strip(), ""
    while text != before:
        before = text
        for opening, closing in _WRAPPERS:
            inner = text[len(opening) : len(text) - len(closing)]
            if text.startswith(opening) and text.endswith(closing) and inner.strip() and opening not in inner:
                text = inner.strip()
        if text.endswith((".", ",", ";")) and not text.endswith("..."):
            text = text[:-1].rstrip()
    return text


def plain(text: str) -> str:
    r"""One spelling of LaTeX and typography: no `\text`, no spacing, whole fractions, plain minus and percent signs.

    >>> plain(r"\dfrac12 \text{ cm}"), plain(r"\$32,\!348"), plain("50\\%"), plain(r"36^\circ")
    ('\\frac{1}{2} cm', '$32,348', '50%', '36 degrees')
    """
    text = text.replace("−", "-").replace("–", "-").replace("×", "\\times ").replace("{,}", ",").replace("π", "\\pi ")
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|°", " degrees", text)
    text = _TEXT.sub(r" \1 ", text)
    text = _SPACING.sub("", _SPACE.sub(" ", text))
    text = text.replace("\\%", "%").replace("\\$", "$").replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac")
    text = _SHORT_FRACTION.sub(lambda m: f"\\frac{{{m[1] or m[2] or ''}}}{{{m[3] or m[4] or ''}}}", text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    return " ".join(unwrap(text).split())
