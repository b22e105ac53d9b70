"""Workflows as plain JSON values: everything round-trips, and nothing unknown is let in."""

import re
from collections.abc import Mapping
from typing import Any

from flowsteer.errors import WorkflowError
from flowsteer.workflow.echo import kind
from flowsteer.workflow.laws import MAX_DEPTH, is_count, is_name
from flowsteer.workflow.nodes import (
    MAX_LOOP,
    Conditional,
    Loop,
    Node,
    NodeId,
    Parallel,
    Sequence,
    Step,
    Workflow,
    walk,
)

JSON = dict[str, Any]
VERSION = 1
"""Version of the format; a reader refuses any other."""

_ID = re.compile(r"node_([1-9][0-9]{0,8})")


def workflow_to_json(workflow: Workflow) -> JSON:
    """The workflow as plain JSON values.

    >>> from flowsteer.workflow import parse_dsl
    >>> workflow_to_json(parse_dsl("(Review) * 2"))  # doctest: +NORMALIZE_WHITESPACE
    {'version': 1, 'next_number': 3, 'nodes': [{'type': 'loop', 'id': 'node_1', 'count': 2,
        'body': [{'type': 'step', 'id': 'node_2', 'operator': 'Review'}]}]}
    """
    return {"version": VERSION, "next_number": workflow.next_number, "nodes": _plain(workflow.nodes)}


def _plain(nodes: Sequence) -> list[JSON]:
    return [_plain_node(node) for node in nodes]


def _plain_node(node: Node) -> JSON:
    match node:
        case Step(id, operator, prompt, backend):
            plain = {"type": "step", "id": id, "operator": operator}
            if prompt:
                plain["prompt"] = prompt
            if backend:
                plain["backend"] = backend
            return plain
        case Parallel(id, branches):
            return {"type": "parallel", "id": id, "branches": [_plain(branch) for branch in branches]}
        case Conditional(id, check, if_fail, if_pass):
            choice = {"if_fail": _plain(if_fail), "if_pass": _plain(if_pass)}
            return {"type": "conditional", "id": id, "check": _plain_node(check)} | choice
        case Loop(id, body, count):
            return {"type": "loop", "id": id, "count": count, "body": _plain(body)}


def workflow_from_json(plain: object) -> Workflow:
    """The inverse of `workflow_to_json`.

    Args:
        plain: Values as a JSON parser gives them.

    Raises:
        WorkflowError: If anything is missing, unknown, of the wrong type or against the laws of structures, an id
            occurs twice, or an id is not below `next_number`. The message names the place.
    """
    fields = _fields(plain, "workflow", ("version", "next_number", "nodes"))
    if fields["version"] != VERSION or isinstance(fields["version"], bool):
        raise WorkflowError(f"workflow.version: expected {VERSION}, found {_shown(fields['version'])}")
    next_number = fields["next_number"]
    if not isinstance(next_number, int) or isinstance(next_number, bool) or next_number < 1:
        raise WorkflowError(f"workflow.next_number: expected a whole number from 1, found {_shown(next_number)}")
    workflow = Workflow(_sequence(fields["nodes"], "workflow.nodes", 0), next_number)
    _check_ids(workflow)
    return workflow


def _check_ids(workflow: Workflow) -> None:
    seen: set[NodeId] = set()
    for node in walk(workflow.nodes):
        if node.id in seen:
            raise WorkflowError(f"the id {node.id} occurs twice ({kind(node)}); ids are unique in a workflow")
        if int(node.id.removeprefix("node_")) >= workflow.next_number:
            raise WorkflowError(
                f"the id {node.id} is not below next_number {workflow.next_number}; ids are never reused"
            )
        seen.add(node.id)


def _sequence(plain: object, at: str, level: int) -> Sequence:
    if not isinstance(plain, list):
        raise WorkflowError(f"{at}: expected a list of nodes, found {_shown(plain)}")
    if level > MAX_DEPTH:
        raise WorkflowError(f"structures nest more than {MAX_DEPTH} deep")
    return tuple(_node(item, f"{at}[{index}]", level) for index, item in enumerate(plain))


def _filled(plain: object, at: str, level: int) -> Sequence:
    nodes = _sequence(plain, at, level)
    if not nodes:
        raise WorkflowError(f"{at}: expected at least one node, found none")
    return nodes


def _node(plain: object, at: str, level: int) -> Node:
    word = plain.get("type") if isinstance(plain, dict) else None
    match word:
        case "step":
            return _step(plain, at)
        case "parallel":
            return _parallel(plain, at, level)
        case "conditional":
            return _conditional(plain, at, level)
        case "loop":
            return _loop(plain, at, level)
    raise WorkflowError(f"{at}: expected a node of type step, parallel, conditional or loop, found {_shown(plain)}")


def _step(plain: object, at: str) -> Step:
    fields = _fields(plain, at, ("type", "id", "operator"), ("prompt", "backend"))
    if fields["type"] != "step":
        raise WorkflowError(f"{at}.type: expected 'step', found {_shown(fields['type'])}")
    operator = _text(fields["operator"], f"{at}.operator")
    if not is_name(operator):
        raise WorkflowError(f"{at}.operator: {_shown(operator)} cannot be an operator's name")
    prompt, backend = (_text(fields.get(name, ""), f"{at}.{name}") for name in ("prompt", "backend"))
    return Step(_id(fields, at), operator, prompt, backend)


def _parallel(plain: object, at: str, level: int) -> Parallel:
    fields = _fields(plain, at, ("type", "id", "branches"))
    items = fields["branches"]
    if not isinstance(items, list) or len(items) < 2:
        raise WorkflowError(f"{at}.branches: expected a list of at least two branches, found {_shown(items)}")
    branches = (_filled(item, f"{at}.branches[{index}]", level + 1) for index, item in enumerate(items))
    return Parallel(_id(fields, at), tuple(branches))


def _conditional(plain: object, at: str, level: int) -> Conditional:
    fields = _fields(plain, at, ("type", "id", "check", "if_fail", "if_pass"))
    return Conditional(
        _id(fields, at),
        _step(fields["check"], f"{at}.check"),
        _sequence(fields["if_fail"], f"{at}.if_fail", level + 1),
        _sequence(fields["if_pass"], f"{at}.if_pass", level + 1),
    )


def _loop(plain: object, at: str, level: int) -> Loop:
    fields = _fields(plain, at, ("type", "id", "count", "body"))
    if not is_count(fields["count"]):
        raise WorkflowError(
            f"{at}.count: expected a whole number from 1 to {MAX_LOOP}, found {_shown(fields['count'])}"
        )
    return Loop(_id(fields, at), _filled(fields["body"], f"{at}.body", level + 1), fields["count"])


def _fields(plain: object, at: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The object's fields, if they are just those expected."""
    if not isinstance(plain, dict):
        raise WorkflowError(f"{at}: expected an object, found {_shown(plain)}")
    known = (*required, *optional)
    if missing := [name for name in required if name not in plain]:
        raise WorkflowError(f"{at}: {', '.join(missing)} missing; expected {', '.join(required)}")
    if unknown := [_shown(name) for name in plain if name not in known]:
        raise WorkflowError(f"{at}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    return plain


def _id(fields: Mapping[str, Any], at: str) -> NodeId:
    text = _text(fields["id"], f"{at}.id")
    if not _ID.fullmatch(text):
        raise WorkflowError(f"{at}.id: expected node_1, node_2, …, found {_shown(text)}")
    return NodeId(text)


def _text(plain: object, at: str) -> str:
    if not isinstance(plain, str):
        raise WorkflowError(f"{at}: expected text, found {_shown(plain)}")
    return plain


def _shown(plain: object) -> str:
    """A value short enough for an error message."""
    if isinstance(plain, dict | list):
        return f"{'an object' if isinstance(plain, dict) else 'a list'} of {len(plain)}"
    text = repr(plain)
    return text if len(text) <= 60 else text[:60] + "…"
