"""From observations to a profile of the simulated executor.

Every table of a profile is a share that is counted directly, so a fit needs no search: a solver's skill, a check's
power and false alarms, what becomes of an answer that a check has failed. What is counted rarely is drawn towards its
like: an operator on one type of task towards the same operator on all.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import fmean

from flowsteer.backends.simulated_profiles import ByType, Profile
from flowsteer.calibration.counted_steps import CountedStep
from flowsteer.calibration.rates import Rate
from flowsteer.task import TaskType

TYPES: tuple[TaskType, ...] = ("math", "qa", "code")
Rates = Mapping[str, Mapping[TaskType, Rate]]
"""Rates by operator and type."""

Right = Callable[[str, str], bool]
"""Whether an answer to the task of a digest is right."""

TESTS = "Test"
"""The check that repairs by itself."""

SOLVING = ("solving", "revision")
"""Categories whose operators give a new answer."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A profile and what it was counted from.

    Attributes:
        profile: The profile.
        rates: By table of the profile, operator and type.
        seconds: Mean wall time of a step, by operator and type.
        tasks: Tasks of each type.
    """

    profile: Profile
    rates: Mapping[str, Rates]
    seconds: Mapping[str, Mapping[TaskType, float]]
    tasks: Mapping[TaskType, int]


def fit(name: str, observations: Sequence[CountedStep], right: Right) -> Fit:
    """Fit a profile.

    Args:
        name: Its name.
        observations: What was observed, each step once.
        right: Whether an answer to a task, given by its digest, is right.
    """
    rates = {table: _rates(pairs(observations, right)) for table, pairs in _TABLES.items()}
    solved = [one for one in observations if _solves(one)]
    alike = _common(solved, right)
    asked = [one for one in observations if one.calls]
    tokens = _means(asked, lambda one: one.tokens / one.calls)
    profile = Profile(
        name=name,
        skill=_table(rates["skill"]) | {"solving": _overall(rates["skill"])},
        power=_table(rates["power"]) | {"verification": _overall(rates["power"])},
        spoilt=_by_type(rates["spoilt"].get("Format", {}), 0.0),
        planning=dict.fromkeys(TYPES, 0.0),
        hard=1.0,
        repair=1.0,
        noise=_noise(observations, right),
        common=alike,
        false_alarm=_table(rates["false_alarm"]) | {"verification": _overall(rates["false_alarm"])},
        mending=_table(rates["mending"]) | {"solving": _overall(rates["mending"])},
        harm=_table(rates["harm"]) | {"solving": _overall(rates["harm"])},
        trap=_trap(solved, right),
        planned=_table(rates["planned"]),
        stubborn=alike,
        tokens={name: {kind: row.get(kind, fmean(row.values())) for kind in TYPES} for name, row in tokens.items()},
    )
    kinds = {kind: len({one.task for one in observations if one.type == kind}) for kind in TYPES}
    return Fit(profile, rates, _means(observations, lambda one: one.seconds), kinds)


Outcome = tuple[str, TaskType, bool]
"""Operator, type, and whether it was so."""


def _solves(one: CountedStep) -> bool:
    return one.category in SOLVING and not one.before


def _skill(seen: Iterable[CountedStep], right: Right) -> Iterator[Outcome]:
    return ((one.operator, one.type, right(one.task, one.after)) for one in seen if _solves(one) and not one.planned)


def _planned(seen: Iterable[CountedStep], right: Right) -> Iterator[Outcome]:
    return ((one.operator, one.type, right(one.task, one.after)) for one in seen if _solves(one) and one.planned)


def _objected(one: CountedStep) -> bool:
    """Whether a check saw a fault; one that repairs by itself also where it then mended it."""
    return one.passed is False or (one.operator == TESTS and one.after != one.before)


def _checks(seen: Iterable[CountedStep], right: Right, sound: bool) -> Iterator[Outcome]:
    for one in seen:
        applies = one.category == "verification" and one.before and (one.operator != TESTS or one.type == "code")
        if applies and right(one.task, one.before) is sound:
            yield one.operator, one.type, _objected(one)


def _power(seen: Iterable[CountedStep], right: Right) -> Iterator[Outcome]:
    return _checks(seen, right, sound=False)


def _false_alarm(seen: Iterable[CountedStep], right: Right) -> Iterator[Outcome]:
    return _checks(seen, right, sound=True)


def _repaired(seen: Iterable[CountedStep], right: Right, sound: bool) -> Iterator[Outcome]:
    for one in seen:
        told = (one.faulty and one.category in SOLVING) or (one.operator == TESTS and _objected(one))
        if told and one.before and right(one.task, one.before) is sound:
            yield one.operator, one.type, right(one.task, one.after) is not sound


def _mending(seen: Iterable[CountedStep], right: Right) -> Iterator[Outcome]:
    return _repaired(seen, right, sound=False)


def _harm(seen: Iterable[CountedStep], right: Right) -> Iterator[Outcome]:
    return _repaired(seen, right, sound=True)


def _spoilt(seen: Iterable[CountedStep], right: Right) -> Iterator[Outcome]:
    """Of the answers that are right in the end, those that a formatting step made so."""
    for one in seen:
        if one.category == "formatting" and right(one.task, one.after):
            yield one.operator, one.type, not right(one.task, one.before)


_TABLES: Mapping[str, Callable[[Iterable[CountedStep], Right], Iterator[Outcome]]] = {
    "skill": _skill,
    "planned": _planned,
    "power": _power,
    "false_alarm": _false_alarm,
    "mending": _mending,
    "harm": _harm,
    "spoilt": _spoilt,
}


def _rates(outcomes: Iterable[Outcome]) -> Rates:
    found: dict[str, dict[TaskType, Rate]] = defaultdict(dict)
    for operator, kind, so in outcomes:
        found[operator][kind] = found[operator].get(kind, Rate()) + Rate.of([so])
    return dict(found)


def _table(rates: Rates) -> dict[str, ByType]:
    """The rates of each operator, drawn towards what the operator does on all types, and that towards all operators."""
    everything = sum((rate for row in rates.values() for rate in row.values()), Rate())
    rows = {}
    for operator, row in rates.items():
        own = sum(row.values(), Rate()).value(everything.value(0.5))
        rows[operator] = _by_type(row, own)
    return rows


def _overall(rates: Rates) -> ByType:
    """What an operator without a row does: the mean of those that have one."""
    rows = _table(rates).values()
    return {kind: round(fmean([row[kind] for row in rows] or [0.0]), 3) for kind in TYPES}


def _by_type(row: Mapping[TaskType, Rate], guess: float) -> ByType:
    return {kind: round(row.get(kind, Rate()).value(guess), 3) for kind in TYPES}


def _means(seen: Iterable[CountedStep], of: Callable[[CountedStep], float]) -> dict[str, dict[TaskType, float]]:
    found: dict[tuple[str, TaskType], list[float]] = defaultdict(list)
    for one in seen:
        found[one.operator, one.type].append(of(one))
    means: dict[str, dict[TaskType, float]] = defaultdict(dict)
    for (operator, kind), values in found.items():
        means[operator][kind] = round(fmean(values), 1)
    return dict(means)


def _common(solved: Sequence[CountedStep], right: Right) -> float:
    """How alike solvers err: the share of attempts that end as the task's own difficulty has it.

    Two attempts of skills p and q are both right in pq of tasks if they err apart, in min(p, q) if they err together;
    where each follows the task with the same chance c, in pq + c² (min(p, q) - pq). Solved for c.
    """
    apart = together = both = 0.0
    for kind in TYPES:
        done: dict[tuple[str, bool], dict[str, bool]] = defaultdict(dict)
        for attempt in solved:
            if attempt.type == kind:
                done[attempt.operator, attempt.planned][attempt.task] = right(attempt.task, attempt.after)
        for one, other in combinations(done.values(), 2):
            shared = one.keys() & other.keys()
            if not shared:
                continue
            p, q = (fmean(row[task] for task in shared) for row in (one, other))
            apart += len(shared) * p * q
            together += len(shared) * min(p, q)
            both += sum(one[task] and other[task] for task in shared)
    if together - apart < 1e-9:
        return 0.0
    return round(sqrt(min(max((both - apart) / (together - apart), 0.0), 1.0)), 3)


def _trap(solved: Sequence[CountedStep], right: Right) -> float:
    """How often a wrong answer is the task's most tempting one: two wrong answers agree where both are that."""
    wrong: dict[str, dict[str, str]] = defaultdict(dict)
    for one in solved:
        if one.type != "code" and one.after and not right(one.task, one.after):
            wrong[one.task][one.operator] = one.after.strip().lower()
    pairs = [a == b for row in wrong.values() for a, b in combinations(row.values(), 2)]
    return round(sqrt(Rate.of(pairs).value(0.1)), 3)


def _noise(seen: Iterable[CountedStep], right: Right) -> float:
    """How often an ensemble picks just any candidate: it then misses one that most have by one time in three."""
    missed = []
    for one in seen:
        held = [right(one.task, answer) for answer in one.candidates]
        if held and sum(held) * 2 > len(held) and not all(held):
            missed.append(not right(one.task, one.after))
    return round(min(1.0, 3 * Rate.of(missed).value(0.05)), 3)
