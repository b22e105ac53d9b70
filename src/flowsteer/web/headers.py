"""What stands in the headers of a request."""

MOST_DIGITS = 15
"""Longest number that a reader can mean. Python reads none of thousands of digits, and a store none of twenty."""


def number_in(text: str) -> int | None:
    """The number that a header is; None if it is none.

    >>> number_in("12"), number_in("-1"), number_in("9" * 5000)
    (12, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None
