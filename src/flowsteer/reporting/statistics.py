"""Statistics of scores: intervals, paired tests, corrections. Pure functions; the order of the values never matters.

The unit is the task, not the episode: epochs of one task are not independent, so callers average them first (Miller
2024, "Adding Error Bars to Evals", arXiv 2411.00640, clustered errors). Several datasets are strata: each counts the
same (macro mean) and is resampled on its own.
"""

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from math import comb, erfc, exp, fsum, lgamma, log, sqrt
from operator import getitem
from statistics import fmean, pstdev

RESAMPLES = 2_000
"""Bootstrap resamples."""

FLIPS = 10_000
"""Random sign flips, where there are too many to go through them all."""

MAX_EXACT = 16
"""Up to so many differences every sign pattern is gone through: at most 65,536."""

NEAR_NORMAL = 0.06
"""A resampled mean is taken as normal where skewness shifts its ends by fewer standard errors than chance does."""

NEAR_NORMAL_FLIPS = 0.03
"""A sum under random signs is taken as normal where Σd⁴ / (Σd²)² is less: p is off by 0.0005 at 0.05, draws by more."""

CONFIDENCE = 0.95

Strata = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and what is known of it.

    Attributes:
        mean: The mean; of several datasets, the mean of their means.
        low: Lower end of the 95 % interval; None where the values cannot tell.
        high: Its upper end.
        n: Values behind it.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean of paired differences, and how surprising it is if there is none.

    Attributes:
        difference: The mean difference with its interval.
        p: Two-sided p-value of the sign-flip test.
        exact: Whether every sign pattern was counted.
    """

    difference: Estimate
    p: float
    exact: bool


def estimate(strata: Strata, seed: int = 0) -> Estimate:
    """The mean with its percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13).

    Where all values are 0, or all are 1, resampling would claim certainty; the interval is then that of Clopper &
    Pearson (1934). It holds for any scores within [0, 1], whose mean is at most the chance of not being 0.

    Args:
        strata: The values of each dataset, none of them empty.
        seed: Seed of the resampling.

    >>> estimate([[0, 0, 1, 1]]).mean
    0.5
    >>> estimate([[1] * 10])
    Estimate(mean=1.0, low=0.69..., high=1.0, n=10)
    """
    mean, n = fmean(fmean(values) for values in strata), sum(map(len, strata))
    distinct = {value for values in strata for value in values}
    if len(distinct) > 1:
        low, high = _percentiles(strata, seed)
        return Estimate(mean, low, high, n)
    slack = 1 - ((1 - CONFIDENCE) / 2) ** (1 / n)
    if distinct == {0}:
        return Estimate(mean, 0.0, slack, n)
    if distinct == {1}:
        return Estimate(mean, 1 - slack, 1.0, n)
    return Estimate(mean, None, None, n)


def compare(strata: Strata, seed: int = 0) -> Comparison:
    """The mean of paired differences, with its bootstrap interval and the p-value of a sign-flip test.

    Args:
        strata: Differences of two systems on the same tasks, one sequence a dataset, none of them empty.
        seed: Seed of resampling and flips.

    >>> compare([[1, 1, 1, 1, 1, 0, 0]])
    Comparison(difference=Estimate(mean=0.71..., low=0.28..., high=1.0, n=7), p=0.0625, exact=True)
    """
    mean, n = fmean(fmean(values) for values in strata), sum(map(len, strata))
    weighted = [value / (len(values) * len(strata)) for values in strata for value in values]
    p, exact = sign_flip(weighted, seed)
    low, high = _percentiles(strata, seed)
    return Comparison(Estimate(mean, low, high, n), p, exact)


def sign_flip(differences: Sequence[float], seed: int = 0) -> tuple[float, bool]:
    """Test paired differences: were the labels of each pair swapped by chance, how often would the sum be as far out?

    Fisher's randomisation test (1935, "The Design of Experiments", §21), two-sided. Where all differences that are not
    0 have one size it is the exact sign test, which is McNemar's exact test; with few of them all patterns are
    counted; otherwise patterns are drawn and the observed one is counted in (Phipson & Smyth 2010), so that p is
    never 0. Where no few pairs dominate (`NEAR_NORMAL_FLIPS`) the sum is taken as normal, which is closer than draws.

    Args:
        differences: One for each pair, weighted as in the sum.
        seed: Seed of the draws.

    Returns:
        The p-value, and whether it is exact.

    >>> sign_flip([0.5, 0.25, 0.125])
    (0.25, True)
    """
    moved = [value for value in differences if value]
    if not moved:
        return 1.0, True
    sizes = sorted(map(abs, moved))
    if sizes[-1] - sizes[0] <= 1e-9 * sizes[-1]:
        return _sign_test(sum(value > 0 for value in moved), len(moved)), True
    bar = abs(fsum(moved)) - 1e-9 * fsum(sizes)
    if len(moved) <= MAX_EXACT:
        sums = _all_sums(sizes)
        return sum(abs(value) >= bar for value in sums) / len(sums), True
    squares = fsum(size**2 for size in sizes)
    if fsum(size**4 for size in sizes) < NEAR_NORMAL_FLIPS * squares**2:
        return erfc(abs(fsum(moved)) / sqrt(2 * squares)), False
    extreme = sum(abs(value) >= bar for value in _drawn_sums(sizes, seed))
    return (extreme + 1) / (FLIPS + 1), False


def holm(ps: Sequence[float]) -> list[float]:
    """Correct the p-values of one family of tests (Holm 1979): the chance of any false alarm stays below the level.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(ps)), key=ps.__getitem__)
    raised = accumulate((min(1.0, ps[index] * (len(ps) - rank)) for rank, index in enumerate(order)), max)
    by_index = dict(zip(order, raised, strict=True))
    return [by_index[index] for index in range(len(ps))]


def pass_at_k(n: int, correct: int, k: int) -> float:
    """The chance that one of k tries is right: the unbiased estimator of Chen et al. 2021, arXiv 2107.03374, §2.1.

    Args:
        n: Tries made, at least k.
        correct: How many of them were right.
        k: How many tries one would have.

    >>> round(pass_at_k(n=5, correct=2, k=2), 3)
    0.7
    """
    return 1 - comb(n - correct, k) / comb(n, k)


def _percentiles(strata: Strata, seed: int) -> tuple[float, float] | tuple[None, None]:
    """The ends of the interval; none where no dataset has two different values, so that no resample differs."""
    if all(min(values) == max(values) for values in strata):
        return None, None
    rng = random.Random(seed)  # noqa: S311 - statistics, not secrets
    drawn = sorted(map(fmean, zip(*(_resampled_means(sorted(values), rng) for values in strata), strict=True)))
    tail = (1 - CONFIDENCE) / 2
    return _quantile(drawn, tail), _quantile(drawn, 1 - tail)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile, with linear interpolation between neighbours (Hyndman & Fan 1996, type 7)."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _resampled_means(values: Sequence[float], rng: random.Random) -> list[float]:
    """Means of resamples of the sorted values, drawn with replacement.

    Of two distinct values, as with right and wrong, a resample is a binomial count: it is drawn from that exact
    distribution. More than 256 values are drawn from the normal limit where the shift that their skewness γ causes,
    γ·(z² − 1) / (6√n) standard errors at z = 1.96, is below the noise that 2,000 resamples have at those ends, 0.06.
    """
    n, low, high = len(values), values[0], values[-1]
    if low == high:
        return [low] * RESAMPLES
    count = n - bisect_left(values, high)
    if values[n - count - 1] == low:
        table = list(accumulate(_binomial(n, count / n)))
        draws = (bisect_left(table, rng.random() * table[-1]) for _ in range(RESAMPLES))
        return [low + (high - low) * drawn / n for drawn in draws]
    if n <= 256:
        return [sum(map(values.__getitem__, indices)) / n for indices in _indices(n, rng)]
    mean, error = fmean(values), pstdev(values)
    skewness = fmean(((value - mean) / error) ** 3 for value in values)
    if abs(skewness) * (1.96**2 - 1) / (6 * sqrt(n)) < NEAR_NORMAL:
        return [rng.gauss(mean, error / sqrt(n)) for _ in range(RESAMPLES)]
    return [sum(rng.choices(values, k=n)) / n for _ in range(RESAMPLES)]


def _indices(n: int, rng: random.Random) -> Iterator[bytes]:
    """For each resample n indices below n, at most 256: random bytes, without those that would favour some."""
    fair = 256 // n * n
    index, unfair = bytes(byte % n for byte in range(256)), bytes(range(fair, 256))
    stream = b""
    while len(stream) < RESAMPLES * n:
        stream += rng.randbytes(RESAMPLES * n).translate(index, unfair)
    return (stream[start : start + n] for start in range(0, RESAMPLES * n, n))


def _binomial(n: int, p: float) -> Iterator[float]:
    """Chances of 0 to n successes, 0 < p < 1."""
    whole = lgamma(n + 1)
    for hits in range(n + 1):
        yield exp(whole - lgamma(hits + 1) - lgamma(n - hits + 1) + hits * log(p) + (n - hits) * log(1 - p))


def _sign_test(positive: int, n: int) -> float:
    """Chance that n fair coins split at least as unevenly, in whole numbers until the last step."""
    tail, term = 0, 1
    for hits in range(min(positive, n - positive) + 1):
        tail += term
        term = term * (n - hits) // (hits + 1)
    doubled: float = tail / 2 ** (n - 1)
    return min(1.0, doubled)


def _all_sums(sizes: Sequence[float]) -> list[float]:
    sums = [0.0]
    for size in sizes:
        sums = [value + size for value in sums] + [value - size for value in sums]
    return sums


def _drawn_sums(sizes: Sequence[float], seed: int) -> Iterator[float]:
    """Sums under random signs. Signs are drawn eight at a time, as bytes that look up the sums of eight sizes."""
    rng = random.Random(seed)  # noqa: S311 - statistics, not secrets
    groups = [sizes[start : start + 8] for start in range(0, len(sizes), 8)]
    tables = [
        [sum(sign * size for sign, size in zip(signs, group, strict=False)) for signs in product((1, -1), repeat=8)]
        for group in groups
    ]
    for _ in range(FLIPS):
        yield sum(map(getitem, tables, rng.randbytes(len(tables))))
