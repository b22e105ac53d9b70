"""Events as plain JSON values, and back."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from typing import Any, get_args

from flowsteer.draft import Draft, draft_from_json, draft_to_json
from flowsteer.runs.events import EditApplied, EpisodeSettings, Event, Feedback, NodeRan, Voted
from flowsteer.runs.failure import Failure
from flowsteer.task import Task, task_from_json, task_to_json
from flowsteer.usage import Usage
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.rules import Condition, Rules
from flowsteer.workflow.serial import workflow_from_json, workflow_to_json

JSON = dict[str, Any]

_KINDS: tuple[type[Event], ...] = get_args(Event)
_BY_KIND: dict[str, type[Event]] = {cls.kind: cls for cls in _KINDS}


_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (*_KINDS, Usage, Failure, Feedback, Condition, EpisodeSettings, Rules)
}
"""Names of a record's fields, looked up once: thousands of events a second are written."""


def _flat(record: Usage | Failure | Condition) -> JSON:
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


def _feedback_to_plain(feedback: Feedback) -> JSON:
    """Its workflow and its runs stand in the stream before it: the one is left out, the others are named."""
    plain = {name: getattr(feedback, name) for name in _NAMES[Feedback] if name != "workflow"}
    unmet = [{name: value for name, value in _flat(condition).items() if value} for condition in feedback.unmet]
    return plain | {"fresh": [(run.node, run.iteration) for run in feedback.fresh], "unmet": unmet}


def _feedback_from_plain(plain: JSON, before: Sequence[Event]) -> Feedback:
    runs, workflow = {}, Workflow()
    for event in reversed(before):
        if isinstance(event, NodeRan) and event.turn == plain["turn"]:
            runs[event.node, event.iteration] = event
        elif isinstance(event, EditApplied):
            workflow = event.workflow
            break
    values = plain | {
        "workflow": workflow,
        "choices": tuple(plain["choices"]),
        "fresh": tuple(runs[node, tuple(iteration)] for node, iteration in plain["fresh"]),
        "unmet": tuple(Condition(**one | {"choices": tuple(one.get("choices", ()))}) for one in plain["unmet"]),
    }
    return Feedback(**values)


def _settings_to_plain(settings: EpisodeSettings) -> JSON:
    plain = {name: getattr(settings, name) for name in _NAMES[EpisodeSettings]}
    rules = {name: getattr(settings.rules, name) for name in _NAMES[Rules]}
    return plain | {"rules": rules | {"categories": dict(settings.rules.categories)}}


def _settings_from_plain(plain: JSON | None) -> EpisodeSettings | None:
    if plain is None:
        return None
    rules: JSON = {name: tuple(value) if isinstance(value, list) else value for name, value in plain["rules"].items()}
    values: JSON = plain | {"rules": Rules(**rules)}
    return EpisodeSettings(**values)


_TO_PLAIN: dict[type, Callable[[Any], JSON]] = {
    Draft: draft_to_json,
    Workflow: workflow_to_json,
    Usage: _flat,
    Failure: _flat,
    Feedback: _feedback_to_plain,
    Task: task_to_json,
    EpisodeSettings: _settings_to_plain,
}


_FROM_PLAIN: dict[str, Callable[[Any], Any]] = {
    "task": task_from_json,
    "settings": _settings_from_plain,
    "wrote": draft_from_json,
    "workflow": workflow_from_json,
    "usage": lambda plain: Usage(**plain),
    "director_usage": lambda plain: Usage(**plain),
    "executor_usage": lambda plain: Usage(**plain),
    "failure": lambda plain: None if plain is None else Failure(**plain),
    "others": lambda plain: tuple(tuple(events_from_json(stream)) for stream in plain),
    "answers": tuple,
    "new": tuple,
    "choices": tuple,
    "iteration": tuple,
    "requests": tuple,
}


def event_to_json(event: Event) -> JSON:
    """The event as plain JSON values, tagged with its kind."""
    plain: JSON = {"kind": event.kind}
    if isinstance(event, Voted):
        others = [[event_to_json(one) for one in stream] for stream in event.others]
        return plain | {"agreed": event.agreed, "answers": event.answers, "others": others, "taken": event.taken}
    for name in _NAMES[type(event)]:
        value = getattr(event, name)
        convert = _TO_PLAIN.get(type(value))
        plain[name] = value if convert is None else convert(value)
    return plain


def events_from_json(stream: Iterable[JSON]) -> list[Event]:
    """The events of an episode, from its first on: the inverse of `event_to_json` on each.

    Raises:
        KeyError: If a kind is unknown, or a feedback names a run that does not stand before it.
        TypeError: If a field is missing or unknown.
    """
    events: list[Event] = []
    for plain in stream:
        values = {name: _FROM_PLAIN.get(name, lambda value: value)(value) for name, value in plain.items()}
        if values.get("feedback") is not None:
            values["feedback"] = _feedback_from_plain(values["feedback"], events)
        events.append(_BY_KIND[values.pop("kind")](**values))
    return events


_DEFAULTS: dict[str, JSON] = {
    kind.kind: {field.name: field.default for field in fields(kind) if field.default is not MISSING} for kind in _KINDS
}
"""What older versions did not write, by kind of event."""


def with_defaults(plain: JSON) -> JSON:
    """An event's plain values with the fields that came later, at their defaults."""
    kind = plain.get("kind")
    return (_DEFAULTS.get(kind, {}) if isinstance(kind, str) else {}) | plain


_as_text = json.JSONEncoder(ensure_ascii=False).encode
"""The encoder, made once."""


BROKEN_OFF = '{"kind": "broken_off"}'
"""What is told, in an event's place, of an episode that broke off: it may be played again, from its beginning."""


def event_line(event: Event) -> str:
    """An event as a line of JSON."""
    return _as_text(event_to_json(event))
