"""What was sent to models in an episode, as people read it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowsteer.runs.events import EpisodeEnded, Event, NodeRan, TurnTaken, Voted
from flowsteer.runs.request_store import SentRequest

Asking = TurnTaken | NodeRan | EpisodeEnded


def keys_of(events: Iterable[Event]) -> list[str]:
    """Keys of all requests that events name, each once."""
    return list(dict.fromkeys(key for _, event in _asking(events) for key in event.requests))


def prompt_lines(events: Iterable[Event], requests: Mapping[str, SentRequest]) -> Iterator[str]:
    """Every request under who sent it. Messages with which the request before it began, too, are counted only.

    Args:
        events: The events of an episode.
        requests: The requests by key.
    """
    before: dict[str, tuple[tuple[str, str], ...]] = {}
    for who, event in _asking(events):
        if isinstance(event, NodeRan) and event.memo:
            continue
        for number, key in enumerate(event.requests, start=1):
            yield f"── {who}, request {number} of {len(event.requests)} ({key[:12]}) ──"
            sent = requests.get(key)
            if sent is None:
                yield "(its content is not kept)"
                continue
            yield from _lines(sent, before.get(sent.backend, ()))
            before[sent.backend] = sent.messages


def _asking(events: Iterable[Event]) -> Iterator[tuple[str, Asking]]:
    """Events that name requests, and who asked; those of votes that were not taken, too."""
    for event in events:
        if isinstance(event, Asking):
            yield _who(event), event
        elif isinstance(event, Voted):
            for number, other in enumerate(event.others, start=1):
                for who, inner in _asking(other):
                    yield f"vote not taken {number} of {len(event.others)}, {who}", inner


def _who(event: Asking) -> str:
    match event:
        case TurnTaken():
            return f"turn {event.turn}"
        case NodeRan():
            iteration = f", iteration {'.'.join(map(str, event.iteration))}" if event.iteration else ""
            return f"{event.node} {event.operator}{iteration}"
        case EpisodeEnded():
            return "the Director's last turn, which was refused"


def _lines(sent: SentRequest, before: tuple[tuple[str, str], ...]) -> Iterator[str]:
    drawn = ", ".join(f"{name} {value}" for name, value in sent.sampling.items() if value is not None)
    held = [name for name in ("json_schema", "grammar") if getattr(sent, name) is not None]
    yield f"to {sent.backend}: {drawn}{f'; held to a {held[0]}' if held else ''}"
    same = 0
    while same < min(len(before), len(sent.messages)) and before[same] == sent.messages[same]:
        same += 1
    if same:
        yield f"({same} messages as before)"
    for role, content in sent.messages[same:]:
        yield f"[{role}]"
        yield content
    yield ""


def request_json(sent: SentRequest) -> dict[str, Any]:
    """A request as plain JSON values."""
    messages = [{"role": role, "content": content} for role, content in sent.messages]
    return {
        "backend": sent.backend,
        "messages": messages,
        "sampling": dict(sent.sampling),
        "json_schema": sent.json_schema,
        "grammar": sent.grammar,
    }
