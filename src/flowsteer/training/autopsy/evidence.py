"""What a run folder shows of why a policy learned what it learned: figures, and no judgement."""

from dataclasses import dataclass
from typing import Any

from flowsteer.training.autopsy.accuracy_by_feature import FeatureAccuracy, accuracy_by_feature, late
from flowsteer.training.autopsy.frequent_workflows import FrequentWorkflow, frequent
from flowsteer.training.autopsy.rejections import WindowTurns, count_turns
from flowsteer.training.autopsy.training_record import TrainingRecord
from flowsteer.training.autopsy.windows import WindowMeans, cut, means

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TypeAccuracy:
    """Greedy accuracy on the test tasks of one type.

    Attributes:
        type: The type of task.
        before: Of the policy that RL began with; None if it is not recorded.
        after: Of the trained one; likewise.
        tasks: Test tasks of the type; 0 if their episodes are not recorded.
    """

    type: str
    before: float | None
    after: float | None
    tasks: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a training run shows.

    Attributes:
        run: Its folder.
        steps: Steps that were taken.
        asked: Steps that were asked for; None where the folder says so only by default.
        finished: Whether the run came to its end.
        episodes: Training episodes that are recorded.
        late_from: First step of what counts as late; 0 without training episodes.
        variant: Which reward was paid.
        taught: The kinds of action that the cold start taught; empty if it is not recorded.
        course: What was measured, over time.
        turns: What the policy said, over time; without counts if no training episode is recorded.
        features: Accuracy by workflow feature, late in the run.
        workflows: The most frequent workflows on the test tasks, greedily.
        accuracy: Accuracy on the test tasks, greedily.
        missing: What is not recorded, in words.
    """

    run: str
    steps: int
    asked: int | None
    finished: bool
    episodes: int
    late_from: int
    variant: str
    taught: tuple[str, ...]
    course: tuple[WindowMeans, ...]
    turns: tuple[WindowTurns, ...]
    features: tuple[FeatureAccuracy, ...]
    workflows: tuple[FrequentWorkflow, ...]
    accuracy: tuple[TypeAccuracy, ...]
    missing: tuple[str, ...]


def gather(record: TrainingRecord) -> Evidence:
    """Count all that is told of a run; its events are read once, an episode at a time."""
    windows, recent = cut(record.steps), late(record.episodes)
    turns, damaged = count_turns(record, windows)
    unread = (f"{damaged} training episodes are damaged, and none of their turns is counted",) if damaged else ()
    return Evidence(
        run=str(record.folder.path),
        steps=record.steps,
        asked=record.settings.get("update", {}).get("steps"),
        finished=record.finished,
        episodes=len(record.episodes),
        late_from=min((one.step for one in recent), default=0),
        variant=record.settings.get("reward", {}).get("variant", "cwrpo"),
        taught=_taught(record.coldstart),
        course=means(record.metrics, windows),
        turns=turns,
        features=accuracy_by_feature(recent, record.categories()),
        workflows=frequent(record.tests),
        accuracy=_accuracy(record),
        missing=(*record.missing, *unread),
    )


def _accuracy(record: TrainingRecord) -> tuple[TypeAccuracy, ...]:
    before, after = (_by_type(part) for part in (record.before, record.after))
    tested = next((found for found in record.tests.values() if found), ())
    return tuple(
        TypeAccuracy(kind, before.get(kind), after.get(kind), sum(one.type == kind for one in tested))
        for kind in sorted(before | after)
    )


def _by_type(figures: JSON) -> dict[str, float]:
    """Accuracy by type; what is no number, as in a damaged file, is left out."""
    found = figures.get("by_type")
    plain = found.items() if isinstance(found, dict) else ()
    return {kind: value for kind, value in plain if isinstance(value, int | float)}


def _taught(coldstart: JSON) -> tuple[str, ...]:
    """Kinds of action, likewise."""
    found = coldstart.get("taught")
    return tuple(kind for kind in found if isinstance(kind, str)) if isinstance(found, list) else ()
