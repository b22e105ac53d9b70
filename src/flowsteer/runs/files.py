"""How the files of a run folder are read and written: whole or not at all, or a line at a time.

What the system refuses, such as room on a full disk, is a `RunError` that names the file. A pipe in a file's place is
refused before it is opened: that would wait for somebody at its other end.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError, RunWriteError

JSON = dict[str, Any]

UNREADABLE = (ValueError, RecursionError)
"""What comes of a text that is no JSON, is no UTF-8, or goes too deep."""


def is_there(path: Path) -> bool:
    """Whether there is such a file.

    Raises:
        RunError: Something else is there, such as a folder or a pipe, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", "name another folder") from error
    if not stat.S_ISREG(mode):
        raise RunError(f"{path} is no file", "move it away, or name another folder")
    return True


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What writes a file, or several in a folder.

    Raises:
        RunWriteError: The system refuses it.
    """
    try:
        yield
    except OSError as error:
        raise RunWriteError(
            f"cannot write {path}: {error.strerror or error}", "make room there, or name another folder"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a file; who reads it, at any time, finds the old text or the new one, whole.

    Args:
        path: The file; its folder exists.
        text: What it is to hold.

    Raises:
        RunWriteError: It cannot be written.
    """
    fresh = path.with_name(f"{path.name}.tmp")
    is_there(fresh)
    with writing(path):
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
    if not is_there(path):
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, *UNREADABLE) as error:
        raise RunError(f"{path} cannot be read: {error}", "it was written by something else, or is damaged") from error


def append(path: Path, lines: bytes) -> int:
    """Add lines: all, or none if that fails. A kill may leave the first of them; what it tore stays a line of its own.

    Args:
        path: The file; made if it is not there.
        lines: The lines, each with its newline.

    Returns:
        Where they begin, in bytes.

    Raises:
        RunError: They cannot be written.
    """
    is_there(path)
    with writing(path):
        end = start = _size(path)
        try:
            with path.open("ab+") as file:
                if end > 0:
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        start += file.write(b"\n")
                file.write(lines)
        except OSError:
            os.truncate(path, end)
            raise
    return start


def append_line(path: Path, record: JSON) -> int:
    """Add a line of JSON; where it begins. See `append`."""
    return append_lines(path, [record])[0]


def append_lines(path: Path, records: Iterable[JSON]) -> list[int]:
    """Add lines of JSON; where each begins. See `append`."""
    lines = [f"{json.dumps(record, ensure_ascii=False)}\n".encode() for record in records]
    start = append(path, b"".join(lines))
    return [*accumulate(map(len, lines[:-1]), initial=start)] if lines else []


def cut_torn_line(file: Path) -> None:
    """Cut off what a kill left of a last line."""
    with file.open("rb+") as stream:
        end = position = stream.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - 65536)
            stream.seek(start)
            newline = stream.read(position - start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position < end:
            stream.truncate(position)


def read_lines(path: Path) -> Iterator[JSON]:
    """The objects in the whole lines of a file of JSON lines.

    What was torn by a kill or is damaged is passed over, and no file holds no line.

    Raises:
        RunError: The file cannot be read.
    """
    return (record for _, record in read_lines_at(path))


def read_lines_at(path: Path) -> Iterator[tuple[int, JSON]]:
    """See `read_lines`: each object behind the byte where its line begins."""
    if not is_there(path):
        return
    at = 0
    try:
        with path.open("rb") as lines:
            for line in lines:
                if (record := parsed(line)) is not None:
                    yield at, record
                at += len(line)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", "name another folder") from error


def parsed(line: bytes) -> JSON | None:
    """The object in a whole line of JSON, None if there is none."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line.decode())
    except UNREADABLE:
        return None
    return record if isinstance(record, dict) else None


def write_lines(path: Path, records: Iterable[JSON]) -> None:
    """Write a file of JSON lines, whole or not at all."""
    write_text(path, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
