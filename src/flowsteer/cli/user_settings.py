"""What a user has set for all commands: `flowsteer.toml` and `.env`.

What counts, the strongest first: the command line, the environment, `.env` in the working directory, `flowsteer.toml`
there, `flowsteer.toml` in the user's configuration folder, what is built in.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowsteer.credentials import refuse_keys
from flowsteer.errors import ConfigError
from flowsteer.settings import read_toml
from flowsteer.suggestions import did_you_mean

FILE, ENV_FILE = "flowsteer.toml", ".env"
DEFAULTS, KEYS = "defaults", "keys"
"""Tables that are no commands: options of every command that has them; names of variables that hold keys."""

_READ_FROM_ENV = re.compile(r"FLOWSTEER_\w+|HF_\w+|\w+_API_KEY")
"""Variables that `.env` may set, besides those that are named for keys; PATH and the like are left alone."""

_VARIABLE = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class UserSetting:
    """One value in a settings file.

    Attributes:
        table: `defaults`, `keys` or a command.
        name: The option as it is written on the command line, without dashes in front; or a backend.
        value: The value.
        file: Where it stands.
    """

    table: str
    name: str
    value: Any
    file: Path


def settings_files() -> list[Path]:
    """Where settings are looked for, the strongest first."""
    from platformdirs import user_config_path

    return [Path(FILE), user_config_path("flowsteer") / FILE]


def read_settings() -> list[UserSetting]:
    """All values that are set, the weakest file first.

    Raises:
        ConfigError: A file cannot be read, or holds a key or a value outside of a table.
    """
    found = []
    for file in reversed(settings_files()):
        if not file.is_file():
            continue
        plain = read_toml(file, "docs/settings.md")
        refuse_keys(plain)
        for table, values in plain.items():
            if not isinstance(values, dict):
                raise ConfigError(f"{file}: {table} stands in no table", f"write it below [{DEFAULTS}]")
            found += [UserSetting(table, name.replace("_", "-"), value, file) for name, value in values.items()]
    return found


def option_defaults(settings: list[UserSetting], commands: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Defaults of every command, as click takes them: by command and parameter.

    Args:
        settings: What is set; later ones win, and a command's own table wins over `defaults`.
        commands: Commands of the command line, by name.

    Raises:
        ConfigError: A table is no command, or no command has the option.
    """
    options = {name: dict(_options(command)) for name, command in commands.items()}
    defaults: dict[str, dict[str, Any]] = {name: {} for name in commands}
    for one in sorted(settings, key=lambda setting: setting.table != DEFAULTS):
        if one.table == KEYS:
            continue
        if one.table != DEFAULTS and one.table not in options:
            raise _unknown(f"{one.file}: [{one.table}] is no command", one.table, [DEFAULTS, KEYS, *options])
        having = [name for name in options if one.table in (DEFAULTS, name) and one.name in options[name]]
        if not having:
            known = sorted({option for name in options if one.table in (DEFAULTS, name) for option in options[name]})
            raise _unknown(f"{one.file}: [{one.table}] has the unknown key {one.name}", one.name, known)
        for name in having:
            parameter = options[name][one.name]
            several = getattr(parameter, "multiple", False) and not isinstance(one.value, list)
            defaults[name][parameter.name] = [one.value] if several else one.value
    return defaults


def on_command_line(context: Any) -> dict[str, Any]:
    """The options of a command that stand on the command line, by parameter.

    They alone win over a file that says what to do, such as that of `train` or `eval`; defaults of options do not, be
    they built in or the user's own.

    Args:
        context: That of the command, a `typer.Context`: its options, and where each is from.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params}
    there = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    return {name: context.params[name] for name in there}


def _options(command: Any) -> Iterator[tuple[str, Any]]:
    for parameter in getattr(command, "params", ()):
        for spelling in parameter.opts:
            if spelling.startswith("--"):
                yield spelling.removeprefix("--"), parameter


def _unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(f"{what}.{did_you_mean(name, known)}", f"one of: {', '.join(known)}")


@contextmanager
def variables(settings: list[UserSetting]) -> Iterator[dict[str, str]]:
    """Hold what `.env` sets and the environment lacks, and the keys where backends look for them.

    Args:
        settings: They name the variables that hold keys.

    Yields:
        What was taken from `.env`.

    Raises:
        ConfigError: A key is named for a backend that there is not, or by what is no variable.
    """
    before = dict(os.environ)
    keys = _key_variables(settings)
    found = _from_env_file(set(keys.values()))
    try:
        os.environ.update(found)
        os.environ.update({known: os.environ[named] for known, named in keys.items() if named in os.environ})
        yield found
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def _from_env_file(keys: set[str]) -> dict[str, str]:
    if not Path(ENV_FILE).is_file():
        return {}
    from dotenv import dotenv_values

    return {
        name: value
        for name, value in dotenv_values(ENV_FILE).items()
        if value is not None and name not in os.environ and (name in keys or _READ_FROM_ENV.fullmatch(name))
    }


def _key_variables(settings: list[UserSetting]) -> dict[str, str]:
    """The variables in which backends look for their keys, and those that hold them."""
    from flowsteer.backends.presets import PRESETS

    found = {}
    for one in settings:
        if one.table != KEYS:
            continue
        if one.name not in PRESETS:
            raise _unknown(f"{one.file}: [{KEYS}] names no backend {one.name}", one.name, PRESETS)
        if not isinstance(one.value, str) or not _VARIABLE.fullmatch(one.value):
            raise ConfigError(
                f"{one.file}: {one.name} under [{KEYS}] is no name of a variable", "put the key itself into .env"
            )
        found[PRESETS[one.name].key_env] = one.value
    return found
