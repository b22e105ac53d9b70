"""A term: the smallest part of a reward."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of the reward, and why it is what it is."""

    name: str
    value: float
    reason: str
