"""What a run folder says of itself: its format, what the run was asked to do, and the versions that did it."""

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs import format_1
from flowsteer.runs.differences import differences
from flowsteer.runs.files import JSON, is_there, read_json, write_json

FORMAT = 2
"""The form in which folders are written now; a folder that names none is of the first."""

CONFIG = "config.json"


def versions() -> JSON:
    """Versions that can change what a run does; that of the operators' prompts is a digest of their texts."""
    return {
        "flowsteer": version("flowsteer"),
        "prompts": _prompts(),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


@cache
def _prompts() -> str:
    """Digest of the prompts that the package ships."""
    texts = sorted((file.name, file.read_bytes()) for file in (files("flowsteer") / "operators" / "prompts").iterdir())
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:12]


def format_of(plain: JSON) -> int:
    """The format in which a line or a file was written."""
    return int(plain.get("format", 1))


def keep_config(path: Path, config: JSON) -> None:
    """Write what a new run is asked to do, or compare it with what the run that is resumed was asked to do.

    Raises:
        RunError: The folder holds another run, or one of a later format.
    """
    wanted = json.loads(json.dumps(config))
    if not is_there(path / CONFIG):
        write_json(path / CONFIG, {"format": FORMAT, "config": wanted, "versions": versions()})
        return
    stored = stored_config(path)
    if stored != wanted:
        raise RunError(
            f"{path} holds a run with other settings: {differences(stored, wanted)}",
            "use the same settings to resume it, or another folder: --run DIR",
        )


def stored_config(path: Path) -> JSON:
    """What the run in a folder was asked to do.

    Raises:
        RunError: There is no run, it cannot be read, or it is of a later format than this version knows.
    """
    try:
        stored = read_json(path / CONFIG) or {}
        config, made = stored["config"], format_of(stored)
    except (RunError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path} is not a run folder", "a run folder holds config.json and episodes.jsonl") from error
    if not isinstance(config, dict):
        raise RunError(f"{path} is not a run folder: its config.json holds no settings", "name another folder")
    if made > FORMAT:
        raise RunError(
            f"{path} is of format {made}; this version reads formats 1 to {FORMAT}", "pip install --upgrade flowsteer"
        )
    return format_1.config(config) if made == 1 else config
