"""The Director's seat of a live episode, which a person takes by click, and may give to a model."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from flowsteer.canvas.director import Director, Observation, PromptText, Turn
from flowsteer.director.commands import parse_command
from flowsteer.director.human import understood
from flowsteer.director.parse import parse_action, parse_prompt_reply
from flowsteer.director.render import render_action
from flowsteer.errors import ActionError, FlowSteerError
from flowsteer.viewing.legal_moves import legal_moves
from flowsteer.viewing.seat_records import MoveOutcome, MovesPage
from flowsteer.viewing.undoing import undoing
from flowsteer.workflow.edits import Action, Edit
from flowsteer.workflow.nodes import Workflow

NOT_NOW = "it is not a person's turn now"


@dataclass(frozen=True, slots=True)
class _Done:
    """An action that was taken, and the workflow before it."""

    action: Action
    before: Workflow


class Seat:
    """A Director whose turns come from the viewer. What it is told may come from another thread.

    Args:
        spec: The string that names it in the record.
        said: What is said first, turn by turn: the turns of an episode that this one branched from, each with why it
            was no action; None where it was one.

    Attributes:
        over: Set by whoever plays the episode, once it is over.
        connect: Connects a Director by its spec, in the event loop of whoever plays the episode; set by that one.
    """

    def __init__(self, spec: str = "human", said: Sequence[tuple[str, ActionError | None]] = ()) -> None:
        self._spec, self._said = spec, said
        self._model: Director | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: asyncio.Future[Turn | None] | None = None
        self._seen: Observation | None = None
        self._done: list[_Done] = []
        self._undoing = False
        self.over = False
        self.connect: Callable[[str], Awaitable[Director]] | None = None

    @property
    def spec(self) -> str:
        """`human`."""
        return self._spec

    async def act(self, observation: Observation) -> Turn:
        """Say what was said before, then what the person or the model says."""
        self._loop = asyncio.get_running_loop()
        while True:
            turn = await self._next(observation)
            if turn is not None:
                break
        if isinstance(turn.action, Edit) and not self._undoing:
            self._done.append(_Done(turn.action, observation.workflow))
        self._undoing = False
        return turn

    async def _next(self, observation: Observation) -> Turn | None:
        """The next turn; None if the seat has changed hands meanwhile."""
        if observation.turn <= len(self._said):
            return _said_again(*self._said[observation.turn - 1], observation)
        if self._model is not None:
            return await self._model.act(observation)
        started = perf_counter()
        self._seen, self._turn = observation, asyncio.get_running_loop().create_future()
        try:
            turn = await self._turn
        finally:
            self._turn = None
        if turn is None:
            return None
        return Turn(turn.text, turn.action, seconds=perf_counter() - started)

    @property
    def is_settled(self) -> bool:
        """Whether what may be done is known: it is the person's turn, a model has the seat, or all is over."""
        return self._turn is not None or self._model is not None or self.over

    def moves(self) -> MovesPage:
        """What may be done now."""
        seat: Literal["human", "model"] = "human" if self._model is None else "model"
        if self.over or self._seen is None or self._turn is None:
            return MovesPage((), False, seat, 0 if self._seen is None else self._seen.turn, self.over)
        can_undo = self._undo(self._seen) is not None
        return MovesPage(legal_moves(self._seen), can_undo, seat, self._seen.turn, self.over)

    def take(self, text: str) -> MoveOutcome:
        """Take the person's turn; what the canvas would refuse is told, and costs none."""
        if self._turn is None or self._seen is None:
            return MoveOutcome(False, NOT_NOW)
        try:
            action = understood(text, self._seen)
        except ActionError as error:
            return MoveOutcome(False, f"{error.message}; {error.hint}" if error.hint else error.message)
        except FlowSteerError as error:
            return MoveOutcome(False, error.message)
        return self._resolve(Turn(text, action))

    def undo(self) -> MoveOutcome:
        """Take the last edit back, by an edit."""
        edit = None if self._turn is None or self._seen is None else self._undo(self._seen)
        if edit is None:
            return MoveOutcome(False, "no single edit takes the last one back" if self._turn else NOT_NOW)
        self._done.pop()
        self._undoing = True
        return self._resolve(Turn(render_action(edit), edit))

    async def give(self, spec: str) -> MoveOutcome:
        """Give the seat to a model Director, or back to the person with `human`.

        A turn that a model is thinking about when it is called back is still its own.

        Raises:
            ConfigError: There is no such Director.
            BackendUnavailable: Its backend cannot be reached.
        """
        if spec == "human":
            self._model = None
            return MoveOutcome(True, "")
        if self.connect is None or self._loop is None:
            return MoveOutcome(False, "the episode has not begun yet")
        asked = asyncio.run_coroutine_threadsafe(self._connected(spec), self._loop)
        self._model = await asyncio.wrap_future(asked)
        if self._turn is not None:
            self._resolve(None)
        return MoveOutcome(True, "")

    async def _connected(self, spec: str) -> Director:
        assert self.connect is not None  # noqa: S101 - looked at before
        return await self.connect(spec)

    def _undo(self, observation: Observation) -> Edit | None:
        if not self._done or observation.asks_prompt is not None:
            return None
        last = self._done[-1]
        return undoing(last.before, last.action, observation.workflow, observation.rules)

    def _resolve(self, turn: Turn | None) -> MoveOutcome:
        waiting, loop = self._turn, self._loop
        if waiting is None or loop is None:
            return MoveOutcome(False, NOT_NOW)
        self._turn = None
        loop.call_soon_threadsafe(_answer, waiting, turn)
        return MoveOutcome(True, "the canvas has it")


def _answer(waiting: "asyncio.Future[Turn | None]", turn: Turn | None) -> None:
    if not waiting.done():
        waiting.set_result(turn)


def _said_again(text: str, fault: ActionError | None, observation: Observation) -> Turn:
    """A turn of the parent, said again; what was no action then is none now, whoever could read it."""
    if fault is not None:
        return Turn(text, fault)
    try:
        return Turn(text, _read(text, observation))
    except ActionError as error:
        return Turn(text, error)


def _read(text: str, observation: Observation) -> Action | PromptText:
    if observation.asks_prompt is not None:
        return parse_prompt_reply(text)
    return parse_action(text) if "<action>" in text else parse_command(text)
