"""`flowsteer study`: arms × worlds × seeds, each a training run, and a report of what differs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json, resumable, say, tell_faults
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.progress_display import progress_display
from flowsteer.cli.train import check_extra
from flowsteer.cli.verbosity import tell
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.study.study_config import Study
    from flowsteer.study.study_report import Reported

SHOWN = ("accuracy", "cwrpo", "gate_open", "valid", "finished")


@guarded
def study(
    file: Annotated[Path, typer.Argument(help="TOML file of the study, such as examples/study_rewards.toml.")],
    run: o.RunDir = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes that train at once, of one thread each.")] = 1,
    report: Annotated[bool, typer.Option("--report", help="Train nothing; report what is done so far.")] = False,
    json: o.Json = False,
) -> None:
    """Train every arm of a study in every world with every seed, and report curves, tables and paired tests."""
    from flowsteer.study.study_config import load_study

    asked = load_study(file)
    check_extra()
    if report and run is None:
        raise ConfigError("--report needs to know which study", "add --run DIR")
    folder = run or new_run_folder("study")
    if report and not any((folder / part).is_dir() for part in ("cells", "starts")):
        raise ConfigError(f"{folder} holds no study", f"flowsteer study {file} --run {folder} makes one")
    if not report:
        from flowsteer.study.jobs import run_study

        with resumable(folder), _bar(asked, folder) as on_change:
            run_study(file, folder, jobs, on_change)
    from flowsteer.study.study_report import write_study_report

    _conclude(folder, write_study_report(asked, file.stem, folder), json)
    tell_faults(folder)


def _conclude(folder: Path, reported: "Reported", json: bool) -> None:
    from flowsteer.viewing.report_file import write_report_page

    found, page = reported.summary, write_report_page(folder, folder)
    if json:
        print_json({"run": str(folder), "report": str(page), **asdict(replace(found, curves=()))})
        return
    say(f"{'world':>12}  {'arm':>12}  {'test':>6}" + "".join(f"  {name:>9}" for name in SHOWN))
    for row in found.rows:
        if not row.swap:
            means = (row.figures[name] for name in SHOWN)
            shown = "".join(f"  {'–':>9}" if value is None else f"  {value.mean:9.3f}" for value in means)
            say(f"{row.world:>12}  {row.arm:>12}  {f'T={row.temperature:g}':>6}{shown}")
    tell(f"{found.done} of {found.cells} cells; the report is {page}")


@contextmanager
def _bar(study: "Study", folder: Path) -> Iterator[Callable[[], None]]:
    """Progress over all updates and tests, counted in cells."""
    from flowsteer.study.cells import standing, units_of

    cells = units_of(study, folder)
    with progress_display() as display:

        def on_change() -> None:
            now = standing(cells)
            display(now.share * now.cells, now.cells, f"{now.done} done  {', '.join(now.running)}")

        yield on_change
