"""An episode for people to watch: the graph grows, nodes answer, tokens and time are counted."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from flowsteer.canvas.feedback import shorten, summarise
from flowsteer.runs.events import (
    EditApplied,
    EditRejected,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    FeedbackGiven,
    Graded,
    NodeRan,
    TurnTaken,
)
from flowsteer.workflow.drawing import draw_tree
from flowsteer.workflow.nodes import NodeId, Workflow

if TYPE_CHECKING:
    from flowsteer.usage import Usage

WIDTH = 110


class Display:
    """Prints the events of one episode as they happen; `show` prints a recorded one in just the same way.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._workflow = Workflow()
        self._status: dict[NodeId, str] = {}
        self._changed = False

    def emit(self, event: Event) -> None:
        """Show one event."""
        match event:
            case EpisodeStarted():
                self._start(event)
            case TurnTaken():
                self._turn(event)
            case EditApplied():
                self._workflow, self._changed = event.workflow, True
                self._say("✓", event.echo, "green")
            case EditRejected():
                self._say("✗", f"{event.reason}{'' if event.parsed else ' (not an action)'}", "yellow")
            case NodeRan():
                self._status[NodeId(event.node)] = node_status(event)
            case FeedbackGiven():
                self._draw()
            case EpisodeEnded():
                self._end(event)
            case Graded():
                self._say(
                    "●", f"score {event.score if event.score is not None else 'unscorable'} {event.reason}", "cyan"
                )

    def _start(self, event: EpisodeStarted) -> None:
        question = shorten(str(event.task["question"]), 1000)
        names = f"Director {event.director} · executor {event.executor} · {event.task['type']}"
        self._console.print(Panel(Text(question), title="Task", subtitle=escape(names), width=WIDTH))

    def _turn(self, event: TurnTaken) -> None:
        rate = event.usage.completion_tokens / event.seconds if event.seconds else 0.0
        tokens = f"{event.usage.prompt_tokens} tokens read, {event.usage.completion_tokens} written"
        cost = f"{tokens}, {event.seconds:.1f} s, {rate:.0f}/s" if event.usage.calls else f"{event.seconds:.1f} s"
        self._console.print(f"\n[bold]Turn {event.turn}[/]  [dim]{cost}[/]")
        self._console.print(Text(f"  {shorten(' '.join(event.text.split()), 300)}", style="dim"))

    def _say(self, mark: str, text: str, colour: str) -> None:
        self._console.print(Text(f"  {mark} {text}", style=colour))

    def _draw(self) -> None:
        if self._changed:
            drawing = draw_tree(self._workflow, self._status)
            self._console.print(Text("\n".join(f"    {line}" for line in drawing.splitlines())))
        self._changed = False

    def _end(self, event: EpisodeEnded) -> None:
        how = "the Director finished" if event.finished else f"not finished: {event.reason}"
        table = Table("", "calls", "read", "written", "seconds", "US$", title=f"{event.turns} turns, {how}")
        for name, usage in (("Director", event.director_usage), ("operators", event.executor_usage)):
            table.add_row(name, *_row(usage))
        self._console.print()
        self._console.print(table)
        self._console.print(f"[bold]workflow[/] {escape(event.dsl) or '(empty)'}")
        answer = event.answer or "(none)"
        self._console.print(Panel(Text(answer), title="Answer", border_style="green", width=WIDTH))


def _row(usage: "Usage") -> tuple[str, str, str, str, str]:
    cost = "unknown" if usage.cost is None else f"{usage.cost:.4f}"
    return (
        str(usage.calls),
        f"{usage.prompt_tokens:,}",
        f"{usage.completion_tokens:,}",
        f"{usage.seconds:.1f}",
        cost,
    )


def node_status(run: NodeRan) -> str:
    """What a node came to, in a few words behind its place in the drawing."""
    if run.failure is not None:
        return f"✗ {run.failure.kind}: {shorten(' '.join(run.failure.message.split()), 60)}"
    return f"{run.seconds:.1f} s  {summarise(run.wrote, 60)}"
