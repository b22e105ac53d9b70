"""How the files of a run folder are read and written: whole or not at all, or a line at a time."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError

JSON = dict[str, Any]


def write_text(path: Path, text: str) -> None:
    """Write a file; who reads it, at any time, finds the old text or the new one, whole.

    Args:
        path: The file; its folder exists.
        text: What it is to hold.

    Raises:
        OSError: It cannot be written.
    """
    fresh = path.with_name(f"{path.name}.tmp")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON, whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2))


def read_json(path: Path) -> Any:
    """What a file of JSON holds; None if there is no such file.

    Raises:
        RunError: It cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}", "it was written by something else, or is damaged") from error


def append_line(path: Path, record: JSON) -> None:
    """Add a line of JSON; what a kill tore before it stays a line of its own."""
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(f"{json.dumps(record, ensure_ascii=False)}\n".encode())


def read_lines(path: Path) -> Iterator[JSON]:
    """The whole lines of a file of JSON lines; what a kill tore is passed over, and no file holds no line."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            if line.endswith("\n") and line.strip():
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # torn, and another line stands behind it


def write_lines(path: Path, records: Iterable[JSON]) -> None:
    """Write a file of JSON lines, whole or not at all."""
    write_text(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))
