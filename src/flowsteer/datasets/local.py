"""Datasets in JSON Lines files: a line is a plain row (`flowsteer.datasets.rows`) or one of the authors' rows."""

from collections.abc import Iterator
from pathlib import Path

from flowsteer.datasets.base import Sample
from flowsteer.datasets.jsonl import read_objects
from flowsteer.datasets.released import is_released, plain_row
from flowsteer.datasets.rows import sample_from_row
from flowsteer.errors import ConfigError


def read_samples(path: Path) -> Iterator[Sample]:
    """All samples of a file, in its order.

    Raises:
        ConfigError: If the file is absent or a line is no plain row.
    """
    if not path.is_file():
        raise ConfigError(f"there is no file {path}", _hint(path.parent))
    for number, (where, row) in enumerate(read_objects(path), start=1):
        yield sample_from_row(plain_row(row, number) if is_released(row) else row, where)


def stems(folder: Path) -> list[str]:
    """Names of the datasets in a folder: its `.jsonl` files without the ending."""
    return sorted(path.stem for path in folder.glob("*.jsonl"))


def _hint(folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder} either; give one with --data"
    names = stems(folder)
    return f"datasets in {folder}: {', '.join(names)}" if names else f"{folder} holds no .jsonl file"
