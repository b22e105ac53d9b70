"""JSON Lines: one object a line, from whatever editor or platform wrote the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowsteer.errors import ConfigError
from flowsteer.unicode import refuse_unsound


def read_objects(path: Path, *, numbers_as_text: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file and where each stands; empty lines and a byte order mark are skipped.

    Args:
        path: The file.
        numbers_as_text: Whether numbers come as they are written: `18.0` is not `18`, and no number is too long.

    Yields:
        File and line, for errors; and the object.

    Raises:
        ConfigError: The file cannot be read, or a line is no JSON object.
    """
    number_of = str if numbers_as_text else None
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                where = f"{path.name}, line {number}"
                try:
                    row = json.loads(line, parse_int=number_of, parse_float=number_of)
                except (ValueError, RecursionError) as error:
                    raise ConfigError(f"{where} is not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise ConfigError(f"{where} is not a JSON object but {type(row).__name__}")
                if "\\u" in line:  # only an escape can hold half of a character
                    refuse_unsound([json.dumps(row, ensure_ascii=False)], where)
                yield where, row
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", "the file must be JSON Lines in UTF-8") from error
