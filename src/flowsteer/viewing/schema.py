"""The JSON schema of all that the viewer's front end reads: `python -m flowsteer.viewing.schema` writes it.

It is made from the records. Where the JSON of a record differs from its fields (`flowsteer.runs.event_json`,
`flowsteer.workflow.serial`, `task_to_json`, `draft_to_json`), the difference is told here, and a test holds real
episodes against it.
"""

import json
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from flowsteer.runs.events import Event
from flowsteer.runs.files import write_text
from flowsteer.viewing import records, seat_records
from flowsteer.viewing.records import LIST_LACKS
from flowsteer.workflow.nodes import Node
from flowsteer.workflow.serial import VERSION

JSON = dict[str, Any]

FILE = Path("viewer/schema.json")
"""Where the front end's types are made from it, seen from the root of the repository."""

PAGES = (
    records.RunsPage,
    records.RunPage,
    records.EpisodesPage,
    records.EpisodePage,
    records.RequestPage,
    records.ComparePage,
    records.TrainingPage,
    records.GroupsPage,
    records.SearchPage,
    records.ErrorPage,
    seat_records.BranchMade,
    seat_records.MovesPage,
    seat_records.MoveOutcome,
)
"""All that the server answers."""

_SPARSE = {"Draft": (), "Task": ("question", "type"), "Condition": ("kind",)}
"""Records that are written without the fields that are empty, and what is never left out."""

_UNIONS = {"Event": get_args(Event), "WorkflowNode": get_args(Node)}
"""Unions that get a name."""

_TAGS = {
    **{kind.__name__: ("kind", kind.kind) for kind in get_args(Event)},
    **{name: ("kind", name) for name in ("AssertTests", "StdioTests", "CallTests")},
    **{kind.__name__: ("type", kind.__name__.lower()) for kind in get_args(Node)},
}
"""What tells the members of a union apart in JSON."""


def schema() -> JSON:
    """The schema; every record is one of its `$defs`."""
    _, found = TypeAdapter.json_schemas((page, "serialization", TypeAdapter(page)) for page in PAGES)
    records = {name: _written(name, record) for name, record in found["$defs"].items()}
    records["EpisodeBrief"] = _without(records["EpisodeSummary"], LIST_LACKS) | {"title": "EpisodeBrief"}
    row = records["EpisodeRow"]["properties"]
    row["summary"] = json.loads(json.dumps(row["summary"]).replace("EpisodeSummary", "EpisodeBrief"))
    unions = {name: {"title": name, "anyOf": _refs(members)} for name, members in _UNIONS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Viewer",
        "$defs": dict(sorted((records | unions).items())),
    }


def _written(name: str, record: JSON) -> JSON:
    """The schema of a record as it is written."""
    properties = {field: _named(value) for field, value in record["properties"].items()}
    if name == "Workflow":
        properties = {"version": {"const": VERSION}} | properties
    elif name == "Feedback":
        del properties["workflow"]
        iteration = {"type": "array", "items": {"type": "integer"}}
        run = {"type": "array", "prefixItems": [{"type": "string"}, iteration], "minItems": 2, "maxItems": 2}
        properties["fresh"] = {"type": "array", "items": run}
    if name in _TAGS:
        tag, value = _TAGS[name]
        properties = {tag: {"const": value}} | properties
    if name == "Step":
        required = [field for field in properties if field not in ("prompt", "backend")]
    else:
        required = list(_SPARSE.get(name, properties))
    said = {key: record[key] for key in ("title", "description") if key in record}
    return said | {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _named(value: Any) -> Any:
    """A part of a schema with the names of its unions, and without titles that only repeat a field's name."""
    if isinstance(value, list):
        return [_named(item) for item in value]
    if not isinstance(value, dict):
        return value
    for name, members in _UNIONS.items():
        if value.get("anyOf") == _refs(members):
            return {"$ref": f"#/$defs/{name}"}
    return {key: _named(item) for key, item in value.items() if key not in ("title", "default")}


def _without(record: JSON, left_out: tuple[str, ...]) -> JSON:
    properties = {field: value for field, value in record["properties"].items() if field not in left_out}
    return record | {"properties": properties, "required": list(properties)}


def _refs(kinds: tuple[type, ...]) -> list[JSON]:
    return [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]


def text() -> str:
    """The schema as it stands in the file."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    write_text(FILE, text())
