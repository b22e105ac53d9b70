"""From the summaries of a run's episodes to the figures of its report, in one pass. No episode's events are read.

Episodes that broke off for want of infrastructure (`lost`) and unscorable ones (score None) are in no mean score; both
are counted. Scores of one task are averaged over its epochs before anything else, so the task is the unit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, groupby
from statistics import fmean
from types import MappingProxyType

from flowsteer.reporting.statistics import Comparison, Strata, compare, estimate, holm, pass_at_k
from flowsteer.reporting.summary import POOLED, Pooled, ScoreCell, Summary, SystemDifference, Use
from flowsteer.runs.index import Entry
from flowsteer.runs.summary import EpisodeSummary

USED = ("turns", "director_tokens", "executor_tokens", "calls", "seconds")

Key = tuple[str, str]
"""Task and epoch: the pair on which systems are compared."""


@dataclass(slots=True)
class _Tally:
    """What is kept of the episodes of one system on one dataset while they stream past."""

    type: str = ""
    scores: dict[Key, float] = field(default_factory=dict)
    metrics: dict[str, dict[Key, float]] = field(default_factory=dict)
    seen: set[Key] = field(default_factory=set)
    unscorable: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    used: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in USED})
    costs: list[float | None] = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)
    operators: Counter[str] = field(default_factory=Counter)
    structures: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, episode: EpisodeSummary) -> None:
        key = (episode.task, str(episode.epoch))
        self.type = episode.type
        self.seen.add(key)
        self.failures.update(episode.failures)
        if episode.lost is not None:
            self.errors[episode.lost.kind] += 1
            return
        if episode.score is None:
            self.unscorable[episode.reason or "no reason given"] += 1
        else:
            self.scores[key] = episode.score
            for name, value in episode.metrics.items():
                self.metrics.setdefault(name, {})[key] = value
        for name in USED:
            self.used[name].append(getattr(episode, name))
        self.costs.append(episode.cost)
        if episode.finished is not None:
            self.finished.append(episode.finished)
        self.operators.update(episode.operators)
        self.structures.update(episode.structures)

    @property
    def answered(self) -> int:
        return len(self.scores) + self.unscorable.total()

    def use(self) -> Use | None:
        if not self.costs:
            return None
        means = {name: fmean(numbers) for name, numbers in self.used.items()}
        return Use(**means, cost=_mean_cost(self.costs), finished=fmean(self.finished) if self.finished else None)


Tallies = dict[tuple[str, str], _Tally]


def summarise(
    entries: Iterable[Entry],
    systems: Sequence[str] = (),
    datasets: Sequence[str] = (),
    seed: int = 0,
    asked: Mapping[tuple[str, str], int | None] = MappingProxyType({}),
) -> Summary:
    """Compute the figures of a run from its episodes' summaries, in one pass.

    Args:
        entries: The episodes; their order does not matter.
        systems: The order in which to name systems; those not named follow by name.
        datasets: The same for datasets.
        seed: Seed of resampling.
        asked: How many episodes the run is to hold of each dataset and system; None where that is not known.
    """
    tallies: Tallies = {}
    count = 0
    for entry in entries:
        episode = entry.summary
        tallies.setdefault((episode.dataset, episode.system), _Tally()).add(episode)
        count += 1
    named = _in_order({system for _, system in tallies}, systems)
    over = _in_order({dataset for dataset, _ in tallies}, datasets)
    cells = tuple(_cells(tallies, asked, systems, datasets, seed))
    return Summary(
        systems=_in_order({cell.system for cell in cells}, systems),
        datasets=_in_order({cell.dataset for cell in cells}, datasets),
        episodes=count,
        uncounted=_in_order({dataset for (dataset, _), number in asked.items() if number is None}, datasets),
        cells=cells,
        pooled=tuple(_pooled(tallies, named, over, seed)),
        differences=tuple(_differences(tallies, named, over, seed)),
    )


def _in_order(found: set[str], wanted: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys((*wanted, *sorted(found))) if name in found)


def by_task(values: Mapping[Key, float]) -> dict[str, list[float]]:
    """The values of each task, one for each of its epochs."""
    ordered = sorted(values.items())
    return {task: [value for _, value in group] for task, group in groupby(ordered, key=lambda item: item[0][0])}


def _task_means(values: Mapping[Key, float]) -> list[float]:
    return [fmean(epochs) for epochs in by_task(values).values()]


def _cells(
    tallies: Tallies,
    asked: Mapping[tuple[str, str], int | None],
    systems: Sequence[str],
    datasets: Sequence[str],
    seed: int,
) -> Iterator[ScoreCell]:
    """Every system on every dataset where it has episodes, or is to have some."""
    wanted = tallies.keys() | asked.keys()
    for dataset in _in_order({dataset for dataset, _ in wanted}, datasets):
        here = [tally for (name, _), tally in tallies.items() if name == dataset]
        known = {key for tally in here for key in tally.seen}
        for system in _in_order({system for name, system in wanted if name == dataset}, systems):
            tally = tallies.get((dataset, system)) or _Tally(type=here[0].type if here else "")
            missing = max(len(known - tally.seen), (asked.get((dataset, system)) or 0) - len(tally.seen))
            if tally.seen or missing:
                yield _cell(dataset, system, tally, missing, seed)


def _cell(dataset: str, system: str, tally: _Tally, missing: int, seed: int) -> ScoreCell:
    n = max(tally.answered, 1)
    return ScoreCell(
        dataset=dataset,
        system=system,
        type=tally.type,
        scored=len(tally.scores),
        unscorable=_ranked(tally.unscorable),
        errors=_ranked(tally.errors),
        missing=missing,
        score=estimate([_task_means(tally.scores)], seed) if tally.scores else None,
        metrics={name: estimate([_task_means(found)], seed) for name, found in sorted(tally.metrics.items())},
        pass_at=_pass_at(by_task(tally.scores)),
        use=tally.use(),
        operators={name: times / n for name, times in _ranked(tally.operators).items()},
        structures={name: times / n for name, times in _ranked(tally.structures).items()},
        failures=_ranked(tally.failures),
    )


def _ranked(counts: Counter[str]) -> dict[str, int]:
    """Counts, the largest first; equal ones by name."""
    return dict(sorted(((name, n) for name, n in counts.items() if n), key=lambda item: (-item[1], item[0])))


def _pass_at(tries: Mapping[str, Sequence[float]]) -> dict[int, float]:
    """pass@k for 1, 2, 4, … and all tries; over the tasks that were tried as often as the most tried one."""
    most = max(map(len, tries.values()), default=0)
    if most < 2 or any(score not in (0, 1) for scores in tries.values() for score in scores):
        return {}
    full = [int(sum(scores)) for scores in tries.values() if len(scores) == most]
    ks = sorted({1 << power for power in range(most.bit_length()) if 1 << power <= most} | {most})
    return {k: fmean(pass_at_k(most, correct, k) for correct in full) for k in ks}


def _common(tallies: Tallies, systems: Sequence[str], datasets: Sequence[str]) -> tuple[str, ...]:
    """Datasets on which every system has a score."""
    empty = _Tally()
    return tuple(name for name in datasets if all(tallies.get((name, system), empty).scores for system in systems))


def _pooled(tallies: Tallies, systems: Sequence[str], datasets: Sequence[str], seed: int) -> Iterator[Pooled]:
    if len(datasets) < 2:
        return
    common = _common(tallies, systems, datasets)
    for system in systems:
        mine = [tallies[name, system] for name in common]
        score = estimate([_task_means(tally.scores) for tally in mine], seed) if mine else None
        yield Pooled(system, common, score, _mean_use([use for tally in mine if (use := tally.use())]))


def _mean_use(uses: Sequence[Use]) -> Use | None:
    if not uses:
        return None
    finished = [use.finished for use in uses if use.finished is not None]
    means = {name: fmean(getattr(use, name) for use in uses) for name in USED}
    return Use(**means, cost=_mean_cost([use.cost for use in uses]), finished=fmean(finished) if finished else None)


def _mean_cost(costs: Sequence[float | None]) -> float | None:
    """The mean; unknown as soon as one is."""
    known = [cost for cost in costs if cost is not None]
    return fmean(known) if len(known) == len(costs) else None


def _differences(
    tallies: Tallies, systems: Sequence[str], datasets: Sequence[str], seed: int
) -> Iterator[SystemDifference]:
    common = _common(tallies, systems, datasets)
    families: list[tuple[str, tuple[str, ...]]] = [(name, (name,)) for name in datasets]
    if len(common) > 1:
        families.append((POOLED, common))
    for family, members in families:
        yield from _family(tallies, family, members, systems, seed)


def _family(
    tallies: Tallies, family: str, members: Sequence[str], systems: Sequence[str], seed: int
) -> Iterator[SystemDifference]:
    """All pairs of systems on one dataset, or pooled: one family of tests."""
    found: list[tuple[str, str, int, Comparison]] = []
    for a, b in combinations(systems, 2):
        paired = [_paired(tallies, name, a, b) for name in members]
        if all(paired):
            strata: Strata = [_task_means(differences) for differences in paired]
            found.append((a, b, sum(map(len, paired)), compare(strata, seed)))
    corrected = holm([comparison.p for *_, comparison in found])
    for (a, b, pairs, comparison), p in zip(found, corrected, strict=True):
        yield SystemDifference(family, a, b, pairs, comparison, p)


def _paired(tallies: Tallies, dataset: str, a: str, b: str) -> dict[Key, float]:
    empty = _Tally()
    ours, theirs = (tallies.get((dataset, system), empty).scores for system in (a, b))
    return {key: score - theirs[key] for key, score in ours.items() if key in theirs}
