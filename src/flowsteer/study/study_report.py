"""The report of a study: headings, texts, tables and curves as Markdown, and the figures as JSON.

report.md         for people
figure.svg        its curves
differences.svg   how much arms differ from the reference in accuracy
report.json       the figures, which the viewer shows, too
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError
from flowsteer.reporting import words
from flowsteer.reporting.markdown import markdown_table
from flowsteer.reporting.statistics import Estimate
from flowsteer.runs.files import write_json
from flowsteer.study.curves import figure
from flowsteer.study.difference_plot import difference_plot
from flowsteer.study.seed_statistics import least_p
from flowsteer.study.study_config import Study
from flowsteer.study.study_summary import (
    FIGURES,
    SHARES,
    SMOOTH,
    START,
    ArmDifference,
    ArmRow,
    StudySummary,
    named,
    summarise,
)

CURVES, DIFFERENCES = "figure.svg", "differences.svg"
ALTERNATIVES = {CURVES: "Learning curves", DIFFERENCES: "Differences in accuracy, with intervals"}
"""What stands for an image that is not shown."""

HEADS = {
    "accuracy": "accuracy %",
    "cwrpo": "paper's R",
    "gate_open": "gate open %",
    "valid": "valid %",
    "finished": "finished %",
    "turns": "turns",
    "operators": "operators",
    "operator_types": "operator types",
    "shape_bits": "shapes, bits",
    "one_step": "one step %",
    "padded": "padded %",
    "repeated": "repeated %",
    "unscorable": "unscorable",
}
UNIT = """Means over seeds, with Student's 95 % intervals in brackets, those of shares cut at 0 and 100: a seed is the
unit, since its tasks share one policy. Accuracy is of held-out tasks, the same for all arms of a seed, and drawn with
the same random numbers; those that could not be graded are in no accuracy, and counted as unscorable. The paper's R is
given whatever an arm was paid. Shapes: entropy of the shape classes of the workflows (how many parallels, conditionals
and loops, whatever they hold). One step, padded and repeated are shortcuts: at most one operator ran; six or more
without a structure; half or more of the steps repeat an operator. Collapsed: seeds whose policy has fewer than half its
turns accepted, or earns less of the paper's R than its own cold start."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """A part of the report.

    Attributes:
        kind: `h2`, `h3`, `p`, `table` (of figures), `words` (a table of words) or `image`.
        text: A heading, a paragraph, or the name of an image.
        heads: Of a table.
        rows: Of a table.
    """

    kind: str
    text: str = ""
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Reported:
    """What was written.

    Attributes:
        summary: The figures.
        markdown: The report.
    """

    summary: StudySummary
    markdown: Path


def write_study_report(study: Study, name: str, run: Path) -> Reported:
    """Write the report of the cells that are done.

    Args:
        study: The study.
        name: What it is called.
        run: Its folder.

    Raises:
        RunError: The folder holds a study with other settings, or cannot be written.
    """
    summary = summarise(study, run)
    images = {
        CURVES: figure(summary, tuple(study.config.worlds), tuple(study.config.arms)),
        DIFFERENCES: difference_plot(summary),
    }
    blocks = tuple(_blocks(study, summary))
    paths = Reported(summary, run / "report.md")
    try:
        for image, drawn in images.items():
            if drawn:
                (run / image).write_text(drawn, encoding="utf-8")
        write_json(run / "report.json", asdict(summary))
        paths.markdown.write_text(_markdown(name, blocks), encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot write {error.filename}: {error.strerror}", "name another folder with --run") from error
    return paths


def _markdown(name: str, blocks: Sequence[ReportBlock]) -> str:
    lines = [f"# Study {name}\n"]
    for block in blocks:
        match block.kind:
            case "table" | "words":
                lines += markdown_table(block.heads, block.rows)
            case "image":
                lines.append(f"![{ALTERNATIVES[block.text]}]({block.text})\n")
            case "p":
                lines.append(f"{block.text}\n")
            case heading:
                lines.append(f"{'#' * int(heading[1])} {block.text}\n")
    return "\n".join(lines)


def _blocks(study: Study, summary: StudySummary) -> Iterator[ReportBlock]:
    yield from _design(study, summary)
    yield ReportBlock("h2", "Learning curves")
    yield ReportBlock(
        "p",
        f"Of the episodes trained on: means over seeds of each seed's last {SMOOTH} steps; bands are Student's 95 % "
        "intervals over seeds.",
    )
    yield ReportBlock("image", CURVES)
    yield ReportBlock("h2", "Held-out tasks")
    yield ReportBlock("p", " ".join(UNIT.split()))
    for world in study.config.worlds:
        yield from _tests(study, summary, world)
    yield from _differences(study, summary)
    yield from _swaps(study, summary)
    yield from _seconds(summary)


def _design(study: Study, summary: StudySummary) -> Iterator[ReportBlock]:
    asked = study.config
    missing = summary.cells - summary.done
    done = f"{summary.done} of {summary.cells} cells are done" if missing else f"{summary.cells} cells"
    seeds = ", ".join(map(str, asked.seeds))
    yield ReportBlock(
        "p", f"{done}: {len(asked.worlds)} worlds × {len(asked.arms)} arms × {len(asked.seeds)} seeds ({seeds})."
    )
    if any("simulated:" in spec for specs in summary.executors.values() for spec in specs):
        yield ReportBlock(
            "p",
            "The executors are simulated: their answers are drawn from tables of what operators are worth, fixed by "
            "the hash in the name. Scores say what can be learned there, and nothing about any LLM.",
        )
    yield ReportBlock(
        "words",
        heads=("world", "executor"),
        rows=tuple((name, ", ".join(specs)) for name, specs in summary.executors.items()),
    )
    parts = (("all", asked.set), *((f"world {k}", v) for k, v in asked.worlds.items()))
    parts += (*((f"arm {k}", v) for k, v in asked.arms.items()), *((f"swap {k}", v) for k, v in asked.swaps.items()))
    yield ReportBlock("p", f"Settings are those of {asked.base.name}, except for:")
    yield ReportBlock(
        "words", heads=("where", "what differs"), rows=tuple((name, _changes(what)) for name, what in parts)
    )


def _changes(changes: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in changes.items()) or "nothing"


def _tests(study: Study, summary: StudySummary, world: str) -> Iterator[ReportBlock]:
    for temperature in study.config.temperatures:
        rows = [row for row in summary.rows if (row.world, row.swap, row.temperature) == (world, "", temperature)]
        if rows:
            yield ReportBlock("h3", f"{world}, {named(temperature)}")
            yield _table(rows)
    greedy = [row for row in summary.rows if (row.world, row.swap) == (world, "")]
    least = min(study.config.temperatures)
    shown = [row for row in greedy if row.temperature == least]
    types = sorted({kind for row in shown for kind in row.by_type})
    if len(types) > 1:
        yield ReportBlock("p", f"Accuracy by type of task, {named(least)}, in %:")
        yield ReportBlock(
            "table",
            heads=("arm", *types),
            rows=tuple((row.arm, *(words.score(row.by_type.get(kind)) for kind in types)) for row in shown),
        )


def _table(rows: Sequence[ArmRow]) -> ReportBlock:
    return ReportBlock(
        "table",
        heads=("arm", "seeds", *(HEADS[name] for name in FIGURES), "collapsed"),
        rows=tuple(
            (
                row.arm,
                str(row.seeds),
                *(_figure(name, row.figures[name]) for name in FIGURES),
                words.NONE if row.arm == START else str(row.collapsed),
            )
            for row in rows
        ),
    )


def _figure(name: str, value: Estimate | None) -> str:
    """A figure with its interval: a share in percent, anything else as it is.

    >>> _figure("turns", Estimate(4.25, 4, 4.5, 5)), _figure("accuracy", Estimate(0.5, None, None, 1))
    ('4.25 [4.00, 4.50]', '50.0')
    """
    if value is None:
        return words.NONE
    if name in SHARES:
        return words.score(value)
    ends = "" if value.low is None or value.high is None else f" [{value.low:.2f}, {value.high:.2f}]"
    return f"{value.mean:.2f}{ends}".replace("-", "−")


def _differences(study: Study, summary: StudySummary) -> Iterator[ReportBlock]:
    shown = [one for one in summary.differences if not one.swap]
    if not shown:
        return
    reference, seeds = study.config.reference, max(one.comparison.difference.n for one in shown)
    yield ReportBlock("h2", f"Differences from {reference}")
    yield ReportBlock(
        "p",
        "Paired on the same tasks and averaged over them within each seed; intervals are Student's over seeds; p is "
        "that of the exact two-sided sign-flip test over seeds, then Holm-corrected for the arms of one world, "
        f"temperature and figure. {seeds} seeds cannot give a p below {least_p(seeds):.4g}, however large the "
        "difference: read the intervals.",
    )
    yield ReportBlock("image", DIFFERENCES)
    heads = ("world", "test", "figure", "arm", "minus", "seeds", "difference", "p", "p (Holm)")
    yield ReportBlock("table", heads=heads, rows=tuple(_compared(one) for one in shown))


def _compared(one: ArmDifference) -> tuple[str, ...]:
    value = one.comparison.difference
    if one.measure in SHARES:
        written = f"{words.difference(value)} {words.interval(value)}".rstrip()
    else:
        ends = "" if value.low is None or value.high is None else f" [{value.low:.2f}, {value.high:.2f}]"
        written = f"{value.mean:+.2f}{ends}".replace("-", "−")
    ps = words.chance(one.comparison.p), words.chance(one.p_holm)
    return (one.world, named(one.temperature), HEADS[one.measure], one.arm, one.minus, str(value.n), written, *ps)


def _swaps(study: Study, summary: StudySummary) -> Iterator[ReportBlock]:
    if not any(row.swap for row in summary.rows):
        return
    yield ReportBlock("h2", "Swaps")
    yield ReportBlock(
        "p",
        "The trained policies, unchanged, under other settings than they were trained with. The cold start stands "
        "beside them; differences are from the same policy without the swap, on the same tasks.",
    )
    for world in study.config.worlds:
        for swap in study.config.swaps:
            for temperature in study.config.temperatures:
                rows = [r for r in summary.rows if (r.world, r.swap, r.temperature) == (world, swap, temperature)]
                if rows:
                    yield ReportBlock("h3", f"{world}, {swap}, {named(temperature)}")
                    yield _table(rows)
    heads = ("world", "swap", "test", "figure", "arm", "seeds", "difference", "p", "p (Holm)")
    compared = [(one.swap, _compared(one)) for one in summary.differences if one.swap]
    lines = tuple((cells[0], swap, *cells[1:4], *cells[5:]) for swap, cells in compared)
    yield ReportBlock("table", heads=heads, rows=lines)


def _seconds(summary: StudySummary) -> Iterator[ReportBlock]:
    yield ReportBlock("h2", "Time")
    yield ReportBlock(
        "p",
        "Seconds of wall time a seed and stage, means over seeds; the longest seed; and the processor's seconds, which "
        "other work on the machine changes less. Tests of the cold start are made once, and count with it.",
    )
    stages = list(dict.fromkeys(stage for one in summary.seconds for stage in one.stages))
    yield ReportBlock(
        "table",
        heads=("world", "arm", *stages, "longest in all", "processor"),
        rows=tuple(
            (
                one.world,
                one.what,
                *(f"{one.stages[stage]:.1f}" for stage in stages),
                f"{one.most:.1f}",
                words.NONE if one.cpu is None else f"{one.cpu:.1f}",
            )
            for one in summary.seconds
        ),
    )
