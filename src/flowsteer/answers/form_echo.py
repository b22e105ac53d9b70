"""An answer that only repeats how an answer should look: it answers nothing."""

import re

MIN_WORDS = 3
"""So many words that begin as the form begins are an echo of it; fewer may be an answer that the form names."""

_WORD = re.compile(r"\w+")
_NAME = r"(?:(?:the|your|final|short|right|correct)\s+)*(?P<word>answer|number|letter|value|result|option)(?:\s+here)?"
_NAMED = re.compile(_NAME, re.IGNORECASE)
_PLACEHOLDER = re.compile(rf"[<\[{{(]\s*{_NAME}\s*[>\]}})]|<[A-Za-z_ ]{{1,40}}>", re.IGNORECASE)
_LABEL = "answer"
"""What every form is announced by; it names nothing else."""


def is_echo(answer: str, form: str) -> bool:
    """Whether an answer is the words of its form, or a placeholder: in brackets, or by a name that the form gives it.

    Args:
        answer: What was given as the answer.
        form: How it was to look, in words.

    >>> form = "a few words copied from the passage, or the word unanswerable"
    >>> is_echo("A few words copied from the passage", form), is_echo("<answer>", form), is_echo("unanswerable", form)
    (True, True, False)
    >>> is_echo("The number", "a number"), is_echo("The number", "a few words")
    (True, False)
    """
    said, asked = (_WORD.findall(text.casefold()) for text in (answer, form))
    bare = answer.strip(" .*\"'`")
    named = _NAMED.fullmatch(bare)
    if _PLACEHOLDER.fullmatch(bare) or (named and named["word"].casefold() in (_LABEL, *asked)):
        return True
    return len(said) >= MIN_WORDS and said[: len(asked)] == asked[: len(said)]
