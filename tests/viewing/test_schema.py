"""The schema that the front end is typed by is current, and what runs record is as it says."""

import asyncio
import json
from pathlib import Path

import jsonschema
import pytest

from flowsteer.runs.event_json import event_to_json
from flowsteer.session import Setup, open_session
from flowsteer.task import CallTests, Task
from flowsteer.viewing import schema

FILE = Path(__file__).parents[2] / schema.FILE


def test_the_schema_is_current():
    assert FILE.read_text(encoding="utf-8") == schema.text(), "python -m flowsteer.viewing.schema writes it anew"


@pytest.mark.parametrize(
    "director", ["simulated:", "dsl:Plan -> [Programmer, Custom] -> ScEnsemble -> (Verify ? Revise : done) * 2"]
)
def test_recorded_events_are_as_the_schema_says(director):
    task = Task("What is 6 times 7?", "math", public_tests=CallTests("f", ("[1]",), ("2",)))
    events = asyncio.run(_played(director, task))
    check = jsonschema.Draft202012Validator({"$ref": "#/$defs/Event", "$defs": schema.schema()["$defs"]})
    for event in events:
        plain = json.loads(json.dumps(event_to_json(event)))
        assert [error.message for error in check.iter_errors(plain)] == []
    assert {event.kind for event in events} >= {"episode_started", "turn_taken", "node_ran", "episode_ended"}


async def _played(director, task):
    events = []
    async with open_session(Setup(director=director, executor="simulated:")) as session:
        await session.episode(task, events.append, "one")
    return events
