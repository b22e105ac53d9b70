"""The episodes of a run that are not finished: in flight, or left by whatever broke them off."""

from itertools import islice
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs.event_json import JSON, events_from_json
from flowsteer.runs.events import Event
from flowsteer.runs.files import parsed


def unfinished_files(folder: Path) -> dict[str, Path]:
    """The files of the episodes in which something has happened, by the episodes' ids.

    Args:
        folder: The folder `open` of a run.
    """
    found = {}
    for file in sorted(folder.glob("*.jsonl")):
        first = next(iter(_lines(file, 1)), None)
        if first is not None and first.get("kind") == "episode_started":
            found[str(first["episode"])] = file
    return found


def events_so_far(file: Path) -> list[Event]:
    """The events of an episode up to now; a torn last line is left out.

    Raises:
        RunError: They are damaged.
    """
    try:
        return events_from_json(_lines(file))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file} is damaged: {error}", "run the command that made it again to resume it") from error


def _lines(file: Path, most: int | None = None) -> list[JSON]:
    try:
        with file.open("rb") as lines:
            return [event for line in islice(lines, most) if (event := parsed(line)) is not None]
    except OSError:  # it has just been finished
        return []
