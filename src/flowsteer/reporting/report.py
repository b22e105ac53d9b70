"""The figures of a run, as Markdown and as JSON.

    report.md        the tables
    report.json      the figures

They come from the episodes' summaries alone; no event is read. `flowsteer.viewing.report_file` writes the page.
"""

from collections.abc import Sequence
from pathlib import Path

from flowsteer.errors import FlowSteerError
from flowsteer.evaluation.evaluate import PLAN, read_plans
from flowsteer.evaluation.evaluation_plan import PlannedDataset, dry_run
from flowsteer.evaluation.rescore import scored_entries
from flowsteer.reporting.markdown import simulated_specs, to_markdown
from flowsteer.reporting.summarise import summarise
from flowsteer.reporting.summary import Summary, to_json
from flowsteer.runs.files import write_json, write_text, writing
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.index import Entry

MARKDOWN, FIGURES = "report.md", "report.json"


def read_summary(run: RunFolder) -> Summary:
    """The figures of a run, with the latest grades; systems and datasets in the order in which they were asked for.

    Episodes that its plan asks for and that it does not hold are counted as missing.

    Raises:
        RunError: A pass of grades cannot be read.
        ConfigError: The run's plan is of another version.
    """
    return _summary(run, scored_entries(run))


def write_figures(run: RunFolder, out: Path) -> Summary:
    """Write the figures of a run.

    Args:
        run: The run; it may still be going on.
        out: Folder to write to; made if it is not there.

    Raises:
        RunError: The run cannot be read, or they cannot be written.
        ConfigError: The run's plan is of another version.
    """
    summary = read_summary(run)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_json(out / FIGURES, to_json(summary))
    write_text(out / MARKDOWN, to_markdown(summary, simulated_specs(run.config)))
    return summary


def _summary(run: RunFolder, entries: Sequence[Entry]) -> Summary:
    if not (run.path / PLAN).exists():
        return summarise(entries)
    plans = read_plans(run.path)
    try:
        starts = [dry_run(plan) for plan in plans]
    except FlowSteerError:  # its files or a workflow that it names are not there any more
        return summarise(entries, plans[0].systems, plans[0].datasets)
    systems = [row.name for start in starts for row in start.systems]
    datasets = [row.name for start in starts for row in start.datasets]
    if run.config.get("command") != "eval":  # other commands leave out some episodes of their plan
        return summarise(entries, systems, datasets)
    asked: dict[tuple[str, str], int | None] = {}
    for plan, start in zip(plans, starts, strict=True):
        for dataset in start.datasets:
            tasks = _tasks(dataset, entries)
            for key in ((dataset.name, system.name) for system in start.systems):
                most = asked.get(key, 0)
                asked[key] = None if tasks is None or most is None else max(most, tasks * plan.epochs)
    return summarise(entries, systems, datasets, asked=asked)


def _tasks(dataset: PlannedDataset, entries: Sequence[Entry]) -> int | None:
    """How many tasks of a dataset the run is to hold; None if only its source can tell, which may have too few."""
    seen = {entry.summary.task for entry in entries if entry.summary.dataset == dataset.name}
    known = not dataset.fetched or (dataset.tasks is not None and len(seen) >= dataset.tasks)
    return dataset.tasks if known else None
