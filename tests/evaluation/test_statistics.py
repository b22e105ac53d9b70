"""Intervals, tests and corrections against hand-computed cases, enumeration and their own laws."""

import random
from fractions import Fraction
from itertools import combinations, product
from statistics import fmean
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_runs import entry

from flowsteer.reporting.statistics import compare, estimate, holm, pass_at_k, sign_flip
from flowsteer.reporting.summarise import summarise
from flowsteer.reporting.summary import POOLED, standing, to_json
from flowsteer.runs.failure import Failure

SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30)
DIFFERENCES = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=30)


def exact_p(differences):
    """The sign-flip p-value over all patterns, by dynamic programming over whole-number sums."""
    ways = {0: 1}
    for value in differences:
        grown = {}
        for total, count in ways.items():
            for sign in (value, -value):
                grown[total + sign] = grown.get(total + sign, 0) + count
        ways = grown
    bar = abs(sum(differences))
    return float(Fraction(sum(count for total, count in ways.items() if abs(total) >= bar), 2 ** len(differences)))


# intervals


@pytest.mark.parametrize(
    "values", [[0, 1, 1], [0.0, 0.5, 1.0], [0.2, 0.2, 0.9, 1.0], [0, 0, 0, 0, 1], [0.1, 0.5, 0.6, 0.7, 1.0]]
)
def test_intervals_are_those_of_all_resamples(values):
    every = [fmean(sample) for sample in product(values, repeat=len(values))]
    found = estimate([values])
    noise = 0.012
    assert fmean(mean < found.low - 1e-9 for mean in every) < 0.025 + noise
    assert fmean(mean <= found.low + 1e-9 for mean in every) > 0.025 - noise
    assert fmean(mean > found.high + 1e-9 for mean in every) < 0.025 + noise
    assert fmean(mean >= found.high - 1e-9 for mean in every) > 0.025 - noise
    assert found.mean == pytest.approx(fmean(values))


def test_right_and_wrong_follow_the_binomial_distribution():
    """40 of 100: the exact 2.5 % and 97.5 % quantiles of Bin(100, 0.4) are 31 and 50."""
    found = estimate([[1.0] * 40 + [0.0] * 60])
    assert found.low == pytest.approx(0.31, abs=0.0101)
    assert found.high == pytest.approx(0.50, abs=0.0101)


@pytest.mark.parametrize(("n", "slack"), [(10, 0.308497), (20, 0.168433), (100, 0.036217)])
def test_all_wrong_and_all_right_have_the_interval_of_clopper_and_pearson(n, slack):
    wrong, right = estimate([[0.0] * n]), estimate([[1.0] * n])
    assert (wrong.low, wrong.high) == (0.0, pytest.approx(slack, abs=1e-6))
    assert (right.low, right.high) == (pytest.approx(1 - slack, abs=1e-6), 1.0)


def test_one_value_that_is_neither_right_nor_wrong_has_no_interval():
    found = estimate([[0.4]])
    assert (found.mean, found.low, found.high, found.n) == (0.4, None, None, 1)
    one = compare([[0.4]]).difference
    assert (one.low, one.high) == (None, None)


def test_rare_differences_are_resampled_however_many_there_are():
    """3 of 600 moved: a normal interval would reach below 0, which no resample can."""
    found = compare([[1.0, 0.5, 1.0] + [0.0] * 597]).difference
    assert found.low >= 0.0


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = random.Random(0)
    held = 0
    for _ in range(300):
        found = estimate([[float(rng.random() < 0.3) for _ in range(100)]], rng.randrange(1000))
        held += found.low <= 0.3 <= found.high
    assert 0.91 <= held / 300 <= 0.985


@pytest.mark.parametrize("shares", [((8, 0.95), (8, 0.05)), ((5, 0.95), (100, 0.5)), ((2, 0.95), (100, 0.99))])
def test_intervals_over_datasets_hold_the_truth_also_where_all_of_one_is_right_or_wrong(shares):
    rng, truth = random.Random(5), fmean(share for _, share in shares)
    held = 0
    for seed in range(150):
        found = estimate([[float(rng.random() < share) for _ in range(n)] for n, share in shares], seed)
        held += found.low <= truth <= found.high
    assert held / 150 >= 0.95


@pytest.mark.parametrize("values", [[0.0] * 5, [1.0] * 5, [1.0], [0.5] * 3])
def test_a_dataset_of_equal_scores_is_not_certain_among_others(values):
    half = [0.0, 1.0] * 100
    found, alone = estimate([values, half]), estimate([half])
    assert found.high - found.low > 1.5 * (alone.high - alone.low) / 2
    assert found.low <= found.mean <= found.high


def test_a_dataset_without_a_difference_is_not_certain_among_others():
    some = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    among, alone = compare([[0.0] * 8, some]).difference, compare([some]).difference
    assert among.low < alone.low / 2
    assert among.high > alone.high / 2


def test_datasets_count_the_same_however_many_tasks_they_have():
    assert estimate([[1.0, 1.0, 0.0, 0.0], [0.0]]).mean == 0.25


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_scores_does_not_matter(values, rng):
    shuffled = rng.sample(values, len(values))
    assert estimate([values]) == estimate([shuffled])


@given(SCORES)
@settings(max_examples=25, deadline=None)
def test_an_interval_holds_its_mean_and_lies_within_the_scores(values):
    found = estimate([values])
    if found.low is not None:
        assert 0 <= found.low <= found.mean + 1e-12
        assert found.mean - 1e-12 <= found.high <= 1


# paired differences


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 1, 1, 1, 1], 2 / 32),
        ([1] * 8 + [-1] * 2, 2 * (1 + 10 + 45) / 1024),
        ([1, -1], 1.0),
        ([3, 2, 1], 2 / 8),
        ([3, 2, -1], 4 / 8),
        ([3, -2, -1, 0, 0], 1.0),
        ([5, 1, 1, -1], 8 / 16),
        ([0, 0, 0], 1.0),
    ],
)
def test_hand_computed_p_values(differences, p):
    assert sign_flip(differences) == (pytest.approx(p), True)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=12))
@settings(deadline=None)
def test_few_differences_are_tested_exactly(differences):
    assert sign_flip(differences) == (pytest.approx(exact_p(differences)), True)


@pytest.mark.parametrize(("n", "seed"), [(20, 1), (40, 2), (80, 3), (400, 4)])
def test_many_differences_on_a_lattice_are_tested_exactly(n, seed):
    rng = random.Random(seed)
    differences = [rng.randint(-9, 12) for _ in range(n)]
    assert sign_flip([value / 7 for value in differences]) == (
        pytest.approx(exact_p([value for value in differences if value]), rel=1e-9),
        True,
    )


@pytest.mark.parametrize(
    "halves",
    [
        [2] * 22 + [-2] * 11 + [1],
        [2] * 26 + [-2] * 14 + [1],
        [2] * 22 + [-2] * 10 + [1] * 3 + [-1] * 4,
        [2] * 20 + [-2] * 20 + [1, -1],
        [2] * 40 + [1],
    ],
)
def test_right_half_right_and_wrong_are_tested_exactly(halves):
    """Sums lie a whole difference apart, so the normal limit calls some of these significant that are not."""
    assert compare([[value / 2 for value in halves]]).p == pytest.approx(exact_p(halves), rel=1e-9)


def test_datasets_of_different_sizes_are_tested_exactly():
    """Each difference weighs 1 / (its dataset's size · datasets): here 1/60, 1/120 and 1/42, 1/126."""
    large, small = [1.0] * 13 + [-0.5] * 7 + [0.0] * 10, [1.0] * 8 + [-1 / 3] * 9 + [0.0] * 4
    weighted = [round(value * 2 * 21) for value in large] + [round(value * 2 * 30) for value in small]
    found = compare([large, small])
    assert (found.p, found.exact) == (pytest.approx(exact_p([value for value in weighted if value]), rel=1e-9), True)


def test_ten_thousand_differences_on_a_lattice_are_tested_exactly_and_soon():
    rng = random.Random(2)
    differences = [rng.choice([1, 1, -1, 0.5, -0.5]) * (rng.random() < 0.8) for _ in range(10_000)]
    started = process_time()
    p, exact = sign_flip(differences)
    assert exact
    assert 0 < p < 1e-9
    assert process_time() - started < 2


def test_many_differences_of_any_size_are_tested_nearly_exactly():
    rng = random.Random(1)
    differences = [rng.gauss(0.3, 1) for _ in range(18)]
    sums = [0.0]
    for value in differences:
        sums = [total + sign * value for total in sums for sign in (1, -1)]
    p, exact = sign_flip(differences)
    assert not exact
    assert p == pytest.approx(fmean(abs(total) >= abs(sum(differences)) for total in sums), abs=0.015)


def test_the_normal_limit_agrees_with_the_exact_test():
    rng = random.Random(5)
    differences = [rng.randint(-20, 22) for _ in range(400)]
    p, exact = sign_flip([value + rng.random() * 1e-3 for value in differences if value])
    assert not exact
    assert p == pytest.approx(exact_p([value for value in differences if value]), abs=0.002)


def test_one_pair_that_outweighs_all_others_is_not_taken_as_normal():
    """The others add about nothing, so half of all patterns are as far out; the normal limit would say 0.32."""
    assert sign_flip([1000.0, *[0.5, -0.5, 0.25, -0.25] * 100])[0] == pytest.approx(0.5, abs=0.03)


def test_without_a_difference_false_alarms_are_as_rare_as_they_should_be():
    rng = random.Random(0)
    ps = [sign_flip([rng.gauss(0, 1) for _ in range(10)])[0] for _ in range(1000)]
    assert 0.01 <= fmean(p < 0.05 for p in ps) <= 0.1


@given(DIFFERENCES)
@example([-1.0] * 20 + [-0.5, 1.0])
@settings(max_examples=25, deadline=None)
def test_swapping_the_systems_turns_the_difference_and_keeps_p(differences):
    there, back = compare([differences]), compare([[-value for value in differences]])
    assert there.difference.mean == -back.difference.mean
    assert there.p == back.p


@given(DIFFERENCES, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_differences_does_not_matter(differences, rng):
    assert compare([differences]) == compare([rng.sample(differences, len(differences))])


def test_identical_systems_differ_by_nothing():
    found = compare([[0.0] * 30, [0.0] * 5])
    assert (found.difference.mean, found.p) == (0, 1.0)


def test_values_that_never_differ_claim_no_certainty():
    for strata in ([[0.0] * 30, [0.0] * 5], [[1.0] * 9], [[1.0] * 9, [-1.0] * 2]):
        found = compare(strata).difference
        assert (found.low, found.high) == (None, None)
    found = estimate([[1.0] * 9, [0.0] * 9])
    assert found.mean == 0.5
    assert found.low < 0.45 < 0.55 < found.high


# corrections and pass@k


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12), st.randoms(use_true_random=False))
def test_holm_never_lowers_and_keeps_the_order(ps, rng):
    corrected = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, corrected, strict=True))
    pairs = sorted(zip(ps, corrected, strict=True))
    assert [q for _, q in pairs] == sorted(corrected)
    order = rng.sample(range(len(ps)), len(ps))
    assert holm([ps[index] for index in order]) == [corrected[index] for index in order]


@pytest.mark.parametrize(("n", "correct", "k"), [(5, 2, 1), (5, 2, 2), (5, 0, 3), (5, 5, 1), (6, 1, 6), (4, 3, 2)])
def test_pass_at_k_counts_all_choices_of_tries(n, correct, k):
    tries = [True] * correct + [False] * (n - correct)
    chosen = [any(choice) for choice in combinations(tries, k)]
    assert pass_at_k(n, correct, k) == pytest.approx(fmean(chosen))


# summaries


def test_unscorable_lost_and_missing_episodes_are_in_no_mean_and_counted_apart():
    found = summarise(
        [
            entry("a", "d", "1", 1.0),
            entry("a", "d", "2", 0.0),
            entry("a", "d", "3", None, reason="no number"),
            entry("a", "d", "4", None, lost=Failure("BackendUnavailable", "gone"), executor_tokens=10**9, cost=None),
            *(entry("b", "d", str(task), 1.0) for task in range(1, 6)),
        ]
    )
    cell = found.cell("d", "a")
    assert (cell.scored, cell.unscorable, cell.errors, cell.missing) == (
        2,
        {"no number": 1},
        {"BackendUnavailable": 1},
        1,
    )
    assert (cell.score.mean, cell.score.n, cell.coverage) == (0.5, 2, 0.4)
    assert (cell.use.executor_tokens, cell.use.cost, cell.use.seconds) == (100, 0.5, 2.0)
    difference = found.difference("d", "b", "a")
    assert (difference.pairs, difference.comparison.difference.mean) == (2, -0.5)


def test_an_unknown_price_makes_the_cost_unknown():
    found = summarise([entry("a", "d", "1", 1.0), entry("a", "d", "2", 1.0, cost=None)])
    assert found.cell("d", "a").use.cost is None


def test_epochs_of_one_task_are_not_independent():
    once = summarise([entry("a", "d", str(task), float(task % 3 == 0)) for task in range(20)])
    five = summarise(
        [entry("a", "d", str(task), float(task % 3 == 0), epoch) for task in range(20) for epoch in range(5)]
    )
    assert five.cell("d", "a").score == once.cell("d", "a").score
    assert five.cell("d", "a").scored == 100


def test_pass_at_k_of_a_run():
    scores = {"1": (1, 0, 0, 0), "2": (0, 0, 0, 0), "3": (1, 1, 1, 1), "4": (1, None, 1, 1)}
    entries = [
        entry("a", "d", task, None if score is None else float(score), epoch)
        for task, tries in scores.items()
        for epoch, score in enumerate(tries)
    ]
    found = summarise(entries).cell("d", "a").pass_at
    assert found == pytest.approx({1: (0.25 + 0 + 1) / 3, 2: (0.5 + 0 + 1) / 3, 4: (1 + 0 + 1) / 3})
    partial = [entry("a", "d", "1", 0.5, epoch) for epoch in range(2)]
    assert summarise(partial).cell("d", "a").pass_at == {}


def test_identical_systems_cannot_be_told_apart():
    rows = [(name, str(task), float(task % 2)) for name in "abc" for task in range(12)]
    found = summarise([entry(name, "d", task, score) for name, task, score in rows])
    assert [(d.comparison.difference.mean, d.comparison.p, d.p_holm) for d in found.differences] == [(0, 1, 1)] * 3
    assert [standing(found, "d", name) for name in "abc"] == ["best"] * 3


def test_a_clear_gap_is_marked_and_a_small_one_is_not():
    wins = {"good": 20, "close": 19, "bad": 2}
    found = summarise([entry(name, "d", str(task), float(task < n)) for name, n in wins.items() for task in range(20)])
    assert {name: standing(found, "d", name) for name in wins} == {"good": "best", "close": "", "bad": "worse"}
    assert found.difference("d", "good", "bad").comparison.p == 2 / 2**18
    assert found.difference("d", "good", "bad").p_holm == 3 * 2 / 2**18


def test_a_system_that_is_better_on_the_same_tasks_is_not_marked_as_worse():
    """B has the lower mean only for the tasks that A has not; on those of both it is right and A is not."""
    a = [entry("a", "d", str(task), float(task % 2)) for task in range(20)]
    b = [entry("b", "d", str(task), float(task < 20)) for task in range(50)]
    for names in ("a", "b"), ("b", "a"):
        found = summarise([*a, *b], systems=names)
        assert found.difference("d", "a", "b").significant
        assert {name: standing(found, "d", name) for name in names} == {"a": "best", "b": ""}


def test_pooled_scores_count_each_dataset_once_and_only_where_all_have_scores():
    entries = [
        *(entry(name, "big", str(task), 1.0) for name in "ab" for task in range(8)),
        *(entry(name, "small", str(task), 0.0) for name in "ab" for task in range(2)),
        entry("a", "alone", "1", 1.0),
    ]
    found = summarise(entries)
    pooled = {row.system: row for row in found.pooled}
    assert pooled["a"].datasets == ("big", "small")
    assert pooled["a"].score.mean == pooled["b"].score.mean == 0.5
    assert found.difference(POOLED, "a", "b").pairs == 10


def test_pooled_differences_weigh_datasets_the_same():
    entries = [
        *(entry("a", "big", str(task), 1.0) for task in range(9)),
        *(entry("b", "big", str(task), 0.0) for task in range(9)),
        *(entry(name, "small", "1", float(name == "b")) for name in "ab"),
    ]
    found = summarise(entries).difference(POOLED, "a", "b")
    assert found.comparison.difference.mean == 0.0


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_the_order_of_episodes_does_not_matter(rng):
    entries = [
        entry(system, dataset, str(task), (task * len(system)) % 5 / 4, epoch, seconds=task / 7, cost=task / 11)
        for system in ("a", "bb")
        for dataset in ("d", "e")
        for task in range(8)
        for epoch in range(2)
    ]
    assert summarise(rng.sample(entries, len(entries))) == summarise(entries)


def test_names_come_in_the_order_asked_for():
    entries = [entry(system, "d", "1", 1.0) for system in ("b", "a", "c")]
    assert summarise(entries, systems=("c", "nobody", "b")).systems == ("c", "b", "a")


def test_an_empty_run_has_an_empty_summary():
    found = summarise([])
    assert (found.systems, found.cells, found.differences, to_json(found)["episodes"]) == ((), (), (), 0)
