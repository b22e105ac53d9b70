"""What the viewer's server answers to a person who directs an episode."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BranchMade:
    """A live episode that has begun with another one's edits."""

    run: str
    episode: str


@dataclass(frozen=True, slots=True)
class MoveField:
    """What a move still asks for: one of its choices, or free text where there are none.

    Attributes:
        name: Stands as `{name}` in the move's text, which holds the choice once it is made.
        choices: What is legal there; None for free text.
    """

    name: str
    choices: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class LegalMove:
    """An edit that the rules allow now.

    Attributes:
        kind: Kind of the action.
        label: What it does, in words.
        text: The action to send, with `{name}` for each field.
        node: The node it is about; None for those at the end.
        fields: What is still asked for.
    """

    kind: Literal["add", "parallel", "conditional", "loop", "delete", "modify", "instruction", "finish"]
    label: str
    text: str
    node: str | None
    fields: tuple[MoveField, ...]


@dataclass(frozen=True, slots=True)
class MovesPage:
    """What may be done in a live episode.

    Attributes:
        moves: The legal moves; empty while it is not a person's turn.
        can_undo: Whether there is an edit to undo.
        seat: Who directs now.
        turn: The turn that comes next.
        done: Whether the episode is over.
    """

    moves: tuple[LegalMove, ...]
    can_undo: bool
    seat: Literal["human", "model"]
    turn: int
    done: bool


@dataclass(frozen=True, slots=True)
class MoveOutcome:
    """What came of a move, and what the canvas said."""

    accepted: bool
    status: str
