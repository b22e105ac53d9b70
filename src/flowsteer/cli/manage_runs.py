"""`flowsteer runs list|show|rm|prune`: look at run folders, and remove some."""

import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json, say
from flowsteer.cli.show import show
from flowsteer.errors import ConfigError, RunError

DAY = 86_400.0
"""Seconds."""

DAMAGED = "damaged"
"""Stands for the command that made a run that cannot be read."""

Root = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder that holds runs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """A run folder, as lists tell of it.

    Attributes:
        run: The folder.
        kind: The command that made it, or `DAMAGED`.
        finished: Finished episodes.
        empty: Whether nothing at all has come of it; see `RunFolder.empty`.
        unfinished: Episodes that broke off, or are in flight.
        writing: Whether a process is writing to it.
        megabytes: Its size, in 10^6 bytes.
        changed: When it was last written to, in seconds since 1970.
    """

    run: str
    kind: str
    finished: int
    empty: bool
    unfinished: int
    writing: bool
    megabytes: float
    changed: float


@guarded
def list_runs(root: Root = Path("runs"), json: o.Json = False) -> None:
    """List the runs in a folder and below it, the latest first."""
    found = _runs_below(root)
    if json:
        print_json({"root": str(root), "runs": [asdict(one) for one in found]})
        return
    from rich.table import Table

    from flowsteer.cli.terminal import Terminal

    table = Table(title=f"{root}: {len(found)} runs")
    for column in ("run", "made by", "finished", "unfinished", "MB", "changed"):
        table.add_column(column, overflow="fold", justify="left" if column in ("run", "made by") else "right")
    for one in found:
        changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.changed))
        unfinished = f"{one.unfinished}{' (running)' if one.writing else ''}" if one.unfinished or one.writing else ""
        table.add_row(one.run, one.kind, str(one.finished), unfinished, f"{one.megabytes:.1f}", changed)
    Terminal().print(table)


@guarded
def show_run(run: Annotated[Path, o.run_argument("Run folder.", "RUN")], json: o.Json = False) -> None:
    """Say what a run is, and list its episodes."""
    one = _on_disk(run)
    if not json:
        state = "is being written to" if one.writing else "is not being written to"
        say(f"{one.run}: made by {one.kind}, {one.megabytes:.1f} MB; it {state}")
    show(run, json=json)


@guarded
def rm(
    runs: Annotated[list[Path], o.run_argument("Run folders.", "RUN...")],
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Remove only what episodes that broke off have left.")
    ] = False,
    yes: Yes = False,
    json: o.Json = False,
) -> None:
    """Remove run folders, or what broke off in them; a run that is being written to is refused."""
    from flowsteer.runs.folder import RunFolder
    from flowsteer.runs.forgetting import forget_unfinished

    named = [*dict.fromkeys(runs)]
    found = [_on_disk(run) for run in named]
    for one in found:
        if one.writing:
            raise RunError(f"another process is writing to {one.run}", "wait for it, or stop it")
    episodes = sum(one.unfinished if unfinished else one.finished for one in found)
    what = (
        f"{episodes} unfinished episodes of {len(found)} runs"
        if unfinished
        else f"{len(found)} runs with {episodes} finished episodes"
    )
    _ask(f"remove {what}?", yes)
    for run in named:
        if unfinished:
            forget_unfinished(RunFolder.read(run))
        else:
            _remove(run)
    if json:
        print_json({"removed": [str(run) for run in named], "unfinished": unfinished})
    else:
        say(f"removed {what}")


@guarded
def prune(
    root: Root = Path("runs"),
    older_than: Annotated[
        float | None, typer.Option("--older-than", min=0, help="Also runs not written to for so many days.")
    ] = None,
    yes: Yes = False,
    json: o.Json = False,
) -> None:
    """Remove the runs of which nothing has come, no episode, figure or policy; and old ones if asked to.

    None that is being written to, and none that is damaged.
    """
    now = time.time()
    going = [
        one
        for one in _runs_below(root)
        if not one.writing
        and one.kind != DAMAGED
        and (one.empty or (older_than is not None and now - one.changed > older_than * DAY))
        and Path(one.run) != root
    ]
    if going and not json:
        for one in going:
            say(f"{one.run}: {one.finished} finished episodes, {one.megabytes:.1f} MB")
    if going:
        _ask(f"remove these {len(going)} runs?", yes)
    for one in going:
        if Path(one.run).exists():  # it may have stood in one that has gone
            _remove(Path(one.run))
    if json:
        print_json({"removed": [one.run for one in going]})
    else:
        say(f"removed {len(going)} runs")


def _runs_below(root: Path) -> list[RunOnDisk]:
    """The runs at a folder and below it, the latest first; a study is its cells.

    Raises:
        ConfigError: There is no such folder.
    """
    from flowsteer.viewing.runs_below import find_runs, is_study

    if not root.is_dir():
        raise ConfigError(f"there is no folder {root}", "name one that holds runs: flowsteer runs list FOLDER")
    found = [_on_disk(path) for path in find_runs(root).values() if not is_study(path)]
    return sorted(found, key=lambda one: one.changed, reverse=True)


def _on_disk(run: Path) -> RunOnDisk:
    """What a list tells of a run; a damaged one has no episodes that could be counted.

    Raises:
        RunError: It is none.
    """
    from flowsteer.runs.folder import OPEN, RunFolder
    from flowsteer.runs.lock import is_locked
    from flowsteer.viewing.runs_below import is_run

    try:
        record = RunFolder.read(run)
        made_by, finished, empty = str(record.config.get("command", "other")), len(record.entries), record.empty
        unfinished = record.unfinished
    except RunError:
        if not is_run(run):
            raise
        made_by, finished, empty = DAMAGED, 0, False
        unfinished = sum(1 for _ in (run / OPEN).glob("*.jsonl"))
    stats = [file.stat() for file in run.rglob("*") if file.is_file() and not file.is_symlink()]
    return RunOnDisk(
        str(run),
        made_by,
        finished,
        empty,
        unfinished,
        is_locked(run),
        sum(stat.st_size for stat in stats) / 1e6,
        max((stat.st_mtime for stat in stats), default=0.0),
    )


def _remove(run: Path) -> None:
    try:
        shutil.rmtree(run)
    except OSError as error:
        raise RunError(f"cannot remove {run}: {error.strerror}", "check who owns it") from error


def _ask(question: str, yes: bool) -> None:
    """Ask before something is removed.

    Raises:
        ConfigError: There is nobody to ask.
        typer.Exit: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"{question[:-1]}: there is nobody to ask", "add --yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(0)
