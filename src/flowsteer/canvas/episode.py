"""One episode: a Director edits a canvas until it finishes, or the turns are used up (spec §1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from flowsteer.backends.keeping import sent
from flowsteer.canvas.canvas import Canvas, StepResult
from flowsteer.canvas.director import Director, Turn
from flowsteer.errors import BackendRejected, NoTurn
from flowsteer.execution.executor import Execution
from flowsteer.runs.events import Emit, EpisodeEnded, EpisodeSettings, EpisodeStarted, TurnTaken, ignore
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Episode:
    """A finished episode.

    Attributes:
        id: Its id within the run.
        task: The task.
        ended: The last event: answer, workflow, turns, usage.
        execution: What running the final workflow came to; None if nothing ran.
        parsed: Turns whose text was one well-formed action.
        accepted: Turns whose action was accepted.
    """

    id: str
    task: Task
    ended: EpisodeEnded
    execution: Execution | None
    parsed: int
    accepted: int


class Play:
    """An episode as it is played, turn by turn, by whoever has the turns; every episode goes this way.

    Args:
        canvas: A fresh canvas; its own events must go to the same `emit`.
        director: Spec of whoever edits, for the record.
        emit: Gets the episode's events; the first one at once.
        episode: Its id.
        executor: Spec of the executor, for the record.

    Attributes:
        canvas: The canvas, as it stands.
        id: Its id.
    """

    def __init__(
        self, canvas: Canvas, director: str, emit: Emit = ignore, episode: str = "", executor: str = ""
    ) -> None:
        self.canvas = canvas
        self._emit = emit
        self.id = episode
        self._started = perf_counter()
        self._spent = NO_USAGE
        self._parsed = self._accepted = 0
        emit(EpisodeStarted(episode, canvas.task, director, executor, episode_settings(canvas)))

    async def take(self, turn: Turn, requests: Sequence[str] = ()) -> StepResult:
        """Take one turn.

        Args:
            turn: What the Director did.
            requests: Keys of what its LLM was sent.

        Raises:
            BackendUnavailable: A backend is gone. The events so far are recorded; nothing is made up.
            SandboxError: The sandbox broke.
            BudgetExceeded: The budget is spent.
        """
        number = self.canvas.turn + 1
        self._emit(TurnTaken(number, turn.text, turn.reasoning, turn.usage, turn.seconds, turn.folded, tuple(requests)))
        self._spent += turn.usage
        step = await self.canvas.step(turn)
        self._parsed += step.parsed
        self._accepted += step.accepted
        return step

    def end(self, refused: Sequence[str] = ()) -> Episode:
        """What it came to, once the canvas is done; this leaves the last event.

        Args:
            refused: Keys of what was sent last, where no turn came of it.
        """
        canvas = self.canvas
        ended = replace(episode_ended(canvas, self._spent, perf_counter() - self._started), requests=tuple(refused))
        self._emit(ended)
        return Episode(self.id, canvas.task, ended, canvas.execution, self._parsed, self._accepted)


async def run_episode(
    canvas: Canvas, director: Director, emit: Emit = ignore, episode: str = "", executor: str = ""
) -> Episode:
    """Let a Director play one episode to its end.

    Args:
        canvas: A fresh canvas; its own events must go to the same `emit`.
        director: Whoever edits.
        emit: Gets the episode's events.
        episode: Its id.
        executor: Spec of the executor, for the record.

    A Director that can take no further turn, or whose request is refused for good, such as a task that is longer than
    its LLM's context, ends the episode: the workflow is scored as it stands.

    Raises:
        BackendUnavailable: A backend is gone. The events so far are recorded; nothing is made up.
        SandboxError: The sandbox broke.
        BudgetExceeded: The budget is spent.
    """
    play = Play(canvas, director.spec, emit, episode, executor)
    unanswered: Sequence[str] = ()
    while not canvas.done:
        try:
            with sent() as requests:
                turn = await director.act(canvas.observe())
        except BackendRejected as error:
            unanswered = requests
            await canvas.stop(f"the Director's request was refused: {error.message}")
        except NoTurn as error:
            await canvas.stop(error.message)
        else:
            await play.take(turn, requests)
    return play.end(unanswered)


def episode_settings(canvas: Canvas) -> EpisodeSettings:
    """What a canvas allows, for the record."""
    settings = canvas.settings
    return EpisodeSettings(settings.max_turns, settings.max_rejected, settings.feedback, canvas.rules)


def episode_ended(canvas: Canvas, director_usage: Usage, seconds: float, reason: str = "") -> EpisodeEnded:
    """The last event of an episode on a canvas.

    Args:
        canvas: The canvas, as it was left.
        director_usage: What the Director's turns cost.
        seconds: Wall time of the episode.
        reason: Why it broke off; empty for the canvas's own reason.
    """
    return EpisodeEnded.of(
        canvas.workflow,
        canvas.draft.answer,
        reason or canvas.done,
        canvas.spent,
        seconds,
        turns=canvas.turn,
        stated=canvas.stated,
        director_usage=director_usage,
    )
