"""The report as one HTML document: what its template shows."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flowsteer.reporting import plots, words
from flowsteer.reporting.episode_index import index_json
from flowsteer.reporting.plots import Bar, Point
from flowsteer.reporting.summary import POOLED, Pooled, ScoreCell, Summary, SystemDifference, rows_of, standing
from flowsteer.reporting.templates import render
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.index import Entry


def report_page(run: RunFolder, entries: Sequence[Entry], summary: Summary, drawn: Mapping[str, str]) -> str:
    """The report as one HTML document: style, script, plots and index are inside, and nothing else may be loaded.

    Args:
        run: The run.
        entries: Its episodes.
        summary: Its figures.
        drawn: The files of the episodes' pages that exist, by episode.
    """
    return render(
        "report.html.jinja",
        run=run.path.resolve().name,
        config=json.dumps(run.config, indent=2, ensure_ascii=False),
        summary=summary,
        columns=[*summary.datasets, *([POOLED] if summary.pooled else [])],
        cells={(cell.dataset, cell.system): cell for cell in summary.cells},
        rows={name: {row.system: row for row in rows_of(summary, name)} for name in (*summary.datasets, POOLED)},
        simulated=simulated_specs(run.config),
        in_flight=sum(1 for _ in (run.path / "open").glob("*.jsonl")),
        standing=lambda dataset, system: standing(summary, dataset, system),
        link=link,
        hue=lambda system: summary.systems.index(system) % plots.HUES,
        bars=[_bars(summary, name) for name in (*([POOLED] if summary.pooled else []), *summary.datasets)],
        scatters=_scatters(summary),
        families=_families(summary),
        interval_bar=plots.interval_bar,
        operators=_uses(summary, lambda cell: cell.operators),
        structures=_uses(summary, lambda cell: cell.structures),
        failures=_failures(summary),
        index=index_json(run.path, entries, drawn),
    )


def simulated_specs(config: Any) -> list[str]:
    """Every simulated backend that a run's settings name, however deep."""
    found: set[str] = set()
    match config:
        case str() if config.startswith("simulated:"):
            found.add(config)
        case Mapping():
            found.update(*map(simulated_specs, config.values()))
        case list() | tuple():
            found.update(*map(simulated_specs, config))
    return sorted(found)


def link(**filters: str) -> str:
    """Where a figure leads: the index of episodes, filtered.

    >>> link(dataset="gsm8k", system="sc:5")
    '#episodes?dataset=gsm8k&system=sc%3A5'
    """
    given = {name: value for name, value in filters.items() if value}
    return f"#episodes?{urlencode(given)}" if given else "#episodes"


def _bars(summary: Summary, dataset: str) -> tuple[str, str]:
    """A dataset's name and its plot."""
    scores = {row.system: row.score for row in rows_of(summary, dataset)}
    title = dataset or "Mean over datasets"
    bars = [
        Bar(system, link(dataset=dataset, system=system), place, scores[system])
        for place, system in enumerate(summary.systems)
        if system in scores
    ]
    return title, plots.bars(f"Scores, {title}", bars)


def _scatters(summary: Summary) -> list[tuple[str, str]]:
    """Score against tokens and, where prices are known, money: over all datasets, or on the only one."""
    family = POOLED if summary.pooled else summary.datasets[0] if summary.datasets else POOLED
    rows = [row for row in rows_of(summary, family) if row.score is not None]
    drawn = []
    for title, unit, figure, form in (
        ("Score against tokens", "tokens per episode", _tokens, words.amount),
        ("Score against money", "US dollars per episode", _cost, words.money),
    ):
        points = [
            Point(row.system, link(dataset=family, system=row.system), summary.systems.index(row.system), x, row.score)
            for row in rows
            if row.score is not None and (x := figure(row))
        ]
        if points:
            drawn.append((title, plots.scatter(title, unit, points, form)))
    return drawn


def _tokens(row: ScoreCell | Pooled) -> float | None:
    return row.use.tokens if row.use else None


def _cost(row: ScoreCell | Pooled) -> float | None:
    return row.use.cost if row.use else None


def _families(summary: Summary) -> list[tuple[str, float, list[SystemDifference]]]:
    """Differences by dataset, pooled ones first, each family with the reach of its intervals."""
    found = []
    for family in (POOLED, *summary.datasets):
        members = [member for member in summary.differences if member.dataset == family]
        if members:
            values = [member.comparison.difference for member in members]
            ends = [abs(end) for value in values for end in (value.mean, value.low, value.high) if end is not None]
            found.append((family, max(*ends, 0.01), members))
    return found


def _uses(
    summary: Summary, of: Callable[[ScoreCell], Mapping[str, float]]
) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Names by how much they are used, and for each system the mean number per episode, datasets counting the same."""
    per_system: dict[str, dict[str, float]] = {}
    total: dict[str, float] = {}
    for system in summary.systems:
        cells = [cell for cell in summary.cells if cell.system == system and cell.use is not None]
        uses = per_system.setdefault(system, {})
        for cell in cells:
            for name, number in of(cell).items():
                uses[name] = uses.get(name, 0.0) + number / len(cells)
                total[name] = total.get(name, 0.0) + number / len(cells)
    return sorted(total, key=lambda name: (-total[name], name)), per_system


def _failures(summary: Summary) -> list[tuple[str, str, str, dict[str, int]]]:
    """Failures, unscorable answers and errors: what, its filter, the kind, and its number by system."""
    counted: dict[tuple[str, str, str], dict[str, int]] = {}
    for cell in summary.cells:
        for what, key, counts in (
            ("failed node or turn", "failure", cell.failures),
            ("unscorable", "reason", cell.unscorable),
            ("infrastructure", "error", cell.errors),
        ):
            for kind, times in counts.items():
                by_system = counted.setdefault((what, key, kind), {})
                by_system[cell.system] = by_system.get(cell.system, 0) + times
    ordered = sorted(counted.items(), key=lambda item: (item[0][0], -sum(item[1].values()), item[0][2]))
    return [(*names, by_system) for names, by_system in ordered]
