"""The lock of a run folder: one process writes, and others can see whether one does."""

import fcntl
import time
from pathlib import Path
from typing import IO

from flowsteer.errors import RunError
from flowsteer.runs.files import is_there

LOCK = "lock"

TRIES, PAUSE = 5, 0.02
"""Whoever looks whether a run is written to holds its lock for a moment, which a writer waits for; in seconds."""


def take_lock(run: Path) -> IO[str]:
    """Hold the lock of a run folder, until the file is closed.

    Raises:
        RunError: Another process holds it.
    """
    is_there(run / LOCK)
    lock = (run / LOCK).open("a")
    left = TRIES
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            left -= 1
            if not left:
                lock.close()
                raise RunError(
                    f"another process is writing to {run}", "wait for it, or name another folder with --run DIR"
                ) from error
            time.sleep(PAUSE)
        else:
            return lock


def is_locked(run: Path) -> bool:
    """Whether a process is writing to a run folder."""
    try:
        if not is_there(run / LOCK):
            return False
        with (run / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except (OSError, RunError):  # a pipe in its place is nobody's lock
        return False
