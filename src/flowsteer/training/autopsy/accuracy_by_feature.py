"""Which workflows are right: accuracy by what a workflow has, for each type of task, late in a run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from flowsteer.reporting.statistics import Estimate, estimate
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.training.autopsy.training_record import TrainingEpisode
from flowsteer.workflow.nodes import Category

LATE = 3
"""The last part of so many is late: long enough for a thousand episodes in a short run, and near what is learned."""

ANY = "any "
"""What features that are a category of operators begin with."""

_SIZES = ((3, "1–3 operators"), (6, "4–6 operators"), (9, "7–9 operators"))


@dataclass(frozen=True, slots=True)
class Share:
    """How often some workflows were right.

    Attributes:
        right: Mean over tasks of the mean score of a task's episodes, with its interval: episodes of one task are not
            independent. None if there are none.
        episodes: How many there are.
    """

    right: Estimate | None
    episodes: int


@dataclass(frozen=True, slots=True)
class FeatureAccuracy:
    """Accuracy of one type of task by one feature of its workflows.

    Attributes:
        type: The type of task.
        feature: What a workflow has.
        having: Of workflows that have it.
        lacking: Of those that have it not.
    """

    type: str
    feature: str
    having: Share
    lacking: Share

    @property
    def difference(self) -> float | None:
        """How much more often workflows that have it are right; None if one side is empty."""
        if self.having.right is None or self.lacking.right is None:
            return None
        return self.having.right.mean - self.lacking.right.mean


def late(episodes: Sequence[TrainingEpisode]) -> list[TrainingEpisode]:
    """The episodes of the last third of the steps."""
    last = max((one.step for one in episodes), default=0)
    return [one for one in episodes if one.step > last - -(-last // LATE)]


def features(summary: EpisodeSummary, categories: Mapping[str, Category]) -> set[str]:
    """What a workflow has: operators and their categories, structures, and its size.

    Args:
        summary: Its episode.
        categories: Each operator's category.
    """
    found = set(summary.operators) | {f"{ANY}{categories[name]}" for name in summary.operators if name in categories}
    found |= {f"a {kind}" for kind, number in summary.structures.items() if number}
    size = sum(summary.operators.values())
    return found | {next((name for most, name in _SIZES if size <= most), "10 or more operators")}


def accuracy_by_feature(
    episodes: Iterable[TrainingEpisode], categories: Mapping[str, Category]
) -> tuple[FeatureAccuracy, ...]:
    """Accuracy by feature, type by type; within a type, what tells most apart comes first.

    Args:
        episodes: Episodes; those without a score are left out.
        categories: Each operator's category.
    """
    by_type: dict[str, list[tuple[set[str], EpisodeSummary]]] = {}
    for one in episodes:
        if one.summary.score is not None:
            known = by_type.setdefault(one.summary.type, [])
            known.append((features(one.summary, categories), one.summary))
    found = []
    for kind, scored in sorted(by_type.items()):
        having: dict[str, list[int]] = {}
        for number, (has, _) in enumerate(scored):
            for name in has:
                having.setdefault(name, []).append(number)
        told = {name: numbers for name, numbers in having.items() if not name.startswith(ANY)}
        # of a category with a single operator, its own line would say the same again
        told |= {name: numbers for name, numbers in having.items() if numbers not in told.values()}
        rows = [
            FeatureAccuracy(
                kind,
                name,
                _share([scored[number][1] for number in numbers]),
                _share([summary for has, summary in scored if name not in has]),
            )
            for name, numbers in sorted(told.items())
        ]
        found += sorted(rows, key=lambda row: -abs(row.difference or 0.0))
    return tuple(found)


def _share(summaries: Sequence[EpisodeSummary]) -> Share:
    by_task: dict[tuple[str, str], list[float]] = {}
    for one in summaries:
        by_task.setdefault((one.dataset, one.task), []).append(one.score or 0.0)
    return Share(estimate([[fmean(scores) for scores in by_task.values()]]) if by_task else None, len(summaries))
