"""Statistics of scores: intervals, paired tests, corrections. Pure functions; the order of the values never matters.

The unit is the task, not the episode: epochs of one task are not independent, so callers average them first (Miller
2024, "Adding Error Bars to Evals", arXiv 2411.00640, clustered errors). Several datasets are strata: each counts the
same (macro mean) and is resampled on its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import comb, fsum, sqrt
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2_000
"""Bootstrap resamples."""

FLIPS = 10_000
"""Random sign flips, where there are too many to go through them all."""

MAX_EXACT = 16
"""Up to so many differences every sign pattern is gone through: at most 65,536."""

MAX_COUNTED = 50_000_000
"""Most sums that are added up to count all patterns of sizes on a lattice: a tenth of a second."""

NEAR_NORMAL = 0.03
"""A sum under random signs is taken as normal where Σd⁴ / (Σd²)² is less: p is off by 0.0005 at 0.05, draws by more.

That is so where sums lie close: of sizes on no lattice, or on one too fine to count all patterns.
"""

AT_ONCE = 1_000_000
"""Most values drawn at once: it bounds memory."""

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
        exact: Whether every sign pattern was counted; else p is of the normal limit, or of draws.
    """

    difference: Estimate
    p: float
    exact: bool


def estimate(strata: Strata, seed: int = 0) -> Estimate:
    """The mean with its percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13).

    Where all values are 0, or all are 1, resampling would claim certainty; the interval of one such dataset is that of
    Clopper & Pearson (1934). It holds for any scores within [0, 1], whose mean is at most the chance of not being 0.
    Among several datasets, one whose values are all equal varies as `_percentiles` says.

    Args:
        strata: The values of each dataset, none of them empty.
        seed: Seed of the resampling.

    >>> estimate([[0, 0, 1, 1]]).mean
    0.5
    >>> estimate([[1] * 10])
    Estimate(mean=1.0, low=0.69..., high=1.0, n=10)
    >>> estimate([[1] * 10, [0] * 10])
    Estimate(mean=0.5, low=0.40..., high=0.58..., n=20)
    """
    mean, n = fmean(fmean(values) for values in strata), sum(map(len, strata))
    distinct = {value for values in strata for value in values}
    if len(strata) > 1 or len(distinct) > 1:
        low, high = _percentiles(strata, (0.0, 1.0), seed)
        return Estimate(mean, low, high, n)
    if distinct <= {0, 1}:
        from scipy.stats import binomtest

        found = binomtest(n * int(mean), n).proportion_ci(CONFIDENCE, "exact")
        return Estimate(mean, float(found.low), float(found.high), n)
    return Estimate(mean, None, None, n)


def compare(strata: Strata, seed: int = 0) -> Comparison:
    """The mean of paired differences, with its bootstrap interval and the p-value of a sign-flip test.

    Args:
        strata: Differences of two systems on the same tasks, one sequence a dataset, none of them empty.
        seed: Seed of resampling and flips.

    >>> compare([[1, 1, 1, 1, 1, 0, 0]])
    Comparison(difference=Estimate(mean=0.71..., low=0.42..., high=1.0, n=7), p=0.0625, exact=True)
    """
    mean, n = fmean(fmean(values) for values in strata), sum(map(len, strata))
    weighted = [value / (len(values) * len(strata)) for values in strata for value in values]
    p, exact = sign_flip(weighted, seed)
    varied = any(min(values) < max(values) for values in strata)
    low, high = _percentiles(strata, (-1.0, 1.0), seed) if varied else (None, None)
    return Comparison(Estimate(mean, low, high, n), p, exact)


def sign_flip(differences: Sequence[float], seed: int = 0) -> tuple[float, bool]:
    """Test paired differences: were the labels of each pair swapped by chance, how often would the sum be as far out?

    Fisher's randomisation test (1935, "The Design of Experiments", §21), two-sided. It is exact where all differences
    are multiples of one step, as of right, half right and wrong answers, or means over epochs: patterns are counted
    by their sums (Pagano & Tritchler 1983). Of one size alone it is McNemar's exact test. It is exact, too, with few
    differences of any sizes, whose patterns are all gone through. Otherwise the sum is taken as normal if no few pairs
    dominate (`NEAR_NORMAL`), which is closer than draws; else patterns are drawn and the observed one is counted in
    (Phipson & Smyth 2010), so that p is never 0.

    Args:
        differences: One for each pair, weighted as in the sum.
        seed: Seed of the draws.

    Returns:
        The p-value, and whether it is exact.

    >>> sign_flip([0.5, 0.25, 0.125])
    (0.25, True)
    >>> sign_flip([1.0] * 22 + [-1.0] * 11 + [0.5])
    (0.0576..., True)
    """
    from scipy.stats import norm

    sizes = sorted(abs(value) for value in differences if value)
    if not sizes:
        return 1.0, True
    if (step := _step(sizes)) and (p := _counted([round(value / step) for value in differences])) is not None:
        return p, True
    observed, exact, squares = abs(fsum(differences)), len(sizes) <= MAX_EXACT, fsum(size**2 for size in sizes)
    if not exact and fsum(size**4 for size in sizes) < NEAR_NORMAL * squares**2:
        return float(2 * norm.sf(observed / sqrt(squares))), False
    # Under the null only the sizes matter, so flips are of them: neither order nor which system comes first counts.
    sums = _all_signed_sums(sizes) if exact else _drawn_signed_sums(sizes, seed)
    as_far, uncounted = (abs(sums) >= observed - 1e-9 * fsum(sizes)).sum(), 0 if exact else 1
    return float((as_far + uncounted) / (len(sums) + uncounted)), exact


def _step(sizes: Sequence[float]) -> float:
    """The step that all sizes are whole multiples of; 0 if there is none."""
    step = 0.0
    for size in set(sizes):  # Euclid's algorithm, but for what rounding leaves
        while size > 1e-9 * sizes[-1]:
            step, size = size, abs(step - size * round(step / size))
    return step if all(abs(size / step - round(size / step)) < 1e-6 for size in sizes) else 0.0


def _counted(differences: Sequence[int]) -> float | None:
    """The share of sign patterns whose sum is as far from 0 as that of these; None if that is too much to count.

    A pattern whose positive sizes come to k has the sum 2k - Σ, and as many patterns are far out above 0 as below. How
    many of the commonest size are positive follows the binomial distribution; the others are taken in one by one.
    """
    import numpy as np
    from scipy.stats import binom

    sizes = sorted(abs(value) for value in differences if value)
    ((common, times),) = Counter(sizes).most_common(1)
    others = [size for size in sizes if size != common]
    if len(others) * sum(others) > MAX_COUNTED:
        return None
    most = (sum(sizes) - abs(sum(differences))) // 2
    shares = np.zeros(min(most, sum(others)) + 1)
    shares[0] = 1.0
    for size in others:
        shares[size:] += shares[:-size].copy()
        shares *= 0.5
    tail = shares @ binom.cdf((most - np.arange(len(shares))) // common, times, 0.5)
    return min(1.0, float(2 * tail))


def _all_signed_sums(sizes: Sequence[float]) -> "np.ndarray[Any, Any]":
    """The sum under each of the 2ⁿ patterns of signs; scipy goes through them one by one, a second for n = 16."""
    import numpy as np

    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums


def _drawn_signed_sums(sizes: Sequence[float], seed: int) -> "np.ndarray[Any, Any]":
    """The sum under `FLIPS` patterns of signs drawn at random."""
    from scipy.stats import permutation_test

    found: np.ndarray[Any, Any] = permutation_test(
        (sizes,),
        lambda signed, axis: signed.sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        batch=max(1, AT_ONCE // len(sizes)),
        rng=seed,
    ).null_distribution
    return found


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


def _percentiles(strata: Strata, ends: tuple[float, float], seed: int) -> tuple[float, float]:
    """The ends of the interval.

    No resample of a dataset whose values are all equal differs, so it would count as certain. Its mean is drawn with
    half a value more at either end of what is possible: of right and wrong answers, from the distribution of Jeffreys.

    Args:
        strata: The values of each dataset, none of them empty.
        ends: The least and the greatest value that there may be.
        seed: Seed of the draws.
    """
    import numpy as np
    from scipy.stats import bootstrap

    rng = np.random.default_rng(seed)
    sums = np.zeros(RESAMPLES)
    if varied := [sorted(values) for values in strata if min(values) < max(values)]:
        sums += bootstrap(
            varied,
            lambda *drawn, axis: sum(values.mean(axis) for values in drawn),
            paired=False,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=max(1, AT_ONCE // sum(map(len, varied))),
            method="percentile",
            rng=rng,
        ).bootstrap_distribution
    for values in strata:
        if min(values) == max(values):
            sums += rng.dirichlet((0.5, len(values), 0.5), RESAMPLES) @ (ends[0], values[0], ends[1])
    mean = fmean(fmean(values) for values in strata)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(sums / len(strata), (tail, 100 - tail))
    return min(mean, float(low)), max(mean, float(high))
