"""One episode drawn turn by turn, as a page of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowsteer.draft import draft_to_json
from flowsteer.reporting.templates import render
from flowsteer.reporting.workflow_svg import workflow_svg
from flowsteer.runs.events import (
    EditApplied,
    EditRejected,
    EpisodeEnded,
    EpisodeStarted,
    Event,
    FeedbackGiven,
    NodeRan,
    TurnTaken,
)
from flowsteer.runs.index import Entry
from flowsteer.workflow.drawing import draw_tree
from flowsteer.workflow.nodes import NodeId, Workflow, steps

MAX_SHOWN = 20_000
"""Characters of one text that a page shows; the record has them all."""


@dataclass(slots=True)
class _Turn:
    """What happened in one turn. Turn 0 is a workflow run without a Director."""

    number: int
    taken: TurnTaken | None = None
    outcome: EditApplied | EditRejected | None = None
    nodes: list[NodeRan] = field(default_factory=list)
    feedback: str = ""
    drawing: str = ""


def episode_page(entry: Entry, events: Sequence[Event], command: str, back: str) -> str:
    """The page of an episode, as one HTML document without any outside part.

    Args:
        entry: The episode; its score is taken from the summary, since it may have been graded anew.
        events: Its events.
        command: What to type to see the full record.
        back: Link to the report.
    """
    started = next((event for event in events if isinstance(event, EpisodeStarted)), None)
    ended = next((event for event in reversed(events) if isinstance(event, EpisodeEnded)), None)
    marks = _marks([event for event in events if isinstance(event, NodeRan)])
    return render(
        "episode.html.jinja",
        episode=entry.episode,
        summary=entry.summary,
        started=started,
        ended=ended,
        turns=_turns(events),
        final=workflow_svg(ended.workflow, marks) if ended and ended.workflow.nodes else "",
        tree=draw_tree(ended.workflow, marks) if ended else "",
        instructions=_instructions(ended.workflow) if ended else (),
        written=_written,
        clip=clip,
        command=command,
        back=back,
    )


def clip(text: str) -> str:
    """The text, or its beginning with a word on how much is left out."""
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[:MAX_SHOWN]}\n… {len(text) - MAX_SHOWN:,} more characters"


def _turns(events: Sequence[Event]) -> list[_Turn]:
    turns: dict[int, _Turn] = {}
    workflow = Workflow()
    for event in events:
        if not isinstance(event, TurnTaken | EditApplied | EditRejected | NodeRan | FeedbackGiven):
            continue
        turn = turns.setdefault(event.turn, _Turn(event.turn))
        match event:
            case TurnTaken():
                turn.taken = event
            case EditApplied() | EditRejected():
                turn.outcome = event
            case NodeRan():
                turn.nodes.append(event)
            case FeedbackGiven():
                turn.feedback = event.text
    for turn in turns.values():
        if isinstance(turn.outcome, EditApplied) and turn.outcome.workflow != workflow:
            workflow = turn.outcome.workflow
            new = dict.fromkeys(map(NodeId, turn.outcome.new), "new")
            turn.drawing = workflow_svg(workflow, {**new, **_marks(turn.nodes)})
    return list(turns.values())


def _marks(nodes: Sequence[NodeRan]) -> Mapping[NodeId, str]:
    """How each node last went."""
    return {NodeId(node.node): "failed" if node.failure else "ran" for node in nodes}


def _instructions(workflow: Workflow) -> list[tuple[str, str, str]]:
    """Steps that carry an instruction: id, operator, instruction."""
    return [(step.id, step.operator, step.prompt) for step in steps(workflow.nodes) if step.prompt]


def _written(node: NodeRan) -> list[tuple[str, str]]:
    """What a node wrote, field by field in words."""
    plain = draft_to_json(node.wrote)
    return [(name, _in_words(name, value)) for name, value in plain.items()]


def _in_words(name: str, value: Any) -> str:
    match name:
        case "subproblems":
            return "\n".join(f"{place}. {text}" for place, text in enumerate(value, 1))
        case "candidates":
            return "\n\n".join(
                f"{item['source']}: {item['answer'] or item['solution'] or item['code']}" for item in value
            )
        case "verdict":
            sure = "" if value["confidence"] is None else f" (confidence {value['confidence']:g})"
            return f"{'passed' if value['passed'] else 'failed'}{sure} {value['feedback']}".rstrip()
        case _:
            return str(value)
