"""Plots as inline SVG. Colours are classes (`hue-0` …), so that the page's style decides, light or dark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from flowsteer.reporting.statistics import Estimate

HUES = 8
"""Colours a plot tells apart; with more series they repeat, and names are written beside the marks anyway."""

LABEL = (180.0, 13.0)
"""Width and height that the longest label beside a mark takes, in pixels."""

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is called, where it leads to, its series, and how long it is; None leaves it out."""

    name: str
    link: str
    hue: int
    value: Estimate | None


@dataclass(frozen=True, slots=True)
class Point:
    """One mark: its name, where it leads to, its series, how far right (above 0) and how high it stands."""

    name: str
    link: str
    hue: int
    x: float
    y: Estimate


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars of scores from 0 to 1 with their intervals.

    Args:
        title: What they measure; read aloud by screen readers.
        rows: The bars, from top to bottom.
    """
    left, width, row, right = 150, 210, 24, 54
    bottom = row * len(rows) + 6

    def x(share: float) -> float:
        return left + width * share

    parts = [_line(x(tick), 2, x(tick), bottom, "grid") for tick in TICKS]
    parts += [_text(x(tick), bottom + 14, f"{tick * 100:g}", "tick middle") for tick in TICKS]
    for place, bar in enumerate(rows):
        top = place * row + 5
        drawn = _text(left - 8, top + 12, shortened(bar.name, 22), "name end")
        if bar.value is None:
            drawn += _text(left + 6, top + 12, "no score", "tick")
        else:
            size = f'width="{width * bar.value.mean:.1f}" height="15" rx="2"'
            drawn += f'<rect class="hue-{bar.hue % HUES}" x="{left}" y="{top}" {size}/>'
            drawn += _whisker(bar.value, x, top + 7.5)
            drawn += _text(left + width + 10, top + 12, f"{bar.value.mean * 100:.1f}", "value")
        parts.append(_linked(bar.link, f"{bar.name}: {in_words(bar.value)}", drawn))
    return _svg(left + width + right, bottom + 20, title, parts)


def scatter(title: str, unit: str, points: Sequence[Point], form: Callable[[float], str]) -> str:
    """Scores against what they take, on a logarithmic scale.

    Args:
        title: What is plotted; read aloud by screen readers.
        unit: What stands below the horizontal axis.
        points: The marks.
        form: How values of the horizontal axis are written.
    """
    left, top, width, height = 44, 10, 390, 230
    bottom, right = top + height, left + width
    low, high, ticks = decades([point.x for point in points])
    floor_, ceiling, levels = span([point.y for point in points])

    def x(value: float) -> float:
        return left + width * (log10(value) - log10(low)) / (log10(high) - log10(low))

    def y(share: float) -> float:
        return bottom - height * (share - floor_) / (ceiling - floor_)

    parts = [_line(left, y(level), right, y(level), "grid") for level in levels]
    parts += [_text(left - 7, y(level) + 4, f"{level * 100:.0f}", "tick end") for level in levels]
    parts += [_line(x(tick), top, x(tick), bottom, "grid") for tick in ticks]
    parts += [_text(x(tick), bottom + 15, form(tick), "tick middle") for tick in ticks]
    parts.append(_text(left + width / 2, bottom + 33, unit, "tick middle"))
    for point, label_y in zip(points, _apart([(x(p.x), y(p.y.mean)) for p in points]), strict=True):
        across, up = x(point.x), y(point.y.mean)
        drawn = ""
        if point.y.low is not None and point.y.high is not None:
            drawn += _line(across, y(point.y.low), across, y(point.y.high), "whisker")
        drawn += f'<circle class="hue-{point.hue % HUES}" cx="{across:.1f}" cy="{up:.1f}" r="6"/>'
        near_edge = across > left + width * 0.6
        drawn += _text(
            across + (-10 if near_edge else 10),
            label_y + 4,
            shortened(point.name, 26),
            f"name {'end' if near_edge else ''}",
        )
        parts.append(_linked(point.link, f"{point.name}: {in_words(point.y)} at {form(point.x)} {unit}", drawn))
    return _svg(right + 36, bottom + 42, title, parts)


def interval_bar(value: Estimate, reach: float) -> str:
    """A difference with its interval on a line from -reach to reach, the middle marked."""
    width, height = 120, 16

    def x(difference: float) -> float:
        return width / 2 + (width / 2 - 4) * difference / reach

    parts = [_line(0, height / 2, width, height / 2, "grid"), _line(width / 2, 0, width / 2, height, "zero")]
    parts.append(_whisker(value, x, height / 2))
    parts.append(f'<circle class="dot" cx="{x(value.mean):.1f}" cy="{height / 2}" r="3.5"/>')
    return _svg(width, height, f"difference {in_words(value)}", parts, "interval")


def in_words(value: Estimate | None) -> str:
    """A mean in percent with its interval.

    >>> in_words(Estimate(0.5, 0.25, 0.75, 8))
    '50.0 (25.0 to 75.0)'
    """
    if value is None:
        return "no score"
    if value.low is None or value.high is None:
        return f"{value.mean * 100:.1f}"
    return f"{value.mean * 100:.1f} ({value.low * 100:.1f} to {value.high * 100:.1f})"


def shortened(text: str, most: int) -> str:
    """The text, cut in the middle if it is longer than `most` characters.

    >>> shortened("director:openai:gpt-5-mini", 14)
    'directo…5-mini'
    """
    if len(text) <= most:
        return text
    head = ceil((most - 1) / 2)
    return f"{text[:head]}…{text[-(most - 1 - head) :]}"


def decades(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Ends and ticks of a logarithmic axis around positive values: at 1, 2 and 5, of a long one at powers of ten.

    >>> decades([120, 900])
    (100.0, 1000.0, [100.0, 200.0, 500.0, 1000.0])
    """
    first, last = floor(log10(min(values))), ceil(log10(max(values)))
    steps = (1, 2, 5) if last - first <= 2 else (1,)
    marks = [step * 10.0**power for power in range(first, last + 2) for step in steps]
    low = max(mark for mark in marks if mark <= min(values))
    high = min(mark for mark in marks if mark > max(values))
    return low, high, [mark for mark in marks if low <= mark <= high]


def span(values: Sequence[Estimate]) -> tuple[float, float, list[float]]:
    """Ends and ticks of a linear axis of shares around values and their intervals, in steps of 5 to 20 %."""
    low = min(value.mean if value.low is None else value.low for value in values)
    high = max(value.mean if value.high is None else value.high for value in values)
    step = next(size for size in (0.05, 0.1, 0.2, 1.0) if (high - low) / size <= 5)
    first, last = floor(low / step + 1e-9), max(ceil(high / step - 1e-9), floor(low / step + 1e-9) + 1)
    return first * step, last * step, [place * step for place in range(first, last + 1)]


def _apart(places: Sequence[tuple[float, float]]) -> list[float]:
    """Heights for labels beside these places: one that would cover another is moved up, from the lowest on."""
    heights: dict[int, float] = {}
    for index in sorted(range(len(places)), key=lambda index: -places[index][1]):
        across, height = places[index]
        near = sorted((heights[other] for other in heights if abs(places[other][0] - across) < LABEL[0]), reverse=True)
        for taken in near:
            if abs(taken - height) < LABEL[1]:
                height = taken - LABEL[1]
        heights[index] = height
    return [heights[index] for index in range(len(places))]


def _svg(width: float, height: float, title: str, parts: Sequence[str], kind: str = "plot") -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    return f'<svg class="{kind}" {size} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _linked(link: str, title: str, drawn: str) -> str:
    return f'<a href="{escape(link)}"><title>{escape(title)}</title>{drawn}</a>'


def _whisker(value: Estimate, x: Callable[[float], float], y: float) -> str:
    if value.low is None or value.high is None:
        return ""
    ends = "".join(_line(x(end), y - 4, x(end), y + 4, "whisker") for end in (value.low, value.high))
    return _line(x(value.low), y, x(value.high), y, "whisker") + ends
