"""From the options of `flowsteer eval` and its file, if it has one, to the plain settings of an evaluation."""

from pathlib import Path
from typing import Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.user_settings import on_command_line

SAME = ("without", "library", "sandbox", "layout", "constrained", "epochs", "split", "seed", "engine", "concurrency")
SETTINGS = {name: name for name in (*SAME, "data", "limit", "executor")} | {
    "system": "systems",
    "max_calls": "caps.calls",
    "max_tokens": "caps.tokens",
    "max_seconds": "caps.seconds",
    "max_cost": "caps.cost",
    "director_tokens": "director_sampling.max_tokens",
    "executor_tokens": "executor_sampling.max_tokens",
    "temperature": "executor_sampling.temperature",
}
"""The settings of options, by dotted names."""

CANVAS = ("max_turns", "min_steps", "max_steps", "finish", "two_step")


def read_options(context: typer.Context) -> tuple[str, dict[str, Any], list[str]]:
    """What to call the settings in an error, the settings, and what `--set` asks for on top.

    Args:
        context: That of the command: its options, and where each is from.

    Raises:
        ConfigError: The file is absent or no TOML; an option does not fit.
    """
    from flowsteer.evaluation.evaluation_config import read_evaluation

    datasets, options = context.params["datasets"], context.params
    if len(datasets) == 1 and datasets[0].endswith(".toml"):
        file = Path(datasets[0])
        options = on_command_line(context)
        return file.name, _on_top(read_evaluation(file), options), options.get("settings") or []
    return "the evaluation", _on_top({"datasets": datasets, "systems": ["direct"]}, options), options["settings"] or []


def _on_top(plain: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Settings, and on top of them what options ask for."""
    from flowsteer.director.chat import EVALUATION
    from flowsteer.settings import changed, to_json

    given = {name: value for name, value in options.items() if value not in (None, (), [])}
    asked = {SETTINGS[name]: value for name, value in given.items() if name in SETTINGS}
    asked |= o.canvas_asked(**{name: given[name] for name in CANVAS if name in given})
    if "backend" in given:
        asked["roster"] = o.parse_roster(given["backend"])
    if SETTINGS["director_tokens"] in asked:
        plain = {"director_sampling": to_json(EVALUATION)} | plain
    return changed(plain, asked.items())
