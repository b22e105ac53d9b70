"""The options of a multiple-choice question, as MathQA writes them: `a ) 38 , b ) 27.675 , c ) 30`."""

import re

_OPTION = re.compile(r"(?:^|[\s,\['\"])([a-e])\s*\)\s*(.*?)\s*(?=[,'\"\s]+[a-e]\s*\)|$)", re.DOTALL)


def parse_options(text: str) -> dict[str, str]:
    """Values by letter, in order; empty if the text lists none.

    >>> parse_options("a ) rs . 400 , b ) rs . 300 , c ) 1,108 , d ) none of these")
    {'a': 'rs . 400', 'b': 'rs . 300', 'c': '1,108', 'd': 'none of these'}
    """
    found = {letter: value.strip(" ,'\"") for letter, value in _OPTION.findall(text.strip().strip("[]"))}
    return found if list(found) == list("abcde")[: len(found)] and len(found) > 1 else {}
