"""The tasks of an evaluation: those that are tested on, and apart from them those that designers may look at."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flowsteer.datasets.base import Sample
from flowsteer.datasets.registry import ENDLESS_DEFAULT, find_dataset, generated, load_samples
from flowsteer.datasets.splits import check_disjoint, overlap, shuffled
from flowsteer.errors import ConfigError
from flowsteer.evaluation.design import Designer
from flowsteer.evaluation.evaluation_config import EvaluationConfig
from flowsteer.evaluation.systems import System


@dataclass(frozen=True, slots=True)
class TaskSets:
    """Samples by dataset, under the name that episodes carry.

    Attributes:
        test: What systems are compared on.
        validation: What designers choose by; disjoint from `test`, empty where no designer is among the systems.
    """

    test: Mapping[str, Sequence[Sample]]
    validation: Mapping[str, Sequence[Sample]]


def load_tasks(config: EvaluationConfig, systems: Sequence[System | Designer] = ()) -> TaskSets:
    """Load the tasks of an evaluation; the same ones for the same configuration.

    Validation tasks come from the dataset's `validation` or `train` split; where there is none, as in a file, they are
    rows that are then not tested on.

    Raises:
        ConfigError: A dataset is unknown or too small, two have one name, or test and validation share a task.
    """
    needed = needed_for_validation(systems)
    test: dict[str, Sequence[Sample]] = {}
    validation: dict[str, Sequence[Sample]] = {}
    for name in config.datasets:
        label = label_of(name)
        if label in test:
            raise ConfigError(f"two datasets are called {label}", "name each dataset once")
        test[label], validation[label] = samples_of(name, needed, config)
        check_disjoint({f"test of {label}": test[label], f"validation of {label}": validation[label]})
    return TaskSets(test, validation)


def load_tested(plans: Sequence[EvaluationConfig]) -> dict[str, list[Sample]]:
    """Load the tasks of a run that was started more than once, as far as they are there.

    Args:
        plans: What it was started with, the latest first. A dataset of an earlier start that cannot be loaded any more
            is passed over: the data may have been moved, and the latest start then says where to.

    Raises:
        ConfigError: A dataset of the latest start is unknown or too small.
    """
    found = {name: {one.task.id: one for one in samples} for name, samples in load_tasks(plans[0]).test.items()}
    for plan in plans[1:]:
        for name in plan.datasets:
            with suppress(ConfigError):
                for sample in samples_of(name, 0, plan)[0]:
                    found.setdefault(label_of(name), {}).setdefault(sample.task.id, sample)
    return {name: list(samples.values()) for name, samples in found.items()}


def needed_for_validation(systems: Sequence[System | Designer]) -> int:
    """Validation tasks of each dataset that the designers among the systems need."""
    return max((system.tasks for system in systems if isinstance(system, Designer)), default=0)


def label_of(name: str) -> str:
    """What a dataset is called in a run: its name, or a file's name without its ending."""
    return Path(name).stem if name.endswith(".jsonl") else name


def validation_split(name: str, config: EvaluationConfig) -> str | None:
    """The split that validation tasks come from; None if they must be taken from what is tested on."""
    if name.endswith(".jsonl") or (config.data is not None and not generated(name)):
        return None
    splits = [split for split in ("validation", "train") if split in find_dataset(name).splits]
    return next((split for split in splits if split != config.split), None)


def samples_of(name: str, needed: int, config: EvaluationConfig) -> tuple[list[Sample], list[Sample]]:
    """Test and validation samples of one dataset.

    Args:
        name: The dataset.
        needed: Validation samples wanted.
        config: The evaluation.

    Raises:
        ConfigError: There is no such dataset, or it is too small.
    """
    other = validation_split(name, config) if needed else None
    skip = config.skip
    if generated(name):
        test = load_samples(name, config.split, skip + (config.limit or ENDLESS_DEFAULT), config.seed)[skip:]
        return test, load_samples(name, other, needed, config.seed) if other else []
    rows = load_samples(name, config.split, None, config.seed, config.data)
    spare = 0 if other else needed
    order = shuffled(rows, config.seed) if spare or config.limit or skip else rows
    # From the end, so that they stay what they are when a run is extended to more tasks.
    kept = len(order) - spare
    if skip >= kept:
        left_out = f"leave out {skip}, " if skip else ""
        raise ConfigError(
            f"{name} has {len(rows)} rows, too few to {left_out}test on some and choose a workflow by {spare} others",
            "leave out the systems fixed:best and search, skip fewer, or name a larger dataset",
        )
    test = order[skip:kept][: config.limit]
    return test, order[kept:] if other is None else _apart_from(rows, name, other, needed, config)


def _apart_from(tested: list[Sample], name: str, split: str, needed: int, config: EvaluationConfig) -> list[Sample]:
    """Samples of another split that share nothing with the one tested on: public splits hold some questions twice."""
    rows = load_samples(name, split, None, config.seed, config.data)
    shared = set(overlap(tested, rows))
    return [sample for sample in shuffled(rows, config.seed) if sample.task.id not in shared][:needed]
