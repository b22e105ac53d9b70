"""The folders of a run that hold policies, which of them a Director takes, and how one is replaced by another."""

import shutil
from collections.abc import Callable
from pathlib import Path

from flowsteer.training.policy.policy import ADAPTERS

START, TRAINED, BEST = "start", "policy", "best"
"""The policy before RL, to which the KL penalty holds it; after the last update; at its best on validation tasks."""

_WHOLE, _BEFORE = "best.new", "best.old"
"""The next best policy, whole, on its way to its place; and the one that it replaces."""


def holds_policy(folder: Path) -> bool:
    """Whether a folder holds a model, or adapters."""
    return any((folder / name).is_file() for name in ("config.json", ADAPTERS))


def best_of(run: Path) -> Path | None:
    """Where the best policy of a run is, also if a kill came while it was being replaced; None without validation."""
    return next((run / name for name in (BEST, _WHOLE) if holds_policy(run / name)), None)


def taken(run: Path) -> Path | None:
    """The policy of a run that directs unless another is named: the best on validation tasks, else the last."""
    return best_of(run) or (run / TRAINED if holds_policy(run / TRAINED) else None)


def replace_best(run: Path, write: Callable[[Path], None], first: bool = True) -> None:
    """Put another policy into `best`. At each moment one of the two is there, and whole.

    Args:
        run: The run folder.
        write: Writes the policy into a folder that is not there yet; all processes of a run take part.
        first: Whether this process keeps the run folder.
    """
    unfinished = run / "best.unfinished"
    if first:
        settle(run)
        shutil.rmtree(unfinished, ignore_errors=True)
    write(unfinished)
    if first:
        unfinished.rename(run / _WHOLE)
        settle(run)


def settle(run: Path) -> None:
    """Finish a replacement that a kill broke off."""
    if (run / _WHOLE).exists():
        shutil.rmtree(run / _BEFORE, ignore_errors=True)
        if (run / BEST).exists():
            (run / BEST).rename(run / _BEFORE)
        (run / _WHOLE).rename(run / BEST)
    shutil.rmtree(run / _BEFORE, ignore_errors=True)
