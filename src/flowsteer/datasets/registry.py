"""Datasets by name: the built-in ones, users' own from entry points, and any JSONL file by its path."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from itertools import islice
from pathlib import Path

from flowsteer.datasets import hotpot_short, plain_tasks
from flowsteer.datasets.base import Sample
from flowsteer.datasets.hub import SOURCES, hub_samples
from flowsteer.datasets.local import read_samples, stems
from flowsteer.datasets.procedural import FAMILIES, procedural_samples
from flowsteer.datasets.released import own_name
from flowsteer.datasets.simulated_tasks import TYPES, simulated_samples
from flowsteer.datasets.splits import take
from flowsteer.errors import ConfigError
from flowsteer.settings import whole_number
from flowsteer.suggestions import did_you_mean

GROUP = "flowsteer.datasets"
"""Entry-point group: each entry point loads to a `Dataset`."""

ENDLESS_DEFAULT = 128
"""How many samples an endless dataset gives when no number is asked for: the paper's evaluation size."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named source of samples.

    Attributes:
        name: What users type.
        splits: The splits it has.
        load: From split and seed to samples; the seed matters for endless ones only.
        summary: One line for lists.
        endless: Whether `load` never ends.
    """

    name: str
    splits: tuple[str, ...]
    load: Callable[[str, int], Iterable[Sample]]
    summary: str = ""
    endless: bool = False


def load_samples(
    name: str, split: str = "test", n: int | None = None, seed: int = 0, data: Path | None = None
) -> list[Sample]:
    """Samples of a dataset, drawn by seed: the same ones for the same arguments.

    Args:
        name: `gsm8k`, `simulated:math`, `procedural`, an installed dataset, or a path to a `.jsonl` file.
        split: A split of it; files have none.
        n: How many; all (of endless datasets 128) for None.
        seed: Which ones.
        data: Folder of `NAME.jsonl` files to read instead of downloading.

    Raises:
        ConfigError: If there is no such dataset or split, there are fewer than `n` samples, or a number does not fit.
    """
    n = None if n is None else whole_number(n, "the number of samples", "n=8, or leave n out for all")
    seed = whole_number(seed, "the seed of the samples", "0 is the usual one")
    if name.endswith(".jsonl"):
        return take(read_samples(Path(name)), n, seed)
    if data is not None and not generated(name):
        return take(_from_folder(name, data), n, seed)
    dataset = find_dataset(name)
    if split not in dataset.splits:
        raise ConfigError(f"{name} has no split {split!r}", f"splits: {', '.join(dataset.splits)}")
    if dataset.endless:
        return list(islice(dataset.load(split, seed), ENDLESS_DEFAULT if n is None else n))
    return take(dataset.load(split, seed), n, seed)


def find_dataset(name: str) -> Dataset:
    """The dataset of this name.

    Raises:
        ConfigError: If there is none, or its entry point is no `Dataset`.
    """
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            loaded = entry.load()
            if not isinstance(loaded, Dataset):
                raise ConfigError(f"entry point {name!r} of group {GROUP} is no Dataset but {type(loaded).__name__}")
            return loaded
    if own_name(name) in BUILT_IN:
        return BUILT_IN[own_name(name)]
    raise ConfigError(
        f"there is no dataset {name!r}.{did_you_mean(name, dataset_names())}",
        f"one of: {', '.join(dataset_names())}; or a path to a .jsonl file",
    )


def dataset_names() -> list[str]:
    """Names of all built-in and installed datasets."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))})


def generated(name: str) -> bool:
    """Whether a dataset is made here, so that it has as many samples as asked for."""
    return name.partition(":")[0] in ("simulated", plain_tasks.NAME, "procedural")


def _from_folder(name: str, folder: Path) -> Iterable[Sample]:
    own = folder / f"{name}.jsonl"
    if not own.is_file():
        own = folder / f"{own_name(name)}.jsonl"
    if name == hotpot_short.NAME and not own.is_file():
        return map(hotpot_short.shorten, read_samples(folder / "hotpotqa.jsonl"))
    if not own.is_file():
        there = stems(folder)
        raise ConfigError(
            f"{folder} holds no {name}.jsonl.{did_you_mean(name, there)}",
            f"datasets there: {', '.join(there) or 'none'}",
        )
    return read_samples(own)


def _hub(name: str) -> Dataset:
    return Dataset(
        name, tuple(SOURCES[name]), lambda split, _: hub_samples(name, split), "public benchmark, downloaded"
    )


def _shortened(split: str, _: int) -> Iterable[Sample]:
    return map(hotpot_short.shorten, hub_samples("hotpotqa", split))


def _generated() -> Iterable[Dataset]:
    splits = ("train", "validation", "test")
    yield Dataset("simulated", splits, simulated_samples, "tasks of the simulated world, all types in turn", True)
    for kind in TYPES:
        load = partial(simulated_samples, types=(kind,))
        yield Dataset(f"simulated:{kind}", splits, load, f"{kind} tasks of the simulated world", True)
    for kind in TYPES:
        load = partial(plain_tasks.plain_samples, types=(kind,))
        yield Dataset(f"{plain_tasks.NAME}:{kind}", splits, load, f"{kind} tasks that look as real ones do", True)
    yield Dataset("procedural", splits, procedural_samples, "reasoning-gym, all families in turn", True)
    for family, kind in FAMILIES.items():
        load = partial(procedural_samples, families=(family,))
        yield Dataset(f"procedural:{family}", splits, load, f"reasoning-gym, {kind}", True)


BUILT_IN: Mapping[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        *map(_hub, SOURCES),
        Dataset(hotpot_short.NAME, tuple(SOURCES["hotpotqa"]), _shortened, "HotpotQA, contexts cut to 400 words"),
        *_generated(),
    )
}
"""The datasets that come with the package, by name."""
