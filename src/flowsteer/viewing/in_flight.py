"""The episodes of a run that are not finished: those in flight, and what a kill left of others."""

from dataclasses import dataclass
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs.event_json import JSON, with_defaults
from flowsteer.runs.files import is_there, parsed
from flowsteer.runs.folder import ERRORS, OPEN, open_name
from flowsteer.viewing.records import BRIEF

MOST_BYTES = 1 << 26
"""Longest first event that is read."""


@dataclass(frozen=True, slots=True)
class OpenEpisode:
    """An episode that is not finished.

    Attributes:
        episode: Its id.
        file: Its events so far.
        question: The question.
        given_up: Whether nothing has happened in it since the run last gave an episode up.
    """

    episode: str
    file: Path
    question: str
    given_up: bool

    def row(self, writing: bool) -> JSON:
        """Its row in a list.

        Args:
            writing: Whether the run is being written to; if not, the episode is lost.
        """
        return {
            "number": None,
            "episode": self.episode,
            "state": "open" if writing else "lost",
            "summary": None,
            "question": self.question[:BRIEF],
            "answer": "",
            "right": None,
            "parent": None,
        }


def open_episodes(run: Path) -> list[OpenEpisode]:
    """The episodes in a run's folder `open`, by their file's name; those without an event are left out."""
    files = sorted((run / OPEN).glob("*.jsonl"))
    return [found for file in files if (found := _read(run, file, "")) is not None]


def open_episode(run: Path, episode: str) -> OpenEpisode | None:
    """An episode in a run's folder `open`; None if it is not there."""
    return _read(run, run / OPEN / open_name(episode), episode)


def _read(run: Path, file: Path, episode: str) -> OpenEpisode | None:
    event = _first(file)
    task, name = ({}, None) if event is None else (event.get("task"), episode or event.get("episode"))
    if not (isinstance(task, dict) and isinstance(name, str)):
        return None
    return OpenEpisode(name, file, str(task.get("question", "")), _changed(file) <= _changed(run / ERRORS))


def read_events_so_far(file: Path) -> list[JSON]:
    """The events in a file of the folder `open`; a torn last line is left out."""
    try:
        if not is_there(file):
            return []
        with file.open("rb") as lines:
            return [with_defaults(event) for line in lines if (event := parsed(line)) is not None]
    except (OSError, RunError):
        return []


def _first(file: Path) -> JSON | None:
    try:
        if not is_there(file):
            return None
        with file.open("rb") as lines:
            event = parsed(lines.readline(MOST_BYTES))
    except (OSError, RunError):  # it has just been finished, or is no file
        return None
    return event if event is not None and event.get("kind") == "episode_started" else None


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
