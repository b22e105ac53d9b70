"""Statistics over seeds: few values, each a whole training run. A seed is the unit; its tasks are not independent."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev

from flowsteer.reporting.statistics import Comparison, Estimate, sign_flip


def over_seeds(values: Sequence[float], share: bool = False) -> Estimate | None:
    """The mean over seeds with Student's 95 % interval; a bootstrap of five values would be too narrow.

    Args:
        values: One a seed.
        share: Whether they are shares, so that the interval ends at 0 and 1.

    Returns:
        None without values; without an interval where one value, or equal ones, cannot tell.

    >>> over_seeds([0.5, 0.6, 0.7])
    Estimate(mean=0.6, low=0.35..., high=0.84..., n=3)
    """
    if not values:
        return None
    mean, n = fmean(values), len(values)
    if n == 1 or min(values) == max(values):
        return Estimate(mean, None, None, n)
    from scipy.stats import t

    low, high = (float(end) for end in t.interval(0.95, n - 1, mean, stdev(values) / sqrt(n)))
    return Estimate(mean, max(0.0, low), min(1.0, high), n) if share else Estimate(mean, low, high, n)


def paired(differences: Sequence[float]) -> Comparison | None:
    """The mean of paired differences, one a seed, with Student's interval and the p-value of the sign-flip test."""
    mean = over_seeds(differences)
    return None if mean is None else Comparison(mean, *sign_flip(differences))


def least_p(seeds: int) -> float:
    """The least two-sided p-value that a sign-flip test over so many seeds can give.

    >>> least_p(5)
    0.0625
    """
    return min(1.0, 2.0 ** (1 - seeds))
