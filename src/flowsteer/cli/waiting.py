"""A spinner that says, on a terminal, what an episode is waiting for and for how long."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flowsteer.runs.events import EditApplied, EpisodeEnded, EpisodeStarted, Event, FeedbackGiven, NodeRan
from flowsteer.workflow.nodes import Step, Workflow, walk


class Waiting:
    """Follows the events of one episode; use it in a `with` block. Where the console is no terminal it shows nothing.

    Args:
        console: Where the episode is printed; the spinner stays below what is printed.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._line = self._progress.add_task("")
        self._shown = console.is_terminal
        self._by_hand = False
        self._to_run: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start with what comes before an episode: connecting."""
        self._say("connecting …")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._stop()

    def emit(self, event: Event) -> None:
        """Say what comes after an event."""
        match event:
            case EpisodeStarted():
                self._by_hand = event.director == "human"
                self._await_director(1)
            case EditApplied():
                self._to_run = _new_steps(event.workflow, event.new)
                self._say_running(event.turn)
            case NodeRan():
                self._to_run.pop(event.node, None)
                self._say_running(event.turn)
            case FeedbackGiven():
                self._await_director(event.turn + 1)
            case EpisodeEnded():
                self._stop()

    def _await_director(self, turn: int) -> None:
        if self._by_hand:
            self._stop()  # the person is typing there
        else:
            self._say(f"turn {turn}: the Director chooses …")

    def _say_running(self, turn: int) -> None:
        first = next(iter(self._to_run.values()), "the workflow")
        others = f" and {len(self._to_run) - 1} more" if len(self._to_run) > 1 else ""
        self._say(f"turn {turn}: running {first}{others} …")

    def _say(self, text: str) -> None:
        if self._shown:
            self._progress.reset(self._line, description=text)
            self._progress.start()

    def _stop(self) -> None:
        if self._shown:
            self._progress.stop()


def _new_steps(workflow: Workflow, new: tuple[str, ...]) -> dict[str, str]:
    """Operator and id of the steps that an edit made, by id."""
    made = (node for node in walk(workflow.nodes) if isinstance(node, Step) and node.id in new)
    return {str(step.id): f"{step.operator} ({step.id})" for step in made}
