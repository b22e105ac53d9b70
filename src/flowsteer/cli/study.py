"""`flowsteer study`: arms × worlds × seeds, each a training run, and a report of what differs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.train import check_extra

if TYPE_CHECKING:
    from flowsteer.training.study_config import Study


@guarded
def study(
    file: Annotated[Path, typer.Argument(help="TOML file of the study, such as examples/study_rewards.toml.")],
    run: o.RunDir = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes that train at once, of one thread each.")] = 1,
    json: o.Json = False,
) -> None:
    """Train every arm of a study in every world with every seed, and report curves, tables and paired tests."""
    from flowsteer.training.study_config import load_study

    asked = load_study(file)
    check_extra()
    folder = run or new_run_folder("study")
    from flowsteer.training.study_jobs import run_study

    with _resumable(folder), _bar(asked, folder, json) as on_change:
        run_study(file, folder, jobs, on_change)
    print_json({"run": str(folder)})


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Say how to go on when the study is broken off."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"what is done is kept: run the same command with --run {folder} to go on")
        raise


@contextmanager
def _bar(study: "Study", folder: Path, quiet: bool) -> Iterator[Callable[[], None]]:
    """A progress bar over all updates and tests."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from flowsteer.training.study import standing

    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)

        def on_change() -> None:
            now = standing(study, folder)
            words = f"{now.done} of {now.cells} cells  {', '.join(now.running)}"
            bar.update(task, completed=now.share, description=words)

        yield on_change
