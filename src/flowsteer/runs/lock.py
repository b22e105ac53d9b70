"""The lock of a run folder: one process writes, and others can see whether one does."""

import time
from pathlib import Path

from filelock import FileLock, Timeout

from flowsteer.errors import RunError
from flowsteer.runs.files import is_there

LOCK = "lock"

TRIES, PAUSE = 5, 0.02
"""Whoever looks whether a run is written to holds its lock for a moment, which a writer waits for; in seconds."""


def take_lock(run: Path) -> FileLock:
    """Hold the lock of a run folder, until it is released or the process ends.

    Raises:
        RunError: Another process holds it.
    """
    is_there(run / LOCK)
    lock, left = FileLock(run / LOCK, thread_local=False), TRIES
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            left -= 1
            if not left:
                raise RunError(
                    f"another process is writing to {run}", "wait for it, or name another folder with --run DIR"
                ) from error
            time.sleep(PAUSE)
        else:
            return lock


def is_locked(run: Path) -> bool:
    """Whether a process is writing to a run folder; False where this user may not try its lock."""
    if not (run / LOCK).is_file():
        return False
    try:
        with FileLock(run / LOCK, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:
        return False
