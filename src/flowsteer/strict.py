"""Settings from a TOML file and the command line, checked by a pydantic model; unknown keys are refused."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from flowsteer.errors import ConfigError


class Strict(BaseModel):
    """A part of a configuration; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Settings = TypeVar("Settings", bound=Strict)


def read_toml(path: Path, example: str) -> dict[str, Any]:
    """The plain values of a file.

    Args:
        path: A TOML file.
        example: A file to look at, named when this one cannot be read.

    Raises:
        ConfigError: The file is absent or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the file {path} cannot be read: {error.strerror}", f"{example} is one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def check(kind: type[Settings], plain: dict[str, Any], where: str, overrides: Sequence[str] = ()) -> Settings:
    """Check plain values.

    Args:
        kind: The model.
        plain: Values by name; those not given are at their default.
        where: What to call them in an error.
        overrides: Changes such as `limit=20` or `caps.calls=64`: values as in TOML; what is no TOML value is a string.

    Raises:
        ConfigError: A key is unknown or a value does not fit; all faults are named.
    """
    for override in overrides:
        _override(plain, override)
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        faults = [": ".join(part for part in (".".join(map(str, f["loc"])), _told(f)) if part) for f in error.errors()]
        raise ConfigError(f"{where}: {'; '.join(faults)}", f"keys: {', '.join(kind.model_fields)}") from error


def _override(plain: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    *path, last = name.strip().split(".")
    if not equals or not last:
        raise ConfigError(f"{override!r} is no setting", "NAME=VALUE, such as limit=20 or caps.calls=1000")
    for part in path:
        plain = plain.setdefault(part, {})
        if not isinstance(plain, dict):
            raise ConfigError(f"{override!r}: {part} holds no settings of its own")
    try:
        plain[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        plain[last] = text


def _told(fault: Any) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "value_error":  # a rule of this project over several settings: its own words say what was found
            return str(fault["ctx"]["error"])
        case _:
            return f"{fault['msg'].lower()}, found {fault['input']!r}"
