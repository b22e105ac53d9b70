"""Differences in accuracy from the reference arm, with their intervals, as one SVG image that needs nothing else."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil

from flowsteer.study.study_summary import ArmDifference, StudySummary

LEFT, WIDTH, ROW, TOP, GAP = 200, 320, 26, 44, 40
"""Width of the arms' names and of a panel, height of a row and of what stands above, and the gap between panels."""

STEP = 10
"""Points between two lines of the grid, if the axis is not long."""

MOST_LINES = 9
"""Lines of the grid at most; on a longer axis they stand further apart."""

STYLE = """.differences{font:12px system-ui,sans-serif;background:#fff;max-width:100%;height:auto}
.differences text{fill:#1c2128}.differences .tick{fill:#57606a}.differences .middle{text-anchor:middle}
.differences .end{text-anchor:end}.differences .grid{stroke:#d8dee4}.differences .nought{stroke:#57606a}
.differences .mark{stroke:#0072b2;fill:#0072b2;stroke-width:2}
@media (prefers-color-scheme:dark){.differences{background:#0d1117}.differences text{fill:#e6edf3}
.differences .tick{fill:#9198a1}.differences .grid{stroke:#30363d}.differences .nought{stroke:#9198a1}
.differences .mark{stroke:#4aa8e0;fill:#4aa8e0}}"""


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
    several = len({world for world, _ in rows}) > 1
    names = [f"{world}, {arm}" if several else arm for world, arm in rows]
    parts = [_text(LEFT - 14, TOP + ROW * (place + 0.5) + 4, name, "end") for place, name in enumerate(names)]
    for column, temperature in enumerate(temperatures):
        left = LEFT + column * (WIDTH + GAP)
        at = "greedy" if temperature == 0 else f"T = {temperature:g}"
        parts.append(_text(left + WIDTH / 2, 18, f"accuracy minus that of {shown[0].minus}, {at}, points", "middle"))
        panel = [one for one in shown if one.temperature == temperature]
        parts += _panel(left, panel, rows, _reach(shown))
    label = f"Differences in accuracy from {shown[0].minus}"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="differences" {size} role="img" aria-label="{escape(label)}">'
    )
    return f"{head}<style>{STYLE}</style>{''.join(parts)}</svg>"


def _panel(left: float, panel: Sequence[ArmDifference], rows: Sequence[tuple[str, str]], reach: int) -> Iterator[str]:
    """The grid, and for each arm a dot on its interval."""
    bottom = TOP + ROW * len(rows)

    def x(points: float) -> float:
        return left + WIDTH * (points + reach) / (2 * reach)

    step = STEP * ceil(2 * reach / STEP / MOST_LINES)
    for points in range(-(reach // step) * step, reach + 1, step):
        kind = "grid" if points else "nought"
        yield f'<line class="{kind}" x1="{x(points):.1f}" y1="{TOP}" x2="{x(points):.1f}" y2="{bottom}"/>'
        yield _text(x(points), bottom + 16, f"{points:+d}".replace("-", "−") if points else "0", "tick middle")
    for one in panel:
        yield _mark(one, TOP + ROW * (rows.index((one.world, one.arm)) + 0.5), x)


def _mark(one: ArmDifference, y: float, x: Callable[[float], float]) -> str:
    value = one.comparison.difference
    low, high = (100 * (value.mean if end is None else end) for end in (value.low, value.high))
    told = f"{one.arm}: {100 * value.mean:+.1f} [{low:.1f}, {high:.1f}]".replace("-", "−")
    return (
        f'<g class="mark"><title>{escape(told)}</title><line x1="{x(low):.1f}" y1="{y}" x2="{x(high):.1f}" y2="{y}"/>'
        f'<circle cx="{x(100 * value.mean):.1f}" cy="{y}" r="4"/></g>'
    )


def _reach(shown: Sequence[ArmDifference]) -> int:
    """Points from the middle of the axis to its ends."""
    values = [one.comparison.difference for one in shown]
    furthest = max(abs(end) for value in values for end in (value.mean, value.low, value.high) if end is not None)
    return max(STEP, STEP * ceil(100 * furthest / STEP))


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
