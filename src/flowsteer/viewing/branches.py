"""Where branches are kept: in a run of their own beside the episodes they branched from, with their parents named."""

from dataclasses import dataclass
from pathlib import Path

from flowsteer.runs.event_json import JSON
from flowsteer.runs.files import read_lines
from flowsteer.runs.folder import NOTES

BRANCHES = "branches"
"""Folder of the branches below a run; that run's own figures stay what they were."""

_NOTE = "branch/"


@dataclass(frozen=True, slots=True)
class BranchOrigin:
    """Where an episode branched from.

    Attributes:
        episode: The parent.
        turn: The last turn that both share; 0 for none.
    """

    episode: str
    turn: int


def origin_note(episode: str, origin: BranchOrigin) -> tuple[str, JSON]:
    """The note in `notes.jsonl` that names an episode's parent: its name and its content."""
    return f"{_NOTE}{episode}", {"parent": origin.episode, "turn": origin.turn}


def origins_in(run: Path) -> dict[str, BranchOrigin]:
    """The parents of a run's episodes, as far as they have some."""
    found = {}
    for line in read_lines(run / NOTES):
        name, content = line.get("note"), line.get("content")
        if isinstance(name, str) and name.startswith(_NOTE) and isinstance(content, dict):
            parent, turn = content.get("parent"), content.get("turn", 0)
            if isinstance(parent, str) and isinstance(turn, int):
                found[name.removeprefix(_NOTE)] = BranchOrigin(parent, turn)
    return found
