"""The runs in a folder and below it."""

import os
from collections.abc import Iterator
from pathlib import Path

from flowsteer.runs.config import CONFIG
from flowsteer.runs.folder import OPEN
from flowsteer.runs.grades import FOLDER as SCORES
from flowsteer.runs.index import EPISODES, INDEX

HERE = "~"
"""The id of the folder that is viewed, if it is a run itself."""

DEEPEST = 6
"""So many folders below the one that is viewed are looked into."""

_OF_A_RUN = frozenset({OPEN, SCORES, "report", "checkpoints", "policy", "best", "start", "locks"})
"""Folders right below a run that hold no runs; elsewhere a run may have such a name."""


def find_runs(root: Path) -> dict[str, Path]:
    """The run folders at a folder and below it, by their ids; none while there is no such folder."""
    return {HERE if path == root else path.relative_to(root).as_posix(): path for path in _below(root)}


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    made = (path / CONFIG).is_file() and any((path / name).is_file() for name in (EPISODES, INDEX))
    return made or is_study(path)


def is_study(path: Path) -> bool:
    """Whether a folder holds a study, whose cells are runs."""
    return (path / "cells").is_dir() and not (path / CONFIG).is_file()


def _below(root: Path) -> Iterator[Path]:
    for path, folders, _ in os.walk(root):
        here = Path(path)
        left_out = {"node_modules"}
        if is_run(here):
            yield here
            left_out |= _OF_A_RUN
        deep = len(here.relative_to(root).parts) >= DEEPEST
        folders[:] = [] if deep else sorted(name for name in folders if name not in left_out and name[0] != ".")
