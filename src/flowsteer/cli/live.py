"""An episode for people to watch: the graph grows, nodes answer, tokens and time are counted."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
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
    Voted,
)
from flowsteer.workflow.drawing import tree_lines
from flowsteer.workflow.nodes import NodeId, Workflow

if TYPE_CHECKING:
    from flowsteer.draft import Draft
    from flowsteer.usage import Usage

WIDTH = 120
"""Most columns used, however wide the terminal."""

SAID_CHARS, FIELD_CHARS, TEXT_CHARS = 200, 60, 8000
"""Most characters shown of what a Director said in a turn, of one field of what a node wrote, and of any other text."""


class Display:
    """Prints the events of one episode as they happen; a recorded one looks just the same.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDTH)
        self._text_width = self._width if console.is_terminal else console.width
        self._max_turns = 0
        self._workflow = Workflow()
        self._fresh: dict[NodeId, NodeRan] = {}
        self._new: set[str] = set()

    def emit(self, event: Event) -> None:
        """Show one event."""
        match event:
            case EpisodeStarted():
                self._start(event)
            case TurnTaken():
                self._turn(event)
            case EditApplied():
                self._workflow, self._new = event.workflow, set(event.new)
                self._say("✓", event.echo, "green")
            case EditRejected():
                self._say("✗", f"{event.reason}{'' if event.parsed else ' (not an action)'}", "yellow")
            case NodeRan():
                self._fresh[NodeId(event.node)] = event
            case FeedbackGiven():
                self._draw()
            case Voted():
                episodes = len(event.answers)
                self._say("●", f"{event.agreed} of {episodes} episodes give this answer; the first of them:", "cyan")
            case EpisodeEnded():
                self._end(event)
            case Graded():
                score = "unscorable" if event.score is None else f"{event.score:g}"
                self._say("●", f"score {score} {event.reason}", "cyan")

    def _start(self, event: EpisodeStarted) -> None:
        self._max_turns = event.settings.max_turns if event.settings else 0
        self._panel(shorten(event.task.question, 1000), f"{event.task.type} task", "blue")
        director = f"Director {event.director}\n" if event.director else ""
        self._indented(Text(f"{director}executor {event.executor}", style="dim"))

    def _turn(self, event: TurnTaken) -> None:
        turn = (f"\nTurn {event.turn} of {self._max_turns}", "bold")
        folded = f", {event.folded} earlier turns in short" if event.folded else ""
        self._console.print(Text.assemble(turn, "  ", (_cost(event) + folded, "dim")))
        self._indented(Text(shorten(" ".join(event.text.split()), SAID_CHARS), style="dim"))

    def _say(self, mark: str, text: str, colour: str) -> None:
        self._indented(Text(f"{mark} {shorten(text, TEXT_CHARS)}", style=colour))

    def _draw(self) -> None:
        """The graph as it stands, if the turn added or ran a part of it; that part stands out."""
        if self._new or self._fresh:
            print_tree(self._console, self._workflow, self._fresh, self._new, self._text_width)
        self._new, self._fresh = set(), {}

    def _end(self, event: EpisodeEnded) -> None:
        how = "finished by the Director" if event.finished else f"not finished: {event.reason}"
        title = "a fixed workflow" if event.finished is None else f"{event.turns} turns, {how}"
        title += f", {event.seconds:.1f} s in all"
        table = Table("", "calls", "tokens read", "written", "s of calls", "US$", title=title)
        for name, usage in (("Director", event.director_usage), ("operators", event.executor_usage)):
            table.add_row(name, *_row(usage))
        self._console.print()
        self._console.print(table)
        dsl = shorten(event.dsl, TEXT_CHARS) or "(empty)"
        self._console.print(Text.assemble(("workflow", "bold"), " ", dsl), width=self._text_width)
        self._panel(shorten(event.answer, TEXT_CHARS) or "(none)", "Answer", "green")

    def _indented(self, text: Text) -> None:
        self._console.print(Padding(text, (0, 0, 0, 2), expand=False), width=self._text_width)

    def _panel(self, text: str, title: str, colour: str) -> None:
        self._console.print(
            Panel(Text(text), title=Text(title), title_align="left", border_style=colour, width=self._width)
        )


def print_tree(
    console: Console, workflow: Workflow, ran: dict[NodeId, NodeRan], new: set[str], width: int = WIDTH
) -> None:
    """Print a workflow as a tree, a line a node, cropped to the width.

    Args:
        console: Where to print.
        workflow: The workflow.
        ran: Runs to show behind their nodes.
        new: Ids of nodes that stand out without a run of theirs; all others are dim.
        width: Columns to use.
    """
    for line in tree_lines(workflow, {node: node_status(run) for node, run in ran.items()}):
        run = ran.get(line.node) if line.node else None
        stands_out = run is not None or line.node in new
        text = Text(f"    {line.text}", no_wrap=True, overflow="ellipsis", style="" if stands_out else "dim")
        if run is not None:
            text.append(f"  {line.status}", "green" if run.failure is None else "red")
        console.print(text, width=min(width, console.width))


def node_status(run: NodeRan) -> str:
    """What a node came to, in a few words behind its place in the drawing: the answer first, as lines are cropped."""
    if run.failure is not None:
        return f"✗ {run.failure.kind}: {shorten(run.failure.message, 2 * FIELD_CHARS)}"
    words = [f"→ {shorten(run.wrote.answer, FIELD_CHARS)}" if run.wrote.answer else "", _beside_answer(run.wrote)]
    tokens = f", {run.usage.tokens} tokens" if run.usage.calls else ""
    return f"{' | '.join(word for word in words if word) or 'nothing new'}  ({run.seconds:.1f} s{tokens})"


def _beside_answer(wrote: "Draft") -> str:
    """What a node wrote besides its answer, in one line."""
    names = ("verdict", "plan", "subproblems", "solution", "code", "output")
    return summarise(wrote.only([name for name in names if getattr(wrote, name) != wrote.answer]), FIELD_CHARS)


def _cost(event: TurnTaken) -> str:
    usage, seconds = event.usage, f"{event.seconds:.1f} s"
    if not usage.calls:
        return seconds
    rate = f", {usage.completion_tokens / usage.seconds:.0f} tokens/s" if usage.seconds else ""
    return f"{usage.prompt_tokens:,} tokens read, {usage.completion_tokens:,} written, {seconds}{rate}"


def _row(usage: "Usage") -> tuple[Any, ...]:
    cost = "unknown" if usage.cost is None else f"{usage.cost:.4f}"
    tokens = (f"{usage.prompt_tokens:,}", f"{usage.completion_tokens:,}")
    return (str(usage.calls), *tokens, f"{usage.seconds:.1f}", cost)
