"""Where a command that names no run folder records."""

from datetime import datetime
from pathlib import Path


def new_run_folder(command: str) -> Path:
    """A folder under `runs/` that does not exist yet, named after the command and now.

    Args:
        command: The command's name.
    """
    stem = f"{command}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = Path("runs") / stem, 1
    while path.exists():
        path, number = Path("runs") / f"{stem}-{number}", number + 1
    return path
