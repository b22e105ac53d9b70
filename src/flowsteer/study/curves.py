"""Learning curves with bands over seeds, as one SVG image that needs nothing outside itself."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import pairwise
from math import ceil, floor

from flowsteer.reporting.statistics import Estimate
from flowsteer.study.study_image import image, text
from flowsteer.study.study_summary import CURVES, Curve, StudySummary

LIGHT = ("#0072b2", "#d55e00", "#009e73", "#b5559a", "#b8860b", "#4aa3d8", "#6a51a3", "#6e7781")
DARK = ("#4aa8e0", "#f0834a", "#2dbd92", "#dd8fc4", "#d9ad3d", "#8fcdf2", "#a893dc", "#9aa4ae")
"""The colours of arms, on light and on dark ground."""

HUES = len(LIGHT)
"""Behind so many arms the colours begin again, dashed."""

TITLES = {"cwrpo": "the paper's R", "accuracy": "accuracy", "gate_open": "gate open", "valid": "valid edits"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 214, 150, 92, 34, 46
"""Size of a panel, and what stands beside, above and between panels, in pixels."""

TICK = 0.25


def figure(summary: StudySummary, worlds: Sequence[str], arms: Sequence[str]) -> str:
    """Learning curves: a row of panels for each world, a panel for each figure, a line for each arm.

    Args:
        summary: The study.
        worlds: Rows, from top to bottom; those where nothing was learned yet are left out.
        arms: Arms, in the order of their colours.
    """
    drawn = [world for world in worlds if any(curve.world == world for curve in summary.curves)]
    width = LEFT + len(CURVES) * (WIDTH + GAP)
    spots = _legend_spots(arms, width)
    head_room = TOP + spots[-1][1]
    parts = list(_legend(arms, spots))
    for row, world in enumerate(drawn):
        top = head_room + row * (HEIGHT + GAP)
        parts.append(text(8, top + HEIGHT / 2, world, "name"))
        for column, name in enumerate(CURVES):
            curves = [curve for curve in summary.curves if (curve.world, curve.figure) == (world, name)]
            left = LEFT + column * (WIDTH + GAP)
            parts.append(text(left + WIDTH / 2, top - 8, TITLES[name], "name middle"))
            parts += _panel(left, top, name, curves, arms)
    height = head_room + len(drawn) * (HEIGHT + GAP)
    label = f"Learning curves of {', '.join(arms)} in {', '.join(drawn)}"
    light = ".study .again{stroke-dasharray:5 3}" + "".join(map(_hue, range(HUES), LIGHT))
    return image(label, width, height, parts, light, "".join(map(_hue, range(HUES), DARK)))


def _panel(left: float, top: float, name: str, curves: Sequence[Curve], arms: Sequence[str]) -> Iterator[str]:
    """One figure in one world: axes, bands below, lines above."""
    steps = max((curve.steps[-1] for curve in curves), default=1)
    low, high = _ends(name, [point for curve in curves for point in curve.points])

    def x(step: float) -> float:
        return left + WIDTH * step / max(1, steps)

    def y(value: float) -> float:
        return top + HEIGHT * (high - min(max(value, low), high)) / (high - low)

    for tick in range(round((high - low) / TICK) + 1):
        value = low + TICK * tick
        yield f'<line class="grid" x1="{left}" y1="{y(value):.1f}" x2="{left + WIDTH}" y2="{y(value):.1f}"/>'
        yield text(left - 6, y(value) + 4, f"{value:.2g}".replace("-", "−"), "tick end")
    for step in sorted({0, steps // 2, steps}):
        yield text(x(step), top + HEIGHT + 15, str(step), "tick middle")
    for curve in curves:
        yield _band(curve, x, y, arms.index(curve.arm) % HUES)
    for curve in curves:
        path = " ".join(
            f"{x(step):.1f},{y(point.mean):.1f}" for step, point in zip(curve.steps, curve.points, strict=True)
        )
        last = f"{curve.arm}: {curve.points[-1].mean:.2f} after {curve.steps[-1]} steps"
        yield (
            f'<polyline class="{_line(arms.index(curve.arm))}" points="{path}"><title>{escape(last)}</title></polyline>'
        )


def _band(curve: Curve, x: Callable[[float], float], y: Callable[[float], float], hue: int) -> str:
    known = [(step, point.low, point.high) for step, point in zip(curve.steps, curve.points, strict=True)]
    ends = [(x(step), y(low), y(high)) for step, low, high in known if low is not None and high is not None]
    around = [(at, above) for at, _, above in ends] + [(at, below) for at, below, _ in reversed(ends)]
    return f'<polygon class="band-{hue}" points="{" ".join(f"{at:.1f},{up:.1f}" for at, up in around)}"/>'


def _ends(name: str, points: Sequence[Estimate]) -> tuple[float, float]:
    """Ends of an axis: 0 to 1 for shares, and for R whole ticks around its means."""
    if name != "cwrpo":
        return 0.0, 1.0
    means = [point.mean for point in points] or [0.0]
    low = floor(min(means) / TICK) * TICK
    return low, max(ceil(max(means) / TICK) * TICK, low + TICK)


def _legend_spots(arms: Sequence[str], width: float) -> list[tuple[float, float]]:
    """Where the arms stand in the legend: side by side, in as many lines as that takes."""
    spots = [(float(LEFT), 20.0)]
    for before, arm in pairwise(arms):
        across, down = spots[-1][0] + _room(before), spots[-1][1]
        spots.append((across, down) if across + _room(arm) <= width else (float(LEFT), down + 20))
    return spots


def _room(arm: str) -> float:
    return 56 + 8 * len(arm)


def _legend(arms: Sequence[str], spots: Sequence[tuple[float, float]]) -> Iterator[str]:
    for place, (arm, (across, down)) in enumerate(zip(arms, spots, strict=True)):
        yield f'<line class="{_line(place)}" x1="{across}" y1="{down - 4}" x2="{across + 22}" y2="{down - 4}"/>'
        yield text(across + 28, down, arm, "name")


def _line(place: int) -> str:
    """The classes of an arm's line."""
    return f"line-{place % HUES}" + (" again" if place >= HUES else "")


def _hue(place: int, colour: str) -> str:
    line = f".study .line-{place}{{fill:none;stroke:{colour};stroke-width:1.8}}"
    return f"{line}.study .band-{place}{{fill:{colour};opacity:.16}}"
