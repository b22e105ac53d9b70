"""The twelve datasets as they stand on the hub, brought into plain rows (optional extra `data`).

The table says where each split is. No revision could be checked when this table was written, so none is pinned in it:
a load asks the hub which commit the named revision stands for, loads that very commit, and writes it into every
sample's `meta.revision`. To repeat a run, pass that commit as `revision`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowsteer.datasets.base import Sample
from flowsteer.datasets.native import CONVERTERS
from flowsteer.datasets.rows import sample_from_row
from flowsteer.errors import ConfigError

COMMIT = re.compile(r"[0-9a-f]{40}")
CONVERTED = "refs/convert/parquet"
"""The hub's own conversion, for datasets whose original is a loading script (no longer run by `datasets`)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one split of a dataset is.

    Attributes:
        repository: The dataset's id on the hub.
        split: The split's name there.
        configs: Its configurations, all of them read; the empty string for the only one.
        revision: Branch or commit.
    """

    repository: str
    split: str
    configs: tuple[str, ...] = ("",)
    revision: str = "main"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, so that the data cannot change."""
        return COMMIT.fullmatch(self.revision) is not None


_MATH_SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)

SOURCES: Mapping[str, Mapping[str, Source]] = {
    "gsm8k": {split: Source("openai/gsm8k", split, ("main",)) for split in ("train", "test")},
    "math": {
        "train": Source("EleutherAI/hendrycks_math", "train", _MATH_SUBJECTS),
        "test": Source("HuggingFaceH4/MATH-500", "test"),
    },
    "hotpotqa": {
        "train": Source("hotpotqa/hotpot_qa", "train", ("distractor",)),
        "test": Source("hotpotqa/hotpot_qa", "validation", ("distractor",)),
    },
    "squad_v2": {
        "train": Source("rajpurkar/squad_v2", "train"),
        "test": Source("rajpurkar/squad_v2", "validation"),
    },
    "mbpp": {
        "train": Source("google-research-datasets/mbpp", "train", ("full",)),
        "validation": Source("google-research-datasets/mbpp", "validation", ("full",)),
        "test": Source("google-research-datasets/mbpp", "test", ("sanitized",)),
    },
    "humaneval": {"test": Source("openai/openai_humaneval", "test")},
    "triviaqa": {
        "train": Source("mandarjoshi/trivia_qa", "train", ("unfiltered.nocontext",)),
        "test": Source("mandarjoshi/trivia_qa", "validation", ("unfiltered.nocontext",)),
    },
    "nq_open": {
        "train": Source("google-research-datasets/nq_open", "train"),
        "test": Source("google-research-datasets/nq_open", "validation"),
    },
    "mathqa": {
        split: Source("allenai/math_qa", split, revision=CONVERTED) for split in ("train", "validation", "test")
    },
    "aime2025": {"test": Source("math-ai/aime25", "test")},
    "apps": {split: Source("codeparrot/apps", split, ("all",), CONVERTED) for split in ("train", "test")},
    "ds1000": {"test": Source("xlangai/DS-1000", "test")},
}
"""By dataset and split. `test` is the part with public answers: `validation` where the official test has none."""


def hub_samples(dataset: str, split: str, revision: str = "") -> Iterator[Sample]:
    """All samples of one split, downloaded on first use.

    Args:
        dataset: One of the twelve.
        split: One of its splits.
        revision: Branch or commit instead of the table's.

    Raises:
        ConfigError: If dataset or split is unknown, the extra is missing, or the hub does not give the data.
    """
    splits = SOURCES.get(dataset)
    if splits is None or split not in splits:
        known = f"splits of {dataset}: {', '.join(splits)}" if splits else f"datasets: {', '.join(SOURCES)}"
        raise ConfigError(f"the hub table has no {dataset} {split}", known)
    source = splits[split]
    commit = _commit(source, revision or source.revision)
    convert = CONVERTERS[dataset]
    for config in source.configs:
        for number, native in enumerate(_native_rows(source, config, commit)):
            row = convert(native, f"{split}/{config}/{number}" if len(source.configs) > 1 else f"{split}/{number}")
            row["meta"] = dict(row.get("meta", {})) | {"source": source.repository, "split": split, "revision": commit}
            yield sample_from_row(row | {"dataset": dataset}, f"{source.repository}, row {number}")


def _commit(source: Source, revision: str) -> str:
    """The commit that a revision stands for; the hub is asked unless it is one."""
    if COMMIT.fullmatch(revision):
        return revision
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise _missing() from error
    try:
        found = HfApi().dataset_info(source.repository, revision=revision).sha
    except Exception as error:  # Which errors there are is up to the HTTP client that the hub's library chose.
        raise _unreachable(source, error) from error
    if found is None:
        raise ConfigError(f"the hub names no commit for {source.repository} at {revision}")
    return found


def _native_rows(source: Source, config: str, commit: str) -> Iterator[Mapping[str, Any]]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise _missing() from error
    try:
        rows = load_dataset(
            source.repository, config or None, split=source.split, revision=commit, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise _unreachable(source, error) from error
    yield from rows


def _missing() -> ConfigError:
    return ConfigError("datasets of the hub need the optional package `datasets`", "pip install 'flowsteer[data]'")


def _unreachable(source: Source, error: Exception) -> ConfigError:
    return ConfigError(
        f"{source.repository} could not be loaded: {type(error).__name__}: {error}",
        "without a network, give a folder of .jsonl files: --data DIR",
    )
