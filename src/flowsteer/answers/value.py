r"""The mathematical value in an answer: a formula or number without the prose around it.

A line without prose is the value. Of a line with prose it is, first rule that applies: the only formula between dollar
signs; the only number in its last sentence; what stands behind its last `=` or `is`; the formula it begins with. A
remark in brackets and a clause such as `, which is 6 dozen` are left out before. What a sentence denies is not taken.
"""

import re

from flowsteer.answers.extract import last_line, marked_answer, tidy, without_emphasis
from flowsteer.answers.typography import with_minus

_CALCULATOR = re.compile(r"<<[^<>\n]{0,200}>>")
_UNDERSCORES = re.compile(r"(?<!\w)(_{1,2})([^_\n]{1,200})\1(?!\w)")
_SYMBOLS = re.compile("[\u2190\u2705\u2713\u2714\u2794-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff]")
"""Pictures beside an answer."""

_SHOUT = re.compile(r"(?<=[^\W\d_]{2})!\Z")
"""Behind a word; behind a single letter it is a factorial."""

_BULLET = re.compile(r"(?:>\s+|\d{1,2}\.\s+(?=[A-Za-z*]))")
_CONNECTIVE = re.compile(r"(?:therefore|thus|hence|so|then|finally|in total)\b[,:]?\s+", re.IGNORECASE)
_LABEL = re.compile(r"[A-Z][a-z]{2,20}\s*:\s*(?=[^A-Za-z\s])")
_COMMENT = re.compile(r"(?:this|that|these|those|hope|great)\b", re.IGNORECASE)
_OR = re.compile(r"\b(?:and|or)\b")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?:\s+[A-Za-z]+)+")
_CLAUSE = re.compile(
    r"(?:,\s|\s[-–—]\s|\s)(?:which|because|since|so that|where|i\.e\.|that is|as required|assuming)\b", re.IGNORECASE
)
_REMARK = re.compile(r"\s\((?=[^()]{0,200}[A-Za-z]{3,}[\s.,])(?![^()]{0,200}\bmod\b)[^()]{0,200}\)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\])")
_SPAN = re.compile(r"\$\$([^$\n]{1,400})\$\$|\$(?=\S)([^$\n]{1,400})(?<=\S)\$(?!\d)|\\\(([^\n]{1,400}?)\\\)")
_NUMBER = re.compile(
    r"(?<![\w.^_{/'’])(-?[$€£]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?"
    r"(?:\s*(?:\\?%|percent|dozen|hundred|thousand|[mbtr]+illion))?)(?![\w^_{\\])",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r".*(?:\b(?:is|are|equals|be|gives?|get|was|makes?|has|have|needs?)\b:?|=|≈|:)\s*(.+)$", re.IGNORECASE
)
_LEADS_ON = re.compile(r"\s(?:is|are|of|for|when|if|as|with)\b")
_BARE_WORD = re.compile(r"(?:^|(?<![-+*/^=<>\s])\s+)[A-Za-z]{2,}+(?!\S*[\d(])")
"""A word that is no part of a formula: `sin(x)`, `ab2` and what stands behind an operator are."""

_DENIAL = re.compile(r"\bnot\b|n't\b|\b(?:half|twice|double)\b", re.IGNORECASE)


def math_value(text: str) -> str:
    r"""The value that a text answers a question of mathematics with; empty if it says nothing.

    >>> math_value(r"So we get \boxed{\frac{1}{2}} in all."), math_value("First add.\nAnswer: 18 eggs")
    ('\\frac{1}{2}', '18 eggs')
    >>> math_value("The total cost is $42."), math_value("The answer is 72 eggs, which is 6 dozen.")
    ('$42', '72 eggs')
    """
    text = with_minus(text)
    marked = marked_answer(text)
    line = _CALCULATOR.sub("", last_line(text) if marked is None else marked)
    line = _without_lead(unwrap(_UNDERSCORES.sub(r"\2", without_emphasis(line))))
    return _of_prose(line) if _PROSE.search(line) and not _several(line) else _REMARK.sub("", line)


def _without_lead(line: str) -> str:
    """The line without a bullet and a word that only leads on to what follows."""
    for lead in (_BULLET, _CONNECTIVE, _LABEL):
        begun = lead.match(line)
        line = line[begun.end() :] if begun else line
    return line


def unwrap(text: str) -> str:
    """A line without quotes, emphasis and dollar signs around it and without the sign that ends its sentence."""
    text = tidy(_SYMBOLS.sub("", text.replace("`", ""))).rstrip(",; ")
    text = _SHOUT.sub("", text)
    return text if text.endswith("...") else tidy(text.rstrip("."))


def _several(line: str) -> bool:
    """Whether the line gives several values: `x = 1 or x = 2`."""
    return bool(_OR.search(line[line.find("=") : line.rfind("=")]))


def _of_prose(line: str) -> str:
    line = unwrap(_CLAUSE.split(_REMARK.sub("", line))[0])
    if not _PROSE.search(line):
        return line
    sentences = _SENTENCE_END.split(line)
    last = next((sentence for sentence in reversed(sentences) if not _COMMENT.match(sentence)), sentences[-1])
    if not _DENIAL.search(last):
        spans = [next(filter(None, span)) for span in _SPAN.findall(last)]
        if len(spans) == 1 or (spans and _SPAN.match(last)):
            return unwrap(spans[0])
    tail = _TAIL.match(line)
    behind = unwrap(tail[1]) if tail else line
    for part in (last, behind if _PROSE.search(behind) else ""):
        numbers = _NUMBER.findall(part)
        if len(numbers) == 1 and not _DENIAL.search(part):
            return str(numbers[0]).strip()
    head = "" if tail or _DENIAL.search(line) else _LEADS_ON.split(line, maxsplit=1)[0]
    return (unwrap(head) if not _BARE_WORD.search(head) else "") or behind
