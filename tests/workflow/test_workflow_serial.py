"""JSON keeps everything, and lets nothing unknown in."""

import copy
import json

import pytest
from hypothesis import given

from flowsteer.errors import WorkflowError
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.laws import MAX_DEPTH
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.serial import workflow_from_json, workflow_to_json
from strategies import full_steps, workflows


@given(workflows(full_steps))
def test_everything_round_trips_through_json_text(workflow: Workflow) -> None:
    assert workflow_from_json(json.loads(json.dumps(workflow_to_json(workflow)))) == workflow


PLAIN = workflow_to_json(parse_dsl("Plan -> [A, B] -> Verify ? Revise : done -> (Review) * 2"))
STEP, PARALLEL, CONDITIONAL, LOOP = (("nodes", index) for index in range(4))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("version",), 2, "workflow.version: expected 1, found 2"),
        (("version",), True, "workflow.version"),
        (("extra",), 1, "unknown key 'extra'"),
        (("next_number",), "9", "workflow.next_number"),
        (("next_number",), 3, "not below next_number"),
        (("next_number",), 9, "the id node_9 is not below next_number 9"),
        (("next_number",), 0, "workflow.next_number"),
        (("nodes",), {}, "expected a list of nodes, found an object of 0"),
        (STEP, "Plan", "workflow.nodes[0]: expected a node"),
        (STEP, {"type": "jump"}, "workflow.nodes[0]: expected a node"),
        (STEP, {"type": "step"}, "id, operator missing"),
        ((*STEP, "id"), "node_2", "node_2 occurs twice"),
        ((*STEP, "id"), "node_01", "expected node_1"),
        ((*STEP, "id"), "plan", "expected node_1"),
        ((*STEP, "id"), 1, "workflow.nodes[0].id: expected text"),
        ((*STEP, "id"), "node_77", "not below next_number"),
        ((*STEP, "operator"), "done", "cannot be an operator's name"),
        ((*STEP, "operator"), "A -> B", "cannot be an operator's name"),
        ((*STEP, "operator"), None, "workflow.nodes[0].operator: expected text, found None"),
        ((*STEP, "prompt"), 3, "workflow.nodes[0].prompt: expected text"),
        ((*STEP, "backend"), [], "workflow.nodes[0].backend: expected text"),
        ((*STEP, "model"), "m", "unknown key 'model'"),
        ((*PARALLEL, "branches"), [[]], "at least two branches"),
        ((*PARALLEL, "branches", 1), [], "workflow.nodes[1].branches[1]: expected at least one node"),
        ((*CONDITIONAL, "check"), {"type": "loop", "id": "node_6", "operator": "A"}, "check.type: expected 'step'"),
        ((*CONDITIONAL, "if_fail"), None, "workflow.nodes[2].if_fail: expected a list"),
        ((*LOOP, "count"), 11, "whole number from 1 to 10, found 11"),
        ((*LOOP, "count"), True, "workflow.nodes[3].count"),
        ((*LOOP, "count"), 2.0, "workflow.nodes[3].count"),
        ((*LOOP, "body"), [], "workflow.nodes[3].body: expected at least one node"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(path: tuple[str | int, ...], value: object, says: str) -> None:
    plain = copy.deepcopy(PLAIN)
    target = plain
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(WorkflowError) as caught:
        workflow_from_json(plain)
    assert says in caught.value.message


@pytest.mark.parametrize("plain", [None, [], "Plan -> A", {}, {"version": 1}])
def test_anything_but_a_workflow_is_refused(plain: object) -> None:
    with pytest.raises(WorkflowError):
        workflow_from_json(plain)


def test_nesting_beyond_the_limit_is_refused_without_recursion_errors() -> None:
    node = {"type": "step", "id": "node_1", "operator": "A"}
    for level in range(400):
        node = {"type": "loop", "id": f"node_{level + 2}", "count": 1, "body": [node]}
    with pytest.raises(WorkflowError, match=f"more than {MAX_DEPTH} deep"):
        workflow_from_json({"version": 1, "next_number": 500, "nodes": [node]})
