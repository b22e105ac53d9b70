r"""The answer that a text puts into `\boxed{…}`."""

import re

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")


def last_boxed(text: str) -> str | None:
    r"""The content of the last `\boxed{…}` with balanced braces, or None.

    >>> last_boxed(r"\boxed{1} and \boxed{\frac{1}{2}} and \boxed{3")
    '\\frac{1}{2}'
    """
    begins = {match.end() for match in _BOXED.finditer(text)}
    open_braces: list[int] = []
    last: tuple[int, int] | None = None
    for brace in re.finditer(r"[{}]", text):
        if brace[0] == "{":
            open_braces.append(brace.end())
        elif open_braces:
            begin = open_braces.pop()
            if begin in begins and (last is None or begin > last[0]):
                last = begin, brace.start()
    return text[slice(*last)] if last else None
