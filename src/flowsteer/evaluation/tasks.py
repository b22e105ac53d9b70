"""The tasks of an evaluation: those that are tested on, and apart from them those that designers may look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowsteer.datasets.base import Sample
from flowsteer.datasets.registry import find_dataset, load_samples
from flowsteer.datasets.splits import check_disjoint
from flowsteer.errors import ConfigError
from flowsteer.evaluation.config import EvaluationConfig
from flowsteer.evaluation.design import Designer
from flowsteer.evaluation.systems import System


@dataclass(frozen=True, slots=True)
class Tasks:
    """Samples by dataset, under the name that episodes carry.

    Attributes:
        test: What systems are compared on.
        validation: What designers choose by; disjoint from `test`, empty where no designer is among the systems.
    """

    test: Mapping[str, Sequence[Sample]]
    validation: Mapping[str, Sequence[Sample]]


def load_tasks(config: EvaluationConfig, systems: Sequence[System | Designer] = ()) -> Tasks:
    """Load the tasks of an evaluation; the same ones for the same configuration.

    Validation tasks come from the dataset's `validation` or `train` split; where there is none, as in a file, from the
    rows that are not tested on.

    Raises:
        ConfigError: A dataset is unknown or too small, or two have one name.
    """
    needed = needed_for_validation(systems)
    test: dict[str, Sequence[Sample]] = {}
    validation: dict[str, Sequence[Sample]] = {}
    for name in config.datasets:
        label = label_of(name)
        if label in test:
            raise ConfigError(f"two datasets are called {label}", "name each dataset once")
        test[label], validation[label] = _parts(name, needed, config)
        check_disjoint({f"test of {label}": test[label], f"validation of {label}": validation[label]})
    return Tasks(test, validation)


def needed_for_validation(systems: Sequence[System | Designer]) -> int:
    """Validation tasks of each dataset that the designers among the systems need."""
    return max((system.tasks for system in systems if isinstance(system, Designer)), default=0)


def label_of(name: str) -> str:
    """What a dataset is called in a run: its name, or a file's name without its ending."""
    return Path(name).stem if name.endswith(".jsonl") else name


def validation_split(name: str, config: EvaluationConfig) -> str | None:
    """The split that validation tasks come from; None if they must be taken from what is tested on."""
    generated = name.partition(":")[0] in ("simulated", "procedural")
    if name.endswith(".jsonl") or (config.data is not None and not generated):
        return None
    splits = [split for split in ("validation", "train") if split in find_dataset(name).splits]
    return next((split for split in splits if split != config.split), None)


def _parts(name: str, needed: int, config: EvaluationConfig) -> tuple[list[Sample], list[Sample]]:
    if not needed:
        return load_samples(name, config.split, config.limit, config.seed, config.data), []
    split = validation_split(name, config)
    if split is not None:
        test = load_samples(name, config.split, config.limit, config.seed, config.data)
        return test, load_samples(name, split, needed, config.seed, config.data)
    if config.limit is None:
        raise ConfigError(
            f"all rows of {name} are tested on, so none is left to choose a workflow by",
            f"leave {needed} of them: --limit N",
        )
    rows = load_samples(name, config.split, config.limit + needed, config.seed, config.data)
    return rows[: config.limit], rows[config.limit :]
