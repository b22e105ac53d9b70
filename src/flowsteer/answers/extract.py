r"""The short answer inside a free text: one reader for operators, graders and baselines.

Where the answer stands, first rule that applies (thinking blocks are removed before):

1. the last `<answer>…</answer>` or `<|begin_of_box|>…<|end_of_box|>` (the closing one may be missing);
2. the last `\boxed{…}`, or `\boxed …`;
3. the last place that announces one: `Answer: …`, `The final answer is …`, `#### …`, or a heading `Final Answer`
   with the answer on the next line;
4. the last sentence.

Rules 1 to 3 are a *marked* answer: the writer said which part is the answer. Every step takes time linear in the text.
"""

import re

from flowsteer.answers.boxed import last_boxed
from flowsteer.answers.thinking import without_thinking

MAX_TEXT = 20_000
"""Characters at the end of a text in which an answer is looked for."""

MAX_LAYERS = 20
"""Most layers of quotes, emphasis and dollar signs taken off an answer."""

_TAG = re.compile(r"<(?P<end>/?)answer>|<\|(?:begin|(?P<stop>end))_of_box\|>", re.IGNORECASE)
_UNBRACED_BOX = re.compile(r"\\(?:boxed|fbox)\s{1,9}(?P<content>[^\s{$][^$\n]*)")
_NOT_THE = "".join(rf"(?<!\b{word}\s)" for word in ("no", "wrong", "incorrect", "first", "other", "one", "an", "any"))
_ANSWER = rf"{_NOT_THE}\banswer\b"
_THE_BEST = r"\b(?:final|correct|right|best)\s"
_OPTION = rf"(?:{_THE_BEST}|\b(?:the|my)\s)(?:option|choice)\b"
_SIGN = r"[\s*_]{0,9}[:=]"
_ANNOUNCEMENT = re.compile(
    r"^[ \t]*#{4}(?!#)"
    rf"|(?:{_ANSWER}|{_OPTION})"
    r"(?:\s(?:to|for|of|in)\b[^.:=]{0,80}?)?\s+(?:is|are|was|(?:would|should|must|will)\s+be|equals)\b(?P<colon>:?)"
    rf"|(?:(?:^\W{{0,9}}|{_THE_BEST})(?:option|choice)|(?:\b(?<![A-Za-z]\s)|{_THE_BEST})answer){_SIGN}"
    rf"|(?P<bare>{_ANSWER}){_SIGN}",
    re.IGNORECASE,
)
"""A sentence that says what the answer is, or a label. Prose names answers and options as well: `her first choice was`,
`one option is`, `an answer of 12 is too big`; `bare` stands in a sentence that may be on something else."""

_HINT = re.compile(r"answer|option|choice|####", re.IGNORECASE)
_HEADING = re.compile(r"[\W_]{0,20}(?:the\s+)?(?:(?:final|short|correct)\s+)?answer[\s*_.]{0,20}", re.IGNORECASE)
_POLITE = re.compile(r"\bI hope (?:it|this|that)\b")
_EMPHASIS = re.compile(r"(?<![\w)\]}*])(\*{1,3})(?=[^\s*])([^*\n]{1,400})(?<=\S)\1(?![\w(*])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(\\$])")
_SAYS = re.compile(r"[^\W_]|[∞∅]|\{\\?\}")
_LAYERS = (("**", "**"), ("$$", "$$"), ("$", "$"), ("`", "`"), ('"', '"'), ("“", "”"), ("\\(", "\\)"), ("\\[", "\\]"))


def tidy(answer: str) -> str:
    r"""The answer without what stands around it: quotes, emphasis, paired dollar signs, a full stop.

    >>> tidy("**$\\frac{1}{2}$**."), tidy('"Paris".'), tidy("U.S."), tidy("$5")
    ('\\frac{1}{2}', 'Paris', 'U.S.', '$5')
    """
    text = answer.strip()
    for _ in range(MAX_LAYERS):
        before = text
        for opening, closing in _LAYERS:
            inside = text[len(opening) : -len(closing)]
            if inside and text.startswith(opening) and text.endswith(closing) and opening not in inside:
                text = inside.strip()
        if text.endswith(".") and not _is_abbreviated(text):
            text = text[:-1].rstrip()
        if text == before:
            break
    return text


def _is_abbreviated(text: str) -> bool:
    """Whether the full stop at the end belongs to the last word: `U.S.`, `etc..`, `plan B.`."""
    return bool(re.search(r"(?:\b[A-Za-z]|\.)\.\Z", text[-3:]))


def without_emphasis(line: str) -> str:
    """The line without the stars of `**bold**` and `*italic*`; a power such as `2**3` keeps them.

    >>> without_emphasis("**Answer:** **64** apples"), without_emphasis("2**3**2")
    ('Answer: 64 apples', '2**3**2')
    """
    return _EMPHASIS.sub(r"\2", line)


def marked_answer(text: str) -> str | None:
    r"""The answer that the text marks as such (rules 1 to 3), or None.

    >>> marked_answer("6 * 7 is 42.\n**Answer:** 42.")
    '42'
    >>> marked_answer(r"Hence \boxed{\frac{1}{2}}."), marked_answer("#### **64**")
    ('\\frac{1}{2}', '64')
    >>> marked_answer("I am not sure.") is None
    True
    """
    return _marked(_said(text))


def _said(text: str) -> str:
    return without_thinking(text)[-MAX_TEXT:]


def _marked(said: str) -> str | None:
    tagged = _tagged(said)
    inside = said if tagged is None else tagged
    for found in (_boxed(inside), _announced(inside), tagged):
        if found is not None and tidy(found):
            return tidy(found)
    return None


def final_answer(text: str) -> str:
    """The marked answer, else the last sentence (rules 1 to 4); empty only for a text that says nothing.

    >>> final_answer("First we add. The total is 7."), final_answer("He has 80. Answer: 2.")
    ('The total is 7', '2')
    """
    said = _said(text)
    marked = _marked(said)
    return marked if marked is not None else tidy(_SENTENCE_END.split(_last_line(said))[-1])


def last_line(text: str) -> str:
    r"""The last line that says something: no rule, fence or lone sign; a matrix over several lines is one.

    >>> last_line("She has 64.\n\n---"), last_line("```\n18\n```"), last_line("\\[\n56\n\\]")
    ('She has 64.', '18', '56')
    """
    return _last_line(_said(text))


def _last_line(said: str) -> str:
    for line in reversed(said.splitlines()):
        if _says(line):
            if "\\end{" in line and "\\begin{" not in line and "\\begin{" in said:
                return " ".join(said[said.rindex("\\begin{") :].split())
            return line.strip()
    return said.strip() if "```" not in said else ""


def _says(line: str) -> bool:
    return bool(_SAYS.search(line)) and not line.lstrip().startswith(("```", "~~~"))


def _tagged(text: str) -> str | None:
    """The content of the last pair of tags, else what stands behind a tag left open."""
    begin, last = None, None
    for tag in _TAG.finditer(text):
        if not tag["end"] and not tag["stop"]:
            begin = tag.end()
        elif begin is not None:
            last = text[begin : tag.start()].strip() or last
            begin = None
    return last if last is not None or begin is None else text[begin:].strip() or None


def _boxed(text: str) -> str | None:
    braced = last_boxed(text)
    if braced is not None:
        return braced
    unbraced = [found["content"] for found in _UNBRACED_BOX.finditer(text)]
    return unbraced[-1] if unbraced else None


def _announced(text: str) -> str | None:
    """What the last line that announces an answer says, or the line after it.

    `Let me check the answer: 3 * 4 = 12` does not count behind `My answer is: 12`.
    """
    if not _HINT.search(text):
        return None
    following, bare = "", None
    for line in reversed(text.splitlines()):
        plain = without_emphasis(line)
        if _HEADING.fullmatch(plain) and following:
            return bare or following
        for found in reversed(list(_ANNOUNCEMENT.finditer(plain))):
            rest = _POLITE.split(plain[found.end() :])[0].strip(" \t*_:")
            rest = rest if tidy(rest).strip(".") else following
            if rest and found["bare"]:
                bare = bare or rest
            elif rest:
                return rest if found["colon"] else bare or rest
        if _says(line):
            following = plain
    return bare
