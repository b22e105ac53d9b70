"""One episode: a Director edits a canvas until it finishes, or the turns are used up (spec §1)."""

from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from flowsteer.canvas.canvas import Canvas
from flowsteer.canvas.director import Director
from flowsteer.errors import BackendRejected
from flowsteer.execution.executor import Execution
from flowsteer.runs.events import Emit, EpisodeEnded, EpisodeStarted, TurnTaken, ignore
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.dsl import to_dsl


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


async def run_episode(
    canvas: Canvas, director: Director, emit: Emit = ignore, episode: str = "", executor: str = ""
) -> Episode:
    """Run one episode to its end.

    Args:
        canvas: A fresh canvas; its own events must go to the same `emit`.
        director: Whoever edits.
        emit: Gets the episode's events.
        episode: Its id.
        executor: Spec of the executor, for the record.

    A Director whose request is refused for good, such as one for a conversation that is too long, ends the episode: the
    workflow is scored as it stands.

    Raises:
        BackendUnavailable: A backend is gone. The events so far are recorded; nothing is made up.
        SandboxError: The sandbox broke.
        BudgetExceeded: The budget is spent.
    """
    started, spent = perf_counter(), NO_USAGE
    parsed = accepted = 0
    emit(EpisodeStarted(episode, task_to_json(canvas.task), director.spec, executor, settings_to_json(canvas)))
    while not canvas.done:
        try:
            turn = await director.act(canvas.observe())
        except BackendRejected as error:
            await canvas.stop(f"the Director's request was refused: {error.message}")
            break
        emit(TurnTaken(canvas.turn + 1, turn.text, turn.reasoning, turn.usage, turn.seconds))
        spent += turn.usage
        step = await canvas.step(turn)
        parsed += step.parsed
        accepted += step.accepted
    ended = EpisodeEnded(
        answer=canvas.draft.answer,
        finished=canvas.done == "finished",
        reason=canvas.done,
        turns=canvas.turn,
        stated=canvas.stated,
        dsl=to_dsl(canvas.workflow),
        workflow=canvas.workflow,
        director_usage=spent,
        executor_usage=canvas.spent,
        seconds=perf_counter() - started,
    )
    emit(ended)
    return Episode(episode, canvas.task, ended, canvas.execution, parsed, accepted)


def task_to_json(task: Task) -> dict[str, Any]:
    """The task as plain JSON values; fields that are empty are left out."""
    plain = {name: value for name, value in asdict(task).items() if value}
    if task.public_tests is not None:
        plain["public_tests"] = {"kind": type(task.public_tests).__name__} | plain["public_tests"]
    return plain


def settings_to_json(canvas: Canvas) -> dict[str, Any]:
    """Settings and rules of a canvas as plain JSON values, so that a record says what was allowed."""
    rules = asdict(canvas.rules)
    return {"canvas": asdict(canvas.settings), "rules": rules}
