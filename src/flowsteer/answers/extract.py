r"""The short answer inside a free text.

Where the answer stands, first rule that applies (thinking blocks are removed before):

1. the last `<answer>…</answer>`;
2. the last `\boxed{…}`;
3. the last line that says `Answer: …`, `The final answer is …` or `#### …` (or the line after a bare `Answer:`);
4. the last sentence.

Rules 1 to 3 are a *marked* answer: the writer said which part is the answer.
"""

import re

from flowsteer.answers.thinking import without_thinking

_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_LINE = re.compile(
    r"^[\s*_#>-]*(?:so,?\s+|thus,?\s+|therefore,?\s+|hence,?\s+)?(?:the\s+)?(?:final\s+|short\s+)?answer\b"
    r"(?:\s*[*_]*\s*[:=][*_]*|\s+is\b:?)(?P<rest>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_HASHES = re.compile(r"^\s*####\s*(?P<rest>\S.*)$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(\\$])")


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
