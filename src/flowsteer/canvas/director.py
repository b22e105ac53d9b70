"""The Director, seen from the canvas: whoever emits the next action.

An LLM behind an API, a local policy in training, a script or a person: the canvas cannot tell.
"""

from dataclasses import dataclass
from typing import Protocol

from flowsteer.canvas.feedback import Budgets, Heard
from flowsteer.errors import ActionError
from flowsteer.operators.registry import Library
from flowsteer.task import Task
from flowsteer.unicode import make_sound
from flowsteer.usage import NO_USAGE, Usage
from flowsteer.workflow.edits import Action
from flowsteer.workflow.nodes import NodeId, Workflow
from flowsteer.workflow.rules import Condition, Rules


@dataclass(frozen=True, slots=True)
class PromptText:
    """The reply to a prompt request in two-step mode: the instruction for the step the canvas asked about."""

    text: str

    def __post_init__(self) -> None:
        make_sound(self, "text")


@dataclass(frozen=True, slots=True)
class Turn:
    """What a Director did in one turn.

    Attributes:
        text: What it said, unchanged: sampled text, typed text or a script's line. Only what no record can hold, such
            as half a character, is replaced.
        action: What was understood, or the `ActionError` that says why nothing was.
        reasoning: Thinking that the backend returned apart from the text.
        usage: What the turn cost.
        seconds: Wall time.
        repairs: What was mended in the text before it could be understood, a phrase each.
        folded: Earlier turns that it was shown in short, or not at all, since its LLM's context is full.
    """

    text: str
    action: Action | PromptText | ActionError
    reasoning: str = ""
    usage: Usage = NO_USAGE
    seconds: float = 0.0
    folded: int = 0
    repairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        make_sound(self, "text", "reasoning")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One earlier turn: what the Director said, word for word, and what it heard; `render` puts that in words."""

    text: str
    feedback: Heard


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a Director may look at before it acts.

    Attributes:
        task: The task.
        library: The operators it may use.
        rules: The rules of the canvas.
        workflow: The workflow as it stands.
        turn: This turn's number, from 1.
        max_turns: The turn limit.
        unmet: Finish conditions not yet met; a finish is accepted only when empty.
        asks_prompt: In two-step mode, the step whose instruction is asked for now; else None.
        history: All earlier turns, oldest first; the last one's feedback is the canvas's current answer.
        seed: Seed of this episode's draws: a Director that draws uses it, so the same episode draws the same.
        budgets: Most characters of each field of the feedback, for a Director that reads it in words.
    """

    task: Task
    library: Library
    rules: Rules
    workflow: Workflow
    turn: int
    max_turns: int
    unmet: tuple[Condition, ...]
    asks_prompt: NodeId | None
    history: tuple[Exchange, ...]
    seed: int = 0
    budgets: Budgets = Budgets()


class Director(Protocol):
    """Emits one action a turn. One object serves many episodes at once, unless it says that it keeps one's state."""

    @property
    def spec(self) -> str:
        """The string that names it."""
        ...

    async def act(self, observation: Observation) -> Turn:
        """Choose the next action.

        Raises:
            NoTurn: It can take no further turn.
            BackendRejected: Its LLM refused the request for good; `ContextExceeded` if not even the task fits.
            BackendUnavailable: Its LLM is gone. Never turned into an action.
        """
        ...
