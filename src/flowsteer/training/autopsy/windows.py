"""A run in at most ten parts: what is told over time is told of these."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean
from typing import Any

WINDOWS = 10
"""Parts of a run: a step's few dozen episodes say little, and ten columns fit a terminal."""


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring steps of a run, counted from 1.

    Attributes:
        first: The first of them.
        last: The last of them.
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class WindowMeans:
    """What was measured in a window.

    Attributes:
        window: Its steps.
        figures: Mean of each figure of `metrics.jsonl` over those of its steps that have it, by the names used there;
            NaN where one of them is not finite.
    """

    window: Window
    figures: Mapping[str, float]


def cut(steps: int) -> tuple[Window, ...]:
    """The windows of a run.

    Args:
        steps: Steps of the run.

    >>> cut(25)[:2], len(cut(25)), len(cut(3)), cut(0)
    ((Window(first=1, last=2), Window(first=3, last=5)), 10, 3, ())
    """
    number = min(WINDOWS, steps)
    ends = [steps * (part + 1) // number for part in range(number)]
    return tuple(Window(first + 1, last) for first, last in zip([0, *ends], ends, strict=False))


def place(step: int, windows: Sequence[Window]) -> int | None:
    """Which of the windows a step is in; None if it is in none of them."""
    found = bisect_left(windows, step, key=lambda window: window.last)
    return found if found < len(windows) and windows[found].first <= step else None


def means(metrics: Iterable[Mapping[str, Any]], windows: Sequence[Window]) -> tuple[WindowMeans, ...]:
    """The means of each window.

    Args:
        metrics: Lines of `metrics.jsonl`.
        windows: The windows.
    """
    found: list[dict[str, list[float]]] = [{} for _ in windows]
    for line in metrics:
        where = place(line["step"], windows)
        for name, value in line.items() if where is not None else ():
            if isinstance(value, int | float):
                found[where or 0].setdefault(name, []).append(value)
    return tuple(
        WindowMeans(window, {name: _mean(values) for name, values in named.items() if name != "step"})
        for window, named in zip(windows, found, strict=True)
    )


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if all(map(isfinite, values)) else nan
