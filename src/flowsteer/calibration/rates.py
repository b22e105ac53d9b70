"""Shares that were counted, with what is not known of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

CONFIDENCE = 0.9
PRIOR_COUNT = 2.0
"""How many observations the guess for a rate counts: with few of its own, a rate stays near its like."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that was counted.

    Attributes:
        hits: How often it was so.
        count: How often it could have been.
    """

    hits: float = 0.0
    count: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Self:
        """The share of true outcomes.

        >>> Rate.of([True, False, True])
        Rate(hits=2.0, count=3)
        """
        seen = list(outcomes)
        return cls(float(sum(seen)), len(seen))

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.hits + other.hits, self.count + other.count)

    def value(self, guess: float) -> float:
        """The share, drawn towards a guess that counts as `PRIOR_COUNT` observations (the mean of a beta posterior).

        >>> Rate(1, 2).value(0.5), Rate().value(0.3)
        (0.5, 0.3)
        """
        return (self.hits + PRIOR_COUNT * guess) / (self.count + PRIOR_COUNT)

    def interval(self) -> tuple[float, float]:
        """The 90 % interval of Jeffreys (Brown, Cai & DasGupta 2001, §4.3); all of [0, 1] where nothing was counted."""
        if not self.count:
            return 0.0, 1.0
        from scipy.stats import beta

        tail = (1 - CONFIDENCE) / 2
        shape = self.hits + 0.5, self.count - self.hits + 0.5
        low = 0.0 if self.hits == 0 else float(beta.ppf(tail, *shape))
        high = 1.0 if self.hits == self.count else float(beta.ppf(1 - tail, *shape))
        return low, high
