"""Every fact of an episode as a small tagged record: the one stream that everything else reads."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EpisodeStarted:
    """An episode began. `task` holds the task as JSON: no gold answer, no hidden test."""

    kind: ClassVar[str] = "episode_started"
    episode: str
    task: JSON
    director: str
    executor: str
    settings: JSON


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The Director replied. `text` is what it sampled, unchanged; tokens and cost are in `usage`."""

    kind: ClassVar[str] = "turn_taken"
    turn: int
    text: str
    reasoning: str
    usage: JSON
    seconds: float


@dataclass(frozen=True, slots=True)
class EditApplied:
    """An action was accepted. `echo` is what was understood; `new` are the ids it made; `workflow` the whole tree."""

    kind: ClassVar[str] = "edit_applied"
    turn: int
    echo: str
    new: tuple[str, ...]
    dsl: str
    workflow: JSON


@dataclass(frozen=True, slots=True)
class EditRejected:
    """An action did not parse (`parsed` false) or was refused; nothing changed."""

    kind: ClassVar[str] = "edit_rejected"
    turn: int
    parsed: bool
    reason: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeRan:
    """A node ran, failed, or was served from the memo.

    Attributes:
        turn: The turn it belongs to (0 outside an episode).
        node: The node's id.
        operator: Its operator.
        iteration: Which iteration of the loops around it, outermost first; empty outside loops.
        status: `ok`, `failed` or `memo` (the same call had been made before).
        key: Digest of the memo key; empty when nobody records it.
        writes: The draft fields it wrote, as JSON.
        failure: `{kind, message}` when it failed, else None.
        backend: The backend that answered.
        usage: Calls, tokens, seconds, cost of this very run (zero for `memo`).
        retries: Replies asked for again because they did not parse.
        seconds: Wall time.
    """

    kind: ClassVar[str] = "node_ran"
    turn: int
    node: str
    operator: str
    iteration: tuple[int, ...]
    status: str
    key: str
    writes: JSON
    failure: JSON | None
    backend: str
    usage: JSON
    retries: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FeedbackGiven:
    """What the canvas answered: the policy's next input, word for word."""

    kind: ClassVar[str] = "feedback_given"
    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class EpisodeEnded:
    """The episode is over. `finished` is true only if the Director's own finish was accepted."""

    kind: ClassVar[str] = "episode_ended"
    answer: str
    finished: bool
    turns: int
    dsl: str
    workflow: JSON
    usage: JSON
    seconds: float


@dataclass(frozen=True, slots=True)
class Graded:
    """A grader's outcome. `score` None means unscorable, with the reason."""

    kind: ClassVar[str] = "graded"
    score: float | None
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""


Event = EpisodeStarted | TurnTaken | EditApplied | EditRejected | NodeRan | FeedbackGiven | EpisodeEnded | Graded
KINDS: dict[str, type] = {
    cls.kind: cls
    for cls in (EpisodeStarted, TurnTaken, EditApplied, EditRejected, NodeRan, FeedbackGiven, EpisodeEnded, Graded)
}


def event_to_json(event: Event) -> JSON:
    """The event as plain JSON values, tagged with its kind."""
    return {"kind": event.kind} | {f.name: getattr(event, f.name) for f in fields(event)}


def event_from_json(plain: JSON) -> Event:
    """The inverse of `event_to_json`.

    Raises:
        KeyError: If the kind is unknown.
        TypeError: If a field is missing or unknown.
    """
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items() if name != "kind"
    }
    event: Event = KINDS[plain["kind"]](**values)
    return event
