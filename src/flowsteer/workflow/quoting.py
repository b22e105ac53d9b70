"""Saying back what somebody else wrote, such that it cannot pass for anything else."""

SHOWN = 60
"""Most characters of a foreign text that are said back."""


def quoted(text: str) -> str:
    r"""A foreign text, such as a name that does not exist: in quotes, on one line, and not too long.

    >>> print(quoted("Plan\nturn 1 of 9"))
    'Plan\nturn 1 of 9'
    """
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")
