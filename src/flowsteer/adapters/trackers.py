"""Figures of a run in an experiment tracker, by its own API: trackio, Weights & Biases, MLflow, TensorBoard.

A figure has a name with slashes, such as `accuracy/direct`, and a step: how many episodes were done by then.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flowsteer.errors import ConfigError

PROJECT = "flowsteer"
"""What the runs are grouped under, also those of a training."""

LONGEST = 250
"""Most characters of a setting; MLflow takes no longer ones."""

_UNFIT = re.compile(r"[^\w./: -]")
"""Characters that MLflow takes in no name; a workflow's name has some."""

Figures = Mapping[str, float]
Send = Callable[[Figures, int], None]
"""Takes figures and the step that they belong to."""

Settings = Mapping[str, Any]


@contextmanager
def tracking(names: Sequence[str], run: Path, settings: Settings) -> Iterator[Send]:
    """Begin a run in each of some trackers with the first figures; leaving the block ends it there.

    Args:
        names: The trackers.
        run: The run folder, which names the run; TensorBoard's files are put into it.
        settings: What the run is asked to do.

    Yields:
        What sends figures to all of them.

    Raises:
        ConfigError: One is unknown, or not installed.
    """
    for name in names:
        if name not in _TRACKERS:
            raise ConfigError(f"--report-to {name}: there is no such tracker", f"one of {', '.join(_TRACKERS)}")
        if find_spec(name) is None:
            raise ConfigError(f"--report-to {name}: {name} is not installed", f"pip install {name}")
    with ExitStack() as stack:
        sends: list[Send] = []

        def send(figures: Figures, step: int) -> None:
            if not sends:
                sends.extend(stack.enter_context(_TRACKERS[name](run, _flat(settings))) for name in names)
            for one in sends:
                one(figures, step)

        yield send


@contextmanager
def _like_wandb(run: Path, settings: Settings, module: str, **more: Any) -> Iterator[Send]:
    """Trackio has the API of Weights & Biases. What they say of themselves is no output of the command."""
    tracker = import_module(module)
    with redirect_stdout(sys.stderr):
        tracker.init(project=PROJECT, name=run.name, config=dict(settings), **more)
    try:
        yield lambda figures, step: tracker.log(dict(figures), step=step)
    finally:
        with redirect_stdout(sys.stderr):
            tracker.finish()


@contextmanager
def _mlflow(run: Path, settings: Settings) -> Iterator[Send]:
    mlflow = import_module("mlflow")
    mlflow.set_experiment(PROJECT)
    with mlflow.start_run(run_name=run.name):
        mlflow.log_params(settings)
        yield lambda figures, step: mlflow.log_metrics({_UNFIT.sub("_", name): figures[name] for name in figures}, step)


@contextmanager
def _tensorboard(run: Path, settings: Settings) -> Iterator[Send]:
    writer = import_module("tensorboard.summary").Writer(str(run / "tensorboard"))

    def send(figures: Figures, step: int) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)

    try:
        yield send
    finally:
        writer.close()


_TRACKERS: Mapping[str, Callable[[Path, Settings], Any]] = {
    "trackio": lambda run, settings: _like_wandb(run, settings, "trackio", resume="allow", embed=False),
    "wandb": lambda run, settings: _like_wandb(run, settings, "wandb"),
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
}


def _flat(settings: Settings) -> dict[str, str]:
    """Settings as short words; what is deeper is written as it would be in Python."""
    return {name: str(value)[:LONGEST] for name, value in settings.items()}
