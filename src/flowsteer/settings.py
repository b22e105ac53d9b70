"""Settings: frozen dataclasses, read from a TOML file and the command line, checked whole; unknown keys are refused."""

import operator
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from flowsteer.errors import ConfigError
from flowsteer.shipped_examples import with_examples
from flowsteer.suggestions import nearest, question

if TYPE_CHECKING:
    from pydantic import TypeAdapter

JSON = dict[str, Any]
Record = TypeVar("Record")


def read_toml(path: Path, example: str) -> JSON:
    """The plain values of a file.

    Args:
        path: A TOML file, or `examples/FILE` of those that come with FlowSteer.
        example: A file to look at, named when this one cannot be read.

    Raises:
        ConfigError: The file is absent or no TOML.
    """
    try:
        return tomllib.loads(with_examples(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the file {path} cannot be read: {error.strerror}", f"{example} is one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def check(kind: type[Record], plain: JSON, where: str, overrides: Sequence[str] = ()) -> Record:
    """Check plain values against a frozen dataclass: its types, their constraints, and its own rules.

    Args:
        kind: The dataclass; its tables are dataclasses, too.
        plain: Values by name; those not given are at their default.
        where: What to call them in an error.
        overrides: Changes such as `limit=20` or `caps.calls=64`: values as in TOML; what is no TOML value is a string.

    Raises:
        ConfigError: A key is unknown or a value does not fit; all faults are named, and the keys of each table in which
            one is unknown.
    """
    from pydantic import ValidationError

    wanted = overridden(plain, overrides)
    try:
        checked: tuple[Record] = _adapter(kind).validate_python((wanted,))  # type: ignore[arg-type]
    except ValidationError as error:
        faults: list[JSON] = [{**fault, "loc": fault["loc"][1:]} for fault in error.errors()]
        told = "; ".join(": ".join(part for part in (_dotted(f["loc"]), _told(f)) if part) for f in faults)
        raise ConfigError(f"{where}: {told}{_meant(kind, faults)}", _known_keys(kind, faults)) from error
    return checked[0]


def whole_number(value: object, what: str, hint: str, least: int | None = 0) -> int:
    """Check a number that a call is given; one of numpy is a whole number, too.

    Args:
        value: What was given.
        what: What to call it in an error.
        hint: What to give instead.
        least: The smallest number that fits; None for any.

    Raises:
        ConfigError: It is none, or too small.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ConfigError(f"{what} is a whole number, found {value!r}", hint)
    if least is not None and number < least:
        raise ConfigError(f"{what} is at least {least}, found {number}", hint)
    return number


def to_json(settings: Any) -> JSON:
    """A record of settings as JSON values; `check` reads them back."""
    adapter = _adapter(type(settings))  # type: ignore[arg-type]
    (plain,) = adapter.dump_python((settings,), mode="json")
    found: JSON = plain
    return found


def part_of(settings: object, kind: type) -> JSON:
    """The values of the fields that a record shares with a dataclass it is built on, to build another record from."""
    return {field.name: getattr(settings, field.name) for field in fields(kind)}


def changed(plain: Mapping[str, Any], changes: Iterable[tuple[str, Any]]) -> JSON:
    """Plain values with changes on top.

    Args:
        plain: The values; they stay as they are.
        changes: Pairs of a dotted name and its new value.

    >>> changed({"update": {"steps": 1, "kl": 0}}, [("update.steps", 2), ("seed", 3)])
    {'update': {'steps': 2, 'kl': 0}, 'seed': 3}

    Raises:
        ConfigError: A change looks for settings within a value.
    """
    result = deepcopy(dict(plain))
    for name, value in changes:
        *path, last = name.split(".")
        place = result
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{name}: {part} holds no settings of its own", f"{part}=VALUE changes it")
        place[last] = value
    return result


def overridden(plain: Mapping[str, Any], overrides: Iterable[str]) -> JSON:
    """Plain values with overrides on top; see `check`.

    >>> overridden({"limit": 5}, ["limit=20", "caps.calls=64"])
    {'limit': 20, 'caps': {'calls': 64}}

    Raises:
        ConfigError: One is no override.
    """
    return changed(plain, map(_read_override, overrides))


def differing(plain: JSON, other: JSON) -> JSON:
    """What is not the same in another tree of settings.

    >>> differing({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 0, "d": 3}})
    {'b': {'c': 2}}
    """
    found: JSON = {}
    for name, value in plain.items():
        if isinstance(value, dict) and isinstance(other.get(name), dict):
            if inner := differing(value, other[name]):
                found[name] = inner
        elif name not in other or value != other[name]:
            found[name] = value
    return found


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    """What checks a dataclass. One of the standard library takes pydantic's options from what holds it: a tuple."""
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(tuple[kind], config=ConfigDict(extra="forbid"))


def _read_override(override: str) -> tuple[str, Any]:
    name, equals, text = override.partition("=")
    name = name.strip()
    if not equals or not all(name.split(".")):
        raise ConfigError(f"{override!r} is no setting", "NAME=VALUE, such as limit=20 or caps.calls=1000")
    try:
        return name, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return name, text


def _told(fault: JSON) -> str:
    match fault["type"]:
        case "unexpected_keyword_argument":
            return "unknown key"
        case "missing":
            return "is missing"
        case "dataclass_type":
            return f"is a table of settings, found {fault['input']!r}"
        case "value_error":  # a rule of this project over several settings: its own words say what was found
            return str(fault["ctx"]["error"])
        case _:
            return f"{fault['msg'][:1].lower()}{fault['msg'][1:]}, found {fault['input']!r}"


def _meant(kind: type, faults: Sequence[JSON]) -> str:
    """What unknown keys were probably meant to be: keys of their own tables."""
    unknown = [fault["loc"] for fault in faults if fault["type"] == "unexpected_keyword_argument"]
    pairs = ((table, nearest(last, _names(_at(kind, table)))) for *table, last in unknown)
    questions = [question(_dotted([*table, meant])) for table, meant in pairs if meant]
    return f".{''.join(questions)}" if questions else ""


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _known_keys(kind: type, faults: Sequence[JSON]) -> str:
    """The keys of every table in which an unknown one was found, and of no other."""
    unknown = (fault["loc"][:-1] for fault in faults if fault["type"] == "unexpected_keyword_argument")
    return "; ".join(
        f"keys{f' of {_dotted(table)}' if table else ''}: {', '.join(_names(_at(kind, table)))}"
        for table in dict.fromkeys(unknown)
    )


def _at(kind: Any, path: Sequence[str]) -> Any:
    """The dataclass of a table, by the names that lead to it."""
    for name in path:
        if is_dataclass(kind):
            kind = next(field.type for field in fields(kind) if field.name == name)
        else:  # a table of tables, by names of the user's own
            kind = get_args(kind)[-1]
    return kind


def _dotted(path: Iterable[object]) -> str:
    return ".".join(map(str, path))
