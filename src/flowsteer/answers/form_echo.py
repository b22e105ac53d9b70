"""An answer that only repeats how an answer should look: it answers nothing."""

import re

MIN_WORDS = 3
"""So many words that begin as the form begins are an echo of it; fewer may be an answer that the form names."""

_WORD = re.compile(r"\w+")
_PLACEHOLDER = re.compile(
    r"[<\[{(]?\s*(?:(?:the|your|final|short|right|correct)\s+)*(?:answer|number|letter|value|result|option)(?:\s+here)?\s*[>\]})]?"
    r"|<[A-Za-z_ ]{1,40}>",
    re.IGNORECASE,
)


def is_echo(answer: str, form: str) -> bool:
    """Whether an answer is the words of its form, or a placeholder.

    Args:
        answer: What was given as the answer.
        form: How it was to look, in words.

    >>> form = "a few words copied from the passage, or the word unanswerable"
    >>> is_echo("A few words copied from the passage", form), is_echo("<answer>", form), is_echo("unanswerable", form)
    (True, True, False)
    """
    if _PLACEHOLDER.fullmatch(answer.strip(" .*\"'`")):
        return True
    said, asked = (_WORD.findall(text.casefold()) for text in (answer, form))
    return len(said) >= MIN_WORDS and said[: len(asked)] == asked[: len(said)]
