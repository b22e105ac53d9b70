"""The tasks of a training run: what is learned on, in which order, and what is held out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowsteer.datasets.base import Sample
from flowsteer.datasets.excerpt import excerpt
from flowsteer.datasets.registry import load_samples
from flowsteer.datasets.splits import check_disjoint, shuffled, split
from flowsteer.errors import ConfigError
from flowsteer.session import seed_of
from flowsteer.training.config import DataConfig


@dataclass(frozen=True, slots=True)
class TaskSplits:
    """The tasks of a run, in three disjoint parts.

    Attributes:
        train: What is learned on.
        validation: What tells, on the way, which policy is best; empty unless that is asked for.
        test: What `before` and `after` are measured on; nothing is chosen by it.
    """

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    test: tuple[Sample, ...]


def load_tasks(data: DataConfig, seed: int) -> TaskSplits:
    """Load the tasks of a run; the same ones for the same seed.

    Raises:
        ConfigError: A dataset is unknown or too small, or two parts share a task that are to be disjoint.
    """
    parts: dict[str, list[Sample]] = {"training": [], "validation": [], "test": []}
    apart: dict[str, list[Sample]] = {part: [] for part in parts}
    for name in data.datasets:
        own = data.of(name)
        for part, found in zip(parts, (_cut if own.cut else _splits)(name, own, seed), strict=True):
            words = own.context_words
            rows = list(found) if words is None else [excerpt(row, words) for row in found]
            parts[part] += rows
            apart[part] += [] if name in data.overlapping else rows
    check_disjoint(apart)
    return TaskSplits(*map(tuple, parts.values()))


def _splits(name: str, data: DataConfig, seed: int) -> list[Sequence[Sample]]:
    """Training, validation and test tasks of a dataset, each from a split of its own."""
    asked = (data.train, data.tasks), (data.validation, data.validation_tasks), (data.test, data.test_tasks)
    return [load_samples(name, part, count, seed, data.data) if count else [] for part, count in asked]


def _cut(name: str, data: DataConfig, seed: int) -> list[Sequence[Sample]]:
    """Training, validation and test tasks of a dataset, cut from one list."""
    rows = load_samples(name, data.train, None, seed, data.data)
    left = len(rows) - data.validation_tasks - data.test_tasks
    if left < data.tasks:
        raise ConfigError(
            f"{name} has {len(rows)} tasks; {data.tasks} to train, {data.validation_tasks} to validate and "
            f"{data.test_tasks} to test were asked for",
            f"--set data.tasks={left}" if left > 0 else "--set data.test_tasks=N",
        )
    parts = split(rows, data.validation_tasks, data.test_tasks, seed)
    return [parts.train[: data.tasks], parts.validation, parts.test]


class Schedule:
    """Tasks in the order they are met: the datasets in turn, each shuffled anew for every pass over it.

    Args:
        samples: Training tasks; those of one dataset and type form a kind.
        seed: Seed of the shuffles.

    >>> from flowsteer.task import Task
    >>> from flowsteer.datasets.base import Reference
    >>> made = [Sample(Task(q, t, id=q, dataset=t), Reference()) for q, t in (("a", "qa"), ("b", "qa"), ("c", "math"))]
    >>> [Schedule(made, 0)[row].task.type for row in range(4)]
    ['math', 'qa', 'math', 'qa']
    """

    def __init__(self, samples: Iterable[Sample], seed: int) -> None:
        kinds: dict[tuple[str, str], list[Sample]] = {}
        for sample in samples:
            kinds.setdefault((sample.task.dataset, sample.task.type), []).append(sample)
        self._kinds = [kinds[kind] for kind in sorted(kinds)]
        self._seed = seed
        self._passes: dict[tuple[int, int], list[Sample]] = {}

    def __getitem__(self, row: int) -> Sample:
        """The task of a group, by the group's number since the run began."""
        number, kind = divmod(row, len(self._kinds))
        return self._at(kind, number)

    def peers(self, row: int, count: int) -> list[Sample]:
        """Different tasks of one kind for a group, by the group's number: the public code's way of grouping.

        Each pass is dealt in whole groups; what is left of it is met in another pass.

        Raises:
            ConfigError: The kind has fewer tasks.
        """
        number, kind = divmod(row, len(self._kinds))
        task, have = self._kinds[kind][0].task, len(self._kinds[kind])
        if have < count:
            raise ConfigError(
                f"a group of {count} different tasks cannot be made of the {have} {task.type} tasks of {task.dataset}",
                f"--set data.tasks=N with more tasks, or --set update.group={max(2, have)}",
            )
        turn, place = divmod(number, have // count)
        return self._pass(kind, turn)[place * count : (place + 1) * count]

    def _at(self, kind: int, number: int) -> Sample:
        """A kind's task number so and so, counted over all passes."""
        turn, place = divmod(number, len(self._kinds[kind]))
        return self._pass(kind, turn)[place]

    def _pass(self, kind: int, turn: int) -> list[Sample]:
        """A kind's tasks in the order of a pass."""
        if (kind, turn) not in self._passes:
            self._passes[kind, turn] = shuffled(self._kinds[kind], seed_of(self._seed, f"pass/{turn}"))
        return self._passes[kind, turn]
