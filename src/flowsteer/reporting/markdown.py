"""The figures of a run as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowsteer.reporting import words
from flowsteer.reporting.summary import POOLED, Summary, rows_of, standing
from flowsteer.reporting.table import MARKS, not_scored


def to_markdown(summary: Summary, simulated: Sequence[str] = ()) -> str:
    """The figures as Markdown tables: scores, use, paired differences, failures.

    Args:
        summary: The figures.
        simulated: Specs of simulated backends that took part; named first, so that nobody takes them for models.
    """
    said = [f"**Simulated executor** ({_cell(', '.join(simulated))}): scores say nothing about any LLM.\n"]
    return (
        "\n".join(
            [
                *(said if simulated else ()),
                *_extent(summary),
                *_scores(summary),
                *_use(summary),
                *_differences(summary),
                *_failures(summary),
            ]
        )
        + "\n"
    )


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, and an empty one behind it."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_cell(text) for text in row)} |"
    yield ""


def _cell(text: str) -> str:
    """Text that neither ends its cell nor is read as HTML."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")


def _extent(summary: Summary) -> Iterator[str]:
    """How much of what was asked for is there, unless it is all."""
    if summary.done < summary.asked:
        yield f"**{summary.done} of {summary.asked} episodes**: the others are in no mean. The same command goes on.\n"
    if summary.uncounted:
        names = _cell(", ".join(summary.uncounted))
        yield f"How many tasks {names} has is not known here: those that no system has are not counted as missing.\n"


def _scores(summary: Summary) -> Iterator[str]:
    yield "## Scores\n"
    yield "Percent with 95 % bootstrap intervals over tasks."
    yield "\\* highest, ▼ significantly below it (paired test, Holm-corrected p < 0.05).\n"
    columns = [*summary.datasets, *([POOLED] if summary.pooled else [])]
    found = {(name, row.system): row.score for name in columns for row in rows_of(summary, name)}
    rows = [
        [
            system,
            *(f"{words.score(found.get((c, system)))} {MARKS[standing(summary, c, system)]}".strip() for c in columns),
        ]
        for system in summary.systems
    ]
    yield from markdown_table(["system", *(_cell(name or _mean(summary)) for name in columns)], rows)


def _mean(summary: Summary) -> str:
    """What a mean over datasets is called: only those that every system has scores on are in it."""
    over = summary.pooled[0].datasets if summary.pooled else ()
    return f"mean of {', '.join(over)}" if over and over != summary.datasets else "mean"


def _use(summary: Summary) -> Iterator[str]:
    yield "## What an episode takes\n"
    heads = ["dataset", "system", "scored", "not scored", "finished", "turns", "Director tokens", "executor tokens"]
    rows = []
    for cell in summary.cells:
        use = cell.use
        figures = [words.NONE] * 6
        if use is not None:
            counts = (words.amount(n) for n in (use.turns, use.director_tokens, use.executor_tokens))
            figures = [words.percent(use.finished), *counts, words.money(use.cost), words.seconds(use.seconds)]
        rows.append([cell.dataset, cell.system, str(cell.scored), not_scored(cell), *figures])
    yield from markdown_table([*heads, "cost", "time"], rows)


def _differences(summary: Summary) -> Iterator[str]:
    if not summary.differences:
        return
    yield "## Paired differences\n"
    yield "Percentage points on the same task and epoch; sign-flip test, Holm-corrected within each dataset.\n"
    rows = []
    for found in summary.differences:
        value = found.comparison.difference
        written = f"{words.difference(value)} {words.interval(value)}"
        ps = (words.chance(found.comparison.p), words.chance(found.p_holm))
        rows.append(
            [
                found.dataset or _mean(summary),
                found.a,
                found.b,
                str(found.pairs),
                written,
                *ps,
                "yes" * found.significant,
            ]
        )
    yield from markdown_table(
        ["dataset", "system", "minus", "pairs", "difference", "p", "p (Holm)", "significant"], rows
    )


def _failures(summary: Summary) -> Iterator[str]:
    rows = [
        [cell.dataset, cell.system, what, kind, str(times)]
        for cell in summary.cells
        for what, counts in (("failure", cell.failures), ("unscorable", cell.unscorable), ("error", cell.errors))
        for kind, times in counts.items()
    ]
    if rows:
        yield "## Failures\n"
        yield from markdown_table(["dataset", "system", "what", "kind", "times"], rows)


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
