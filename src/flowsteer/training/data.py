"""The tasks of a training run: what is learned on, in which order, and what is held out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, MinLen

from flowsteer.datasets.base import Sample
from flowsteer.datasets.excerpt import excerpt
from flowsteer.datasets.registry import load_samples
from flowsteer.datasets.splits import check_disjoint, shuffled, split, take
from flowsteer.errors import ConfigError
from flowsteer.evaluation.task_sets import label_of
from flowsteer.session import seed_of
from flowsteer.task import Task

Parts = Sequence[Sequence[Sample]]
"""Tasks to learn on, to validate on and to test on."""


@dataclass(frozen=True, slots=True)
class OwnData:
    """What differs for one dataset; what is not given is as for all.

    Attributes:
        train: Split that is trained on.
        test: Split that is tested on.
        tasks: Training tasks.
        validation_tasks: Validation tasks.
        test_tasks: Test tasks.
        overlap: Whether tasks that are tested on may be trained on, too: what the paper does, and nobody should.
    """

    train: str | None = None
    test: str | None = None
    tasks: Annotated[int, Ge(1)] | None = None
    validation_tasks: Annotated[int, Ge(0)] | None = None
    test_tasks: Annotated[int, Ge(1)] | None = None
    overlap: bool = False


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What a policy learns on.

    Attributes:
        datasets: Names, or paths of `.jsonl` files, in turn.
        data: Folder of `NAME.jsonl` files to read instead of downloading.
        train: Split that is trained on.
        validation: Split that tells, on the way, which policy is best.
        test: Split that `before` and `after` are measured on.
        tasks: Training tasks of each dataset.
        validation_tasks: Validation tasks of each dataset; needed only with `update.validate_every`.
        test_tasks: Test tasks of each dataset.
        cut: Whether each dataset is one list of rows, as a file without splits is, that is cut into the three parts by
            the seed; it is read as the split `train`.
        context_words: Contexts are cut to so many words (see `flowsteer.datasets.excerpt`); None leaves them whole.
        own: What differs for single datasets, by name.
    """

    datasets: Annotated[tuple[str, ...], MinLen(1)] = ("simulated:math", "simulated:qa", "simulated:code")
    data: Path | None = None
    train: str = "train"
    validation: str = "validation"
    test: str = "test"
    tasks: Annotated[int, Ge(1)] = 1000
    validation_tasks: Annotated[int, Ge(0)] = 0
    test_tasks: Annotated[int, Ge(1)] = 100
    cut: bool = False
    context_words: Annotated[int, Ge(1)] | None = None
    own: Mapping[str, OwnData] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What differs, differs for a dataset that is there."""
        if unknown := sorted(set(self.own) - set(self.datasets)):
            raise ValueError(f"own speaks of {', '.join(unknown)}, which is not among the datasets")

    def of(self, name: str) -> "DataSettings":
        """The settings of one dataset alone."""
        differs = asdict(self.own.get(name, OwnData()))
        del differs["overlap"]
        given = {key: value for key, value in differs.items() if value is not None}
        return replace(self, datasets=(name,), own={}, **given)

    @property
    def overlapping(self) -> frozenset[str]:
        """Datasets whose test tasks may be trained on."""
        return frozenset(name for name, own in self.own.items() if own.overlap)


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


def load_tasks(data: DataSettings, seed: int) -> TaskSplits:
    """Load the tasks of a run; the same ones for the same seed.

    Raises:
        ConfigError: A dataset is unknown or too small, two parts share a task that are to be disjoint, or two tasks to
            validate or to test on are of one dataset and have one id.
    """
    parts: dict[str, list[Sample]] = {"training": [], "validation": [], "test": []}
    apart: dict[str, list[Sample]] = {part: [] for part in parts}
    for name, found in _told_apart([(name, _loaded(name, data.of(name), seed)) for name in data.datasets]):
        for part, rows in zip(parts, found, strict=True):
            parts[part] += rows
            apart[part] += [] if name in data.overlapping else map(_by_name, rows)
    check_disjoint(apart)
    for part in ("validation", "test"):
        take(map(_by_name, parts[part]), None)
    return TaskSplits(*map(tuple, parts.values()))


def name_of(task: Task) -> str:
    """What a task is called in a run: ids are unique within a dataset only.

    >>> name_of(Task("1 + 1?", id="7", dataset="gsm8k")), name_of(Task("1 + 1?", id="7"))
    ('gsm8k/7', '7')
    """
    return "/".join(filter(None, (task.dataset, task.id)))


def _by_name(sample: Sample) -> Sample:
    """The sample with its name for an id."""
    return replace(sample, task=replace(sample.task, id=name_of(sample.task)))


def _told_apart(datasets: Sequence[tuple[str, Parts]]) -> Sequence[tuple[str, Parts]]:
    """The datasets; where two share ids, tasks that name no dataset are of the one they stand in.

    Elsewhere they stay as they are: what older runs and recordings say of them still fits.
    """
    names = Counter(name for _, parts in datasets for name in {name_of(row.task) for rows in parts for row in rows})
    if not names or names.most_common(1)[0][1] == 1:
        return datasets
    return [
        (dataset, [[_within(row, label_of(dataset)) for row in rows] for rows in parts]) for dataset, parts in datasets
    ]


def _within(sample: Sample, dataset: str) -> Sample:
    return replace(sample, task=replace(sample.task, dataset=sample.task.dataset or dataset))


def _loaded(name: str, data: DataSettings, seed: int) -> Parts:
    """Training, validation and test tasks of a dataset, with contexts as long as is asked for."""
    found, words = (_cut if data.cut else _splits)(name, data, seed), data.context_words
    return found if words is None else [[excerpt(row, words) for row in rows] for rows in found]


def _splits(name: str, data: DataSettings, seed: int) -> Parts:
    """Training, validation and test tasks of a dataset, each from a split of its own."""
    asked = (data.train, data.tasks), (data.validation, data.validation_tasks), (data.test, data.test_tasks)
    return [load_samples(name, part, count, seed, data.data) if count else [] for part, count in asked]


def _cut(name: str, data: DataSettings, seed: int) -> Parts:
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

    @property
    def kinds(self) -> int:
        """How many kinds there are; as many rows on, the same kind is met again."""
        return len(self._kinds)

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
