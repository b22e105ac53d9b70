"""`flowsteer config`: what is set for all commands, and where."""

import os
from typing import Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli import user_settings as u
from flowsteer.cli.console import guarded, print_json, say

VARIABLES = {"director": "FLOWSTEER_DIRECTOR", "executor": "FLOWSTEER_EXECUTOR"}
"""Options that the environment sets, and by which variables."""

FROM_ENV = "flowsteer.env"
"""Under this name the command line keeps what it took from `.env`."""


@guarded
def config(ctx: typer.Context, json: o.Json = False) -> None:
    """Show what is set for all commands, and where each value is from.

    The strongest first: command line, environment, .env, ./flowsteer.toml, the user's flowsteer.toml, built in.
    """
    from_env = ctx.meta.get(FROM_ENV, {})
    files = [{"file": str(path), "found": path.is_file()} for path in u.settings_files()]
    rows, keys = _rows(from_env), _keys(from_env)
    if json:
        print_json({"files": files, "settings": rows, "keys": keys})
        return
    for file in files:
        say(f"{'✓' if file['found'] else '–'} {file['file']}")
    from rich.table import Table

    from flowsteer.cli.terminal import Terminal

    table = Table()
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row["setting"], str(row["value"]), row["from"])
    for key in keys:
        table.add_row(f"key of {key['backend']}", "set" if key["set"] else "not set", key["from"])
    Terminal().print(table)


def _rows(from_env: dict[str, str]) -> list[dict[str, Any]]:
    """What is in force, by setting."""
    from flowsteer.backends.models import default_executor
    from flowsteer.director.spec_options import PRETRAINED

    built_in = {"director": PRETRAINED, "executor": default_executor()}
    rows = {name: {"setting": name, "value": value, "from": "built in"} for name, value in built_in.items()}
    for one in u.read_settings():
        if one.table != u.KEYS:
            name = one.name if one.table == u.DEFAULTS else f"{one.table}.{one.name}"
            rows[name] = {"setting": name, "value": one.value, "from": str(one.file)}
    for name, variable in VARIABLES.items():
        if variable in os.environ:
            place = u.ENV_FILE if variable in from_env else "the environment"
            rows[name] = {"setting": name, "value": os.environ[variable], "from": f"{variable} in {place}"}
    return list(rows.values())


def _keys(from_env: dict[str, str]) -> list[dict[str, Any]]:
    """Where each backend's key is read, and whether it is there; never the key."""
    from flowsteer.backends.presets import PRESETS

    named = {one.name: str(one.value) for one in u.read_settings() if one.table == u.KEYS}
    found = []
    for preset in PRESETS.values():
        if preset.key_env:
            variable = named.get(preset.name, preset.key_env)
            here = variable in os.environ
            place = " in .env" if variable in from_env else " in the environment" if here else ""
            found.append({"backend": preset.name, "set": here, "from": f"{variable}{place}"})
    return found
