"""`flowsteer train`: a Director learns, from a settings file to a policy that can be used by name."""

import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, resumable, say, tell_faults
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.for_programs import ForPrograms
from flowsteer.cli.shell_completion import backend_names
from flowsteer.cli.user_settings import on_command_line
from flowsteer.cli.verbosity import tell
from flowsteer.cli.viewer import shown
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.training.config import TrainingConfig
    from flowsteer.training.run import TrainingResult


Warmup = Annotated[Path | None, typer.Option("--warmup", help="Run folder with episodes to learn from before RL.")]
Executor = Annotated[
    str | None, typer.Option("--executor", help="As --set executor.backend.", autocompletion=backend_names)
]
Library = Annotated[str | None, typer.Option("--library", help="As --set executor.library.")]
MaxTurns = Annotated[int | None, typer.Option("--max-turns", help="As --set canvas.max_turns.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="As --set seed.")]

SHORTCUTS = {
    "warmup": "warmup.run",
    "executor": "executor.backend",
    "library": "executor.library",
    "max_turns": "canvas.max_turns",
    "executor_tokens": "executor.sampling.max_tokens",
    "temperature": "executor.sampling.temperature",
    "seed": "seed",
    "max_calls": "executor.caps.calls",
    "max_tokens": "executor.caps.tokens",
    "max_seconds": "executor.caps.seconds",
    "max_cost": "executor.caps.cost",
}
"""Options that stand for a setting."""


@guarded
def train(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="TOML file of the run, such as examples/demo.toml.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as update.steps=20; repeat.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Run folder. A new one under runs/ without it.", show_default=False),
    ] = None,
    warmup: Warmup = None,
    executor: Executor = None,
    library: Library = None,
    max_turns: MaxTurns = None,
    executor_tokens: o.ExecutorTokens = None,
    temperature: o.Temperature = None,
    seed: Seed = None,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_seconds: o.MaxSeconds = None,
    max_cost: o.MaxCost = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --run.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, fetched and typed; do and fetch nothing.")
    ] = False,
    stand_in: Annotated[
        str,
        typer.Option(
            "--stand-in",
            help="With --dry-run: whose tokenizer to count with if the policy's own is not on this machine: smollm2.",
        ),
    ] = "",
    no_requests: o.NoRequests = False,
    view: o.View = False,
    json: o.Json = False,
    events: o.Events = False,
) -> None:
    """Train a Director by CWRPO on the canvas; its policy, metrics and every episode go to the run folder."""
    from flowsteer.training.config import load_training

    config = load_training(file, _overrides(on_command_line(context)))
    check_extra()
    asked = ForPrograms(json, events)
    if dry_run:
        _dry_run(config, file, run, stand_in, asked)
        return
    if stand_in:
        raise ConfigError("nothing stands in for the policy in a run", "--stand-in goes with --dry-run")
    if resume and run is None:
        raise ConfigError("--resume needs to know which run", "add --run DIR")
    from flowsteer.cli.learned import progress
    from flowsteer.training.inference.distributed import launched
    from flowsteer.training.run import train as run_training

    ranks = launched()
    if ranks.count > 1 and run is None:
        raise ConfigError(f"{ranks.count} processes need to know their common run folder", "add --run DIR")
    folder = run or new_run_folder("train")
    if not no_requests:
        config = _keeping(config, folder)
    hear, bar = asked.listener(), progress(config.update.steps, ranks.first, asked)
    # Trackers print what they do; standard output is for the result.
    with shown(folder, view and ranks.first):
        with resumable(folder, "--resume"), bar as (on_stage, on_step), redirect_stdout(sys.stderr):
            result = run_training(config, folder, resume, on_stage, on_step, hear)
        if ranks.first:
            _conclude(folder, result, asked)
            tell_faults(folder)


def _overrides(options: dict[str, Any]) -> list[str]:
    """What options ask for, as `--set` takes it."""
    asked = [f"{SHORTCUTS[name]}={value}" for name, value in options.items() if name in SHORTCUTS]
    return [*options.get("settings", []), *asked]


def _keeping(config: "TrainingConfig", folder: Path) -> "TrainingConfig":
    """The run with what operators send kept in its folder; a simulated executor reads nothing of it."""
    from flowsteer.runs.request_store import FILE

    executor = config.executor
    if executor.requests is not None or executor.backend.startswith("simulated:"):
        return config
    return replace(config, executor=replace(executor, requests=(folder / FILE).absolute()))


def check_extra() -> None:
    """The tensor library and the trainer are an extra.

    Raises:
        ConfigError: They are not installed.
    """
    from importlib.util import find_spec

    missing = [name for name in ("torch", "trl", "transformers", "peft") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}", "pip install 'flowsteer[train]'")


def _dry_run(config: "TrainingConfig", file: Path, run: Path | None, stand_in: str, asked: ForPrograms) -> None:
    from flowsteer.training.plan.training_plan import dry_run

    plan = dry_run(config, str(file), str(run or Path("runs") / file.stem), stand_in)
    if asked:
        asked.result(plan.to_json())
    else:
        say("\n".join(plan.lines()))


def _conclude(folder: Path, result: "TrainingResult", asked: ForPrograms) -> None:
    from dataclasses import asdict

    from flowsteer.cli.learned import curves, tables, workflows
    from flowsteer.cli.terminal import Terminal
    from flowsteer.runs.files import read_json
    from flowsteer.training.autopsy.verdicts import RunVerdict

    verdicts = read_json(folder / "result.json")["verdicts"]
    if asked:
        asked.result({"run": str(folder), **asdict(result), "verdicts": verdicts})
        return
    console = Terminal()
    if result.steps:
        console.print(curves(folder / "metrics.jsonl"))
    for table in tables(result):
        console.print(table)
    console.print(workflows("most frequent workflow after training, greedy", result.after["workflows"]))
    for verdict in verdicts:
        say(f"- {RunVerdict(**verdict)}")
    tell(f"{result.steps} steps; seconds: {', '.join(f'{name} {took:.0f}' for name, took in result.seconds.items())}")
    kind, _, step = result.after.get("tested", "").partition("@")
    which = f"the best on validation tasks, that of step {step}, is" if kind == "best" else "the trained policy is"
    tell(f"{which} in {folder / ('best' if kind == 'best' else 'policy')}; flowsteer solve … --director {folder}")
