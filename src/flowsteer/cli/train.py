"""`flowsteer train`: a Director learns, from a settings file to a policy that can be used by name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json
from flowsteer.cli.folders import new_run_folder
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.training.config import TrainingConfig
    from flowsteer.training.train import Result

SHOWN = ("reward", "accuracy", "gate_open", "valid", "finished", "turns", "operators")


@guarded
def train(
    file: Annotated[Path, typer.Argument(help="TOML file of the run, such as examples/demo.toml.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as update.steps=20; repeat.")
    ] = None,
    run: o.RunDir = None,
    warmup: Annotated[
        Path | None, typer.Option("--warmup", help="Run folder with episodes to learn from before RL.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --run.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    json: o.Json = False,
) -> None:
    """Train a Director by CWRPO on the canvas; its policy, metrics and every episode go to the run folder."""
    from flowsteer.training.config import load_training

    config = load_training(file, [*(settings or []), *([f"warmup.run={warmup}"] if warmup else [])])
    _check_extra()
    if dry_run:
        _dry_run(config, json)
        return
    if resume and run is None:
        raise ConfigError("--resume needs to know which run", "add --run DIR")
    folder = run or new_run_folder("train")
    from flowsteer.training.train import train as run_training

    with _resumable(folder), _bar(config.update.steps, json) as (on_stage, on_step):
        result = run_training(config, folder, resume, on_stage, on_step)
    _conclude(folder, result, json)


def _check_extra() -> None:
    """The tensor library and the trainer are an extra.

    Raises:
        ConfigError: They are not installed.
    """
    from importlib.util import find_spec

    missing = [name for name in ("torch", "trl", "transformers", "peft") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}", "pip install 'flowsteer[train]'")


def _dry_run(config: "TrainingConfig", json: bool) -> None:
    from dataclasses import asdict

    from flowsteer.training.dry_run import dry_run

    plan = dry_run(config)
    if json:
        print_json(asdict(plan))
    else:
        typer.echo("\n".join(plan.lines()))


def _conclude(folder: Path, result: "Result", json: bool) -> None:
    from dataclasses import asdict

    if json:
        print_json({"run": str(folder), **asdict(result)})
        return
    _table("greedy", result.before, result.after)
    _table("T = 1", result.before["sampled"], result.after["sampled"])
    typer.echo("workflows after, the most frequent of each type:")
    for kind, dsl in result.after["workflows"].items():
        typer.echo(f"  {kind}: {dsl or '(empty)'}")
    note(f"{result.steps} steps; seconds: {', '.join(f'{name} {took:.0f}' for name, took in result.seconds.items())}")
    note(f"the trained policy is in {folder / 'policy'}")


def _table(title: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    typer.echo(f"{title:>9}    before     after")
    for figure in SHOWN:
        typer.echo(f"{figure:>9}  {_shown(before[figure])}  {_shown(after[figure])}")


def _shown(value: float | None) -> str:
    return f"{'–':>8}" if value is None else f"{value:8.3f}"


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Say how to go on when the run is broken off."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"what is done is kept: run the same command with --run {folder} --resume to go on")
        raise


@contextmanager
def _bar(steps: int, quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[dict[str, Any]], None]]]:
    """A progress bar with the figures that tell whether it learns."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("starting", total=steps)

        def on_stage(stage: str) -> None:
            bar.update(task, description=stage)

        def on_step(metrics: dict[str, Any]) -> None:
            figures = {name: metrics.get(f"episodes/{name}") for name in ("reward", "gate_open", "valid", "accuracy")}
            words = "  ".join(f"{name} {value:.2f}" for name, value in figures.items() if value is not None)
            bar.update(task, completed=metrics["step"], description=words)

        yield on_stage, on_step
