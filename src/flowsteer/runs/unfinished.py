"""The episodes of a run that are not finished: in flight, or left by whatever broke them off."""

from itertools import islice
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs.event_json import JSON, events_from_json
from flowsteer.runs.events import Event
from flowsteer.runs.files import read_lines
from flowsteer.runs.index import DAMAGED


def unfinished_files(folder: Path) -> dict[str, Path]:
    """The files of the episodes in which something has happened, by the episodes' ids; other files are left out.

    Args:
        folder: The folder `open` of a run.
    """
    found = {}
    for file in sorted(folder.glob("*.jsonl")):
        first = next(iter(_lines(file, 1)), {})
        if first.get("kind") == "episode_started" and isinstance(first.get("episode"), str):
            found[first["episode"]] = file
    return found


def events_so_far(file: Path) -> list[Event]:
    """The events of an episode up to now; a torn last line is left out.

    Raises:
        RunError: They are damaged.
    """
    try:
        return events_from_json(_lines(file))
    except DAMAGED as error:
        raise RunError(f"{file} is damaged: {error}", "run the command that made it again to resume it") from error


def _lines(file: Path, most: int | None = None) -> list[JSON]:
    try:
        return list(islice(read_lines(file), most))
    except RunError:  # it has just been finished, or is no file
        return []
