"""The figures of a run as tables for a terminal."""

from io import StringIO

from rich.console import Console
from rich.table import Table

from flowsteer.reporting import words
from flowsteer.reporting.summary import POOLED, Pooled, ScoreCell, Summary, rows_of, standing

MARKS = {"best": "*", "worse": "▼", "": ""}
LEGEND = "score in % [95 % interval] · * highest · ▼ significantly below the highest (paired, Holm-corrected p < 0.05)"


def table_text(summary: Summary, width: int = 120) -> str:
    """The figures as text.

    Args:
        summary: The figures.
        width: Columns of the terminal.
    """
    console = Console(file=StringIO(), width=width, color_system=None, markup=False, emoji=False)
    console.print(_scores(summary))
    console.print(LEGEND)
    if summary.differences:
        console.print(_differences(summary))
    file = console.file
    assert isinstance(file, StringIO)  # noqa: S101 - made above
    return file.getvalue()


def _scores(summary: Summary) -> Table:
    table = Table("dataset", "system")
    for name in ("n", "score", "turns", "tokens", "cost", "time", "not scored"):
        table.add_column(name, justify="right")
    for dataset in (*summary.datasets, POOLED):
        rows = rows_of(summary, dataset)
        for place, row in enumerate(rows):
            name = (dataset or f"mean of {len(summary.pooled[0].datasets)}") if place == 0 else ""
            table.add_row(name, row.system, *_figures(summary, dataset, row), end_section=row is rows[-1])
    return table


def _figures(summary: Summary, dataset: str, row: ScoreCell | Pooled) -> list[str]:
    mark = MARKS[standing(summary, dataset, row.system)]
    scored = str(row.scored) if isinstance(row, ScoreCell) else ""
    figures = [scored, f"{words.score(row.score)} {mark}".rstrip()]
    if row.use is None:
        figures += [words.NONE] * 4
    else:
        use = row.use
        figures += [
            words.amount(use.turns),
            words.amount(use.tokens),
            words.money(use.cost),
            words.seconds(use.seconds),
        ]
    return [*figures, not_scored(row) if isinstance(row, ScoreCell) else ""]


def not_scored(cell: ScoreCell) -> str:
    """Episodes without a score, by why."""
    parts = {"unscorable": cell.unscorable_count, "errors": cell.error_count, "missing": cell.missing}
    return ", ".join(f"{number} {name}" for name, number in parts.items() if number)


def _differences(summary: Summary) -> Table:
    """Pooled differences, or those of the only dataset; each dataset's own are in the report."""
    family = POOLED if any(found.dataset == POOLED for found in summary.differences) else summary.differences[0].dataset
    table = Table(
        "system", "minus", title=f"Paired differences, {family or 'mean over datasets'}", title_justify="left"
    )
    for name in ("pairs", "difference", "p", "p (Holm)"):
        table.add_column(name, justify="right")
    for found in summary.differences:
        if found.dataset == family:
            value = found.comparison.difference
            written = f"{words.difference(value)} {words.interval(value)}".rstrip()
            star = " *" if found.significant else ""
            p, corrected = words.chance(found.comparison.p), words.chance(found.p_holm)
            table.add_row(found.a, found.b, str(found.pairs), written, p, corrected + star)
    return table
