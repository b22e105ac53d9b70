"""The figures of a run as records: what tables, reports and JSON are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flowsteer.reporting.statistics import Comparison, Estimate

JSON = dict[str, Any]

POOLED = ""
"""Stands where the name of a dataset would, for figures over several."""

LEVEL = 0.05
"""A corrected p-value below is called significant."""


@dataclass(frozen=True, slots=True)
class Use:
    """What an episode takes on average.

    Attributes:
        turns: Turns of the Director; 0 for systems without one.
        director_tokens: Tokens the Director read and wrote.
        executor_tokens: Tokens the operators' calls read and wrote.
        calls: Calls of operators and Director.
        cost: US dollars; None when the price of any episode is unknown.
        seconds: Wall time.
        finished: Share of episodes whose Director finished by itself; None for systems without one.
    """

    turns: float
    director_tokens: float
    executor_tokens: float
    calls: float
    cost: float | None
    seconds: float
    finished: float | None

    @property
    def tokens(self) -> float:
        """Tokens of Director and operators."""
        return self.director_tokens + self.executor_tokens


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """One system on one dataset.

    Attributes:
        dataset: Name of the dataset.
        system: Name of the system.
        type: `math`, `qa` or `code`; empty if nothing of the dataset was run.
        scored: Episodes with a score.
        unscorable: Reasons why no score could be given, with counts.
        errors: Infrastructure failures, with counts; running the evaluation again retries them.
        missing: Episodes that the plan asks for, or another system has on this dataset, and this one has not, not even
            as an error.
        score: The score, its interval over tasks; None if nothing is scored.
        metrics: All metrics, likewise.
        pass_at: pass@k by k, where each task was tried more than once and scores are 0 or 1.
        use: What an episode takes; None if every episode is an error.
        operators: Operators in the final workflow, mean number per episode.
        structures: Structures in the final workflow, mean number per episode.
        failures: Failed nodes and rejected edits by kind, counted.
    """

    dataset: str
    system: str
    type: str
    scored: int
    unscorable: Mapping[str, int]
    errors: Mapping[str, int]
    missing: int
    score: Estimate | None
    metrics: Mapping[str, Estimate]
    pass_at: Mapping[int, float]
    use: Use | None
    operators: Mapping[str, float]
    structures: Mapping[str, float]
    failures: Mapping[str, int]

    @property
    def coverage(self) -> float:
        """Scored episodes as a share of all that are known to belong here."""
        return self.scored / (self.scored + self.unscorable_count + self.error_count + self.missing)

    @property
    def unscorable_count(self) -> int:
        """Episodes that could not be scored."""
        return sum(self.unscorable.values())

    @property
    def error_count(self) -> int:
        """Episodes lost to infrastructure."""
        return sum(self.errors.values())


@dataclass(frozen=True, slots=True)
class Pooled:
    """One system over datasets, each of which counts the same (macro mean).

    Attributes:
        system: Name of the system.
        datasets: The datasets that every system has scores on; only these are pooled, so that systems compare.
        score: The mean of their means; None without such datasets.
        use: What an episode takes, likewise.
    """

    system: str
    datasets: tuple[str, ...]
    score: Estimate | None
    use: Use | None


@dataclass(frozen=True, slots=True)
class SystemDifference:
    """How much system `a` scores above `b` on the same (task, epoch) pairs.

    Attributes:
        dataset: Name of the dataset; `POOLED` for all that every system has scores on.
        a: The one system.
        b: The other.
        pairs: Episodes of each that are compared.
        comparison: Mean difference over tasks, interval and p-value.
        p_holm: The p-value corrected for all pairs of systems on this dataset.
    """

    dataset: str
    a: str
    b: str
    pairs: int
    comparison: Comparison
    p_holm: float

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below `LEVEL`."""
        return self.p_holm < LEVEL


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run.

    Attributes:
        systems: Names of the systems, in the order of the report.
        datasets: Names of the datasets, likewise.
        episodes: Episodes in the run.
        uncounted: Datasets of which the plan does not say how many tasks they have: of these, only what another system
            has is known to be missing.
        cells: Every system on every dataset where it has episodes, or the plan asks for some.
        pooled: Every system over datasets; empty if there is only one dataset.
        differences: Every pair of systems, on each dataset and pooled.
    """

    systems: tuple[str, ...]
    datasets: tuple[str, ...]
    episodes: int
    uncounted: tuple[str, ...]
    cells: tuple[ScoreCell, ...]
    pooled: tuple[Pooled, ...]
    differences: tuple[SystemDifference, ...]

    @property
    def done(self) -> int:
        """Episodes that came to their end."""
        return sum(cell.scored + cell.unscorable_count for cell in self.cells)

    @property
    def asked(self) -> int:
        """Episodes that are known to belong to the run: those done, lost and missing."""
        return self.done + sum(cell.error_count + cell.missing for cell in self.cells)

    def cell(self, dataset: str, system: str) -> ScoreCell | None:
        """One system on one dataset, if it has episodes there or is to have some."""
        return next((cell for cell in self.cells if (cell.dataset, cell.system) == (dataset, system)), None)

    def difference(self, dataset: str, a: str, b: str) -> SystemDifference | None:
        """What compares two systems, whichever of them comes first."""
        pairs = {(a, b), (b, a)}
        return next(
            (found for found in self.differences if found.dataset == dataset and (found.a, found.b) in pairs), None
        )


def standing(summary: Summary, dataset: str, system: str) -> Literal["best", "worse", ""]:
    """How a system stands on a dataset (or `POOLED`).

    Returns:
        `best` for the highest mean, `worse` if it is significantly below the best on the tasks of both; empty if the
        data cannot tell.
    """
    scores = {row.system: row.score for row in rows_of(summary, dataset) if row.score is not None}
    if system not in scores:
        return ""
    best = max(scores, key=lambda name: scores[name].mean)
    if scores[system].mean == scores[best].mean:
        return "best"
    found = summary.difference(dataset, best, system)
    if found is None or not found.significant:
        return ""
    below = found.comparison.difference.mean * (1 if found.a == best else -1)
    return "worse" if below > 0 else ""


def rows_of(summary: Summary, dataset: str) -> Sequence[ScoreCell | Pooled]:
    """Every system on one dataset, or pooled."""
    if dataset == POOLED:
        return summary.pooled
    return [cell for cell in summary.cells if cell.dataset == dataset]


def to_json(summary: Summary) -> JSON:
    """The figures as plain JSON values."""
    plain = asdict(summary) | {"done": summary.done, "asked": summary.asked}
    for cell, values in zip(summary.cells, plain["cells"], strict=True):
        values["coverage"] = cell.coverage
    for difference, values in zip(summary.differences, plain["differences"], strict=True):
        values["significant"] = difference.significant
    return plain
