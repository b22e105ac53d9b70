"""A training run for people to watch and to read: a progress bar, learning curves, figures before and after."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from flowsteer.cli.for_programs import ForPrograms
from flowsteer.cli.progress_display import progress_display

if TYPE_CHECKING:
    from flowsteer.training.run import TrainingResult

FIGURES = ("reward", "cwrpo", "accuracy", "gate_open", "valid", "finished", "turns", "operators")
CURVES = {"reward": (-1.0, 1.0), "gate_open": (0.0, 1.0), "accuracy": (0.0, 1.0), "valid": (0.0, 1.0)}
"""Figures that are drawn over the steps, each with the values of its lowest and its highest mark."""

MARKS = "▁▂▃▄▅▆▇█"
COLUMNS = 60


@contextmanager
def progress(
    steps: int, wanted: bool, asked: ForPrograms
) -> Iterator[tuple[Callable[[str], None], Callable[[dict[str, Any]], None]]]:
    """How far a run is, with the figures that tell whether it learns.

    Args:
        steps: Updates.
        wanted: Whether to show anything.
        asked: What programs are told.

    Yields:
        What to call with the stage a run is at, and with the metrics of a step.
    """
    tell_stage, tell_step = asked.teller("stage"), asked.teller("step")
    with progress_display(wanted) as display:
        done = 0

        def on_stage(stage: str) -> None:
            display(done, steps, stage)
            tell_stage(stage)

        def on_step(metrics: dict[str, Any]) -> None:
            nonlocal done
            done = metrics["step"]
            figures = {name: metrics.get(f"episodes/{name}") for name in CURVES}
            words = "  ".join(f"{name} {value:.2f}" for name, value in figures.items() if value is not None)
            display(done, steps, words)
            tell_step(metrics)

        yield on_stage, on_step


def tables(result: "TrainingResult") -> list[Table]:
    """Figures on the held-out tasks before and after: greedy, drawn, and accuracy by type of task."""
    temperature = result.after["sampled"].get("temperature", 1.0)  # older runs were tested at 1
    drawn = [
        _compared("held-out tasks, greedy", FIGURES, result.before, result.after),
        _compared(f"held-out tasks, T = {temperature:g}", FIGURES, result.before["sampled"], result.after["sampled"]),
    ]
    before, after = result.before["by_type"], result.after["by_type"]
    drawn.append(_compared("accuracy by type, greedy", sorted(before | after), before, after))
    return drawn


def curves(metrics: Path) -> Table:
    """Learning curves over the steps of training, drawn in text.

    Args:
        metrics: The run's `metrics.jsonl`.
    """
    from flowsteer.runs.files import read_lines

    steps = list(read_lines(metrics))
    table = Table("while training", "first", f"{len(steps)} steps", "last")
    for name, (low, high) in CURVES.items():
        values = [value for step in steps if (value := step.get(f"episodes/{name}")) is not None]
        if values:
            table.add_row(name, _shown(values[0]), curve(values, low, high), _shown(values[-1]))
    return table


def curve(values: Sequence[float], low: float, high: float) -> str:
    """A curve as a line of marks, neighbouring values averaged where there are more than columns.

    Args:
        values: What is drawn.
        low: The value of the lowest mark; what is lower is drawn there.
        high: That of the highest.

    >>> curve([0.0, 0.5, 1.0], 0.0, 1.0)
    '▁▅█'
    """
    width = min(COLUMNS, len(values))
    cuts = [column * len(values) // width for column in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    shares = [min(1.0, max(0.0, (mean - low) / (high - low))) for mean in means]
    return "".join(MARKS[round(share * (len(MARKS) - 1))] for share in shares)


def workflows(title: str, by_type: Mapping[str, str]) -> Table:
    """The most frequent workflow of each type of task."""
    table = Table("type", title)
    for kind, dsl in by_type.items():
        table.add_row(kind, dsl or "(empty)")
    return table


def _compared(title: str, names: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> Table:
    table = Table(title, "before", "after")
    for name in names:
        table.add_row(name, _shown(before.get(name)), _shown(after.get(name)))
    return table


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
