"""The report of a run: one HTML file, Markdown, JSON, and a page for each episode.

    report.html      every figure, with plots and an index of all episodes; needs nothing outside itself
    report.md        the tables
    report.json      the figures
    episodes/        every episode drawn turn by turn, one small file each

Figures come from the episodes' summaries alone. Events are read for the episodes' pages, one episode at a time, so
memory does not grow with what the episodes contain.
"""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.evaluation.evaluate import PLAN, read_plan
from flowsteer.evaluation.rescore import scored_entries
from flowsteer.reporting.episode_page import episode_page
from flowsteer.reporting.markdown import to_markdown
from flowsteer.reporting.report_page import report_page, simulated_specs
from flowsteer.reporting.summarise import summarise
from flowsteer.reporting.summary import Summary, to_json
from flowsteer.reporting.templates import edition
from flowsteer.runs.files import write_json, write_text
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.index import Entry
from flowsteer.runs.summary import summary_to_json

Progress = Callable[[int, int], None]
"""Told how many pages are drawn, of how many."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a report stands.

    Attributes:
        html: The report for people.
        markdown: Its tables.
        json: Its figures.
        episodes: Folder of the episodes' pages.
    """

    html: Path
    markdown: Path
    json: Path
    episodes: Path


def read_summary(run: RunFolder) -> Summary:
    """The figures of a run, with the latest grades; systems and datasets in the order in which they were asked for.

    Raises:
        RunError: A pass of grades cannot be read.
        ConfigError: The run's plan is of another version.
    """
    return _summary(run, scored_entries(run))


def write_report(
    run: RunFolder, out: Path, pages: int | None = None, progress: Progress = lambda done, total: None
) -> Paths:
    """Write the report of a run, or bring it up to date: pages that are there already are not drawn again.

    Args:
        run: The run; it may still be going on.
        out: Folder to write to; made if it is not there.
        pages: Most pages to draw, failures first; None draws all. The index tells how to draw the others.
        progress: Told after each page.

    Raises:
        RunError: The run cannot be read, or the report cannot be written.
        ConfigError: The run's plan is of another version.
    """
    paths = Paths(out / "report.html", out / "report.md", out / "report.json", out / "episodes")
    entries = scored_entries(run)
    summary = _summary(run, entries)
    recorded = [entry for entry in entries if entry.episode in run.entries]
    names = {entry.episode: page_name(entry) for entry in recorded}
    try:
        paths.episodes.mkdir(parents=True, exist_ok=True)
        _drop_outdated(paths.episodes, set(names.values()))
        chosen = sorted(recorded, key=_went_well)[:pages]
        for done, entry in enumerate(chosen, 1):
            _draw(run, entry, paths.episodes / names[entry.episode])
            progress(done, len(chosen))
        write_json(paths.json, to_json(summary))
        write_text(paths.markdown, to_markdown(summary, simulated_specs(run.config)))
        drawn = {episode: name for episode, name in names.items() if (paths.episodes / name).exists()}
        write_text(paths.html, report_page(run, entries, summary, drawn))
    except OSError as error:
        raise RunError(
            f"cannot write the report to {out}: {error.strerror}", "name another folder: --out DIR"
        ) from error
    return paths


def write_page(run: RunFolder, out: Path, episode: str) -> Path:
    """Draw the page of one episode, unless it is there; only the episode's own bytes of the run are read.

    Args:
        run: The run.
        out: Folder of the report.
        episode: Id of the episode.

    Returns:
        The page.

    Raises:
        RunError: The run has no such episode, or the page cannot be written.
    """
    entry = next((entry for entry in run.graded() if entry.episode == episode), None)
    if entry is None:
        raise RunError(f"{run.path} has no finished episode {episode!r}", f"flowsteer show {run.path}")
    path = out / "episodes" / page_name(entry)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw(run, entry, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}", "name another folder: --out DIR") from error
    return path


def page_name(entry: Entry) -> str:
    """The file of an episode's page. An episode that is run or scored again, like another edition, gets another."""
    source = f"{entry.episode}@{entry.offset} {json.dumps(summary_to_json(entry.summary), sort_keys=True)} {edition()}"
    return f"{sha256(source.encode()).hexdigest()[:16]}.html"


def _summary(run: RunFolder, entries: Sequence[Entry]) -> Summary:
    if not (run.path / PLAN).exists():
        return summarise(entries)
    plan = read_plan(run.path)
    return summarise(entries, plan.systems, plan.datasets)


def _draw(run: RunFolder, entry: Entry, path: Path) -> None:
    if path.exists():
        return
    command = shlex.join(["flowsteer", "show", str(run.path), entry.episode])
    write_text(path, episode_page(entry, run.events(entry.episode), command, "../report.html"))


def _drop_outdated(folder: Path, current: set[str]) -> None:
    """Delete the pages of what has been run or scored again since."""
    for path in folder.glob("*.html"):
        if path.name not in current:
            path.unlink()


def _went_well(entry: Entry) -> bool:
    return entry.summary.score is not None and not entry.summary.failures
