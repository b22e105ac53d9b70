"""Differences in accuracy from the reference arm, with their intervals, as one SVG image that needs nothing else."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil

from flowsteer.study.study_image import image, signed, text
from flowsteer.study.study_summary import ArmDifference, StudySummary, named

LEFT, WIDTH, ROW, TOP, GAP = 200, 320, 26, 44, 40
"""Width of the arms' names and of a panel, height of a row and of what stands above, and the gap between panels."""

STEP = 10
"""Points between two lines of the grid, if the axis is not long."""

MOST_LINES = 9
"""Lines of the grid at most; on a longer axis they stand further apart."""

LIGHT = ".study .nought{stroke:#57606a}.study .mark{stroke:#0072b2;fill:#0072b2;stroke-width:2}"
DARK = ".study .nought{stroke:#9198a1}.study .mark{stroke:#4aa8e0;fill:#4aa8e0}"


def difference_plot(summary: StudySummary) -> str:
    """A row for each arm of each world, a panel for each temperature of the tests; empty where nothing is compared.

    Args:
        summary: The study.
    """
    shown = [one for one in summary.differences if one.measure == "accuracy" and not one.swap]
    if not shown:
        return ""
    rows = list(dict.fromkeys((one.world, one.arm) for one in shown))
    temperatures = sorted({one.temperature for one in shown})
    height, width = TOP + ROW * len(rows) + 30, LEFT + (WIDTH + GAP) * len(temperatures)
    reach, several = _reach(shown), len({world for world, _ in rows}) > 1
    names = [f"{world}, {arm}" if several else arm for world, arm in rows]
    parts = [text(LEFT - 14, TOP + ROW * (place + 0.5) + 4, name, "end") for place, name in enumerate(names)]
    for column, temperature in enumerate(temperatures):
        left = LEFT + column * (WIDTH + GAP)
        head = f"accuracy minus that of {shown[0].minus}, {named(temperature)}, points"
        parts.append(text(left + WIDTH / 2, 18, head, "middle"))
        panel = [one for one in shown if one.temperature == temperature]
        parts += _panel(left, panel, rows, reach)
    return image(f"Differences in accuracy from {shown[0].minus}", width, height, parts, LIGHT, DARK)


def _panel(left: float, panel: Sequence[ArmDifference], rows: Sequence[tuple[str, str]], reach: int) -> Iterator[str]:
    """The grid, and for each arm a dot on its interval."""
    bottom = TOP + ROW * len(rows)

    def x(points: float) -> float:
        return left + WIDTH * (points + reach) / (2 * reach)

    step = STEP * ceil(2 * reach / STEP / MOST_LINES)
    for points in range(-(reach // step) * step, reach + 1, step):
        kind = "grid" if points else "nought"
        yield f'<line class="{kind}" x1="{x(points):.1f}" y1="{TOP}" x2="{x(points):.1f}" y2="{bottom}"/>'
        yield text(x(points), bottom + 16, signed(points), "tick middle")
    for one in panel:
        yield _mark(one, TOP + ROW * (rows.index((one.world, one.arm)) + 0.5), x)


def _mark(one: ArmDifference, y: float, x: Callable[[float], float]) -> str:
    value = one.comparison.difference
    low, high = (100 * (value.mean if end is None else end) for end in (value.low, value.high))
    told = f"{one.arm}: {signed(100 * value.mean, 1)} [{signed(low, 1)}, {signed(high, 1)}]"
    return (
        f'<g class="mark"><title>{escape(told)}</title><line x1="{x(low):.1f}" y1="{y}" x2="{x(high):.1f}" y2="{y}"/>'
        f'<circle cx="{x(100 * value.mean):.1f}" cy="{y}" r="4"/></g>'
    )


def _reach(shown: Sequence[ArmDifference]) -> int:
    """Points from the middle of the axis to its ends."""
    values = [one.comparison.difference for one in shown]
    furthest = max(abs(end) for value in values for end in (value.mean, value.low, value.high) if end is not None)
    return max(STEP, STEP * ceil(100 * furthest / STEP))
