"""What is drawn is what the tree says: every node once, every path and no other."""

import json
import random
import re
from itertools import pairwise, permutations

import pytest
from hypothesis import given

from flowsteer.workflow.drawing import draw_tree, to_mermaid
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.graph import END, START, edges
from flowsteer.workflow.layout import to_layout
from flowsteer.workflow.nodes import Conditional, Loop, Parallel, Sequence, Step, Workflow, node_id, walk
from strategies import full_steps, workflows


@given(workflows(full_steps))
def test_the_terminal_tree_has_every_node_on_one_line_in_reading_order(workflow: Workflow) -> None:
    drawn = re.findall(r"(node_\d+) (\w+)", draw_tree(workflow))
    kinds = [n.operator if isinstance(n, Step) else type(n).__name__.lower() for n in walk(workflow.nodes)]
    assert drawn == list(zip([node.id for node in walk(workflow.nodes)], kinds, strict=True))


def test_the_terminal_tree_carries_status_and_the_meaning_of_branches() -> None:
    workflow = parse_dsl("Plan -> Verify ? (Revise -> Custom) : done")
    status = {node.id: f"S{node.id}\n!" for node in walk(workflow.nodes)}
    assert draw_tree(workflow, status).split("\n") == [
        "├─ node_1 Plan  Snode_1 !",
        "└─ node_2 conditional  Snode_2 !",
        "   ├─ check: node_3 Verify  Snode_3 !",
        "   ├─ if it fails",
        "   │  ├─ node_4 Revise  Snode_4 !",
        "   │  └─ node_5 Custom  Snode_5 !",
        "   └─ else: done",
    ]


def test_an_empty_workflow_can_be_drawn() -> None:
    assert draw_tree(Workflow()) == "(an empty workflow)"
    assert [(edge.source, edge.target) for edge in edges(Workflow())] == [(START, END)]
    assert [box["id"] for box in to_layout(Workflow())["nodes"]] == [START, END]


# Paths


def paths(nodes: Sequence, in_loop: bool, rng: random.Random) -> tuple[list[str], bool]:
    """One walk as spec §2 tells it, conditions failing at random: the steps met, and whether the loop around ends.

    Two rounds of a loop meet every arrow, so more are not walked.
    """
    met: list[str] = []
    for node in nodes:
        if isinstance(node, Step):
            met.append(node.id)
        elif isinstance(node, Conditional):
            met.append(node.check.id)
            passed = rng.random() < 0.5
            inner, ends = paths(node.if_pass if passed else node.if_fail, in_loop, rng)
            met += inner
            if in_loop and (passed or ends):
                return met, True
        elif isinstance(node, Loop):
            for _ in range(min(node.count, 2)):
                inner, ends = paths(node.body, True, rng)
                met += inner
                if ends:
                    break
        elif isinstance(node, Parallel):
            inner, _ = paths(rng.choice(node.branches), False, rng)
            met += inner
    return met, False


@given(workflows(max_leaves=6))
def test_no_draft_can_go_where_no_arrow_is(workflow: Workflow) -> None:
    drawn = {(edge.source, edge.target) for edge in edges(workflow)}
    rng = random.Random(0)
    for _ in range(30):
        met, _ = paths(workflow.nodes, False, rng)
        assert set(pairwise([START, *met, END])) <= drawn


@pytest.mark.parametrize(
    "dsl",
    [
        "Plan -> [A, B -> C, (D) * 2] -> E",
        "[A, B] -> [C, D]",
        "V ? A : done -> V ? (A -> V ? B : C) : done -> D",
        "(V ? A : B -> C) * 3 -> D",
        "((V ? A : done) * 2 -> B) * 3",
        "(V ? (W ? A : B -> C) : done -> [D, V ? E : F]) * 4",
        "(A -> B) * 1 -> ([A, B]) * 2",
    ],
)
def test_no_arrow_is_drawn_that_no_draft_can_take(dsl: str) -> None:
    workflow = parse_dsl(dsl)
    rng = random.Random(0)
    walked = {arrow for _ in range(500) for arrow in pairwise([START, *paths(workflow.nodes, False, rng)[0], END])}
    assert {(edge.source, edge.target) for edge in edges(workflow)} == walked


def test_labels_tell_the_failed_branch_from_the_other() -> None:
    labels = {(edge.source, edge.target): edge.label for edge in edges(parse_dsl("Verify ? Revise : Format"))}
    assert labels["node_2", "node_3"] == "if it fails"
    assert labels["node_2", "node_4"] == "else"


# Mermaid

VERTEX = re.compile(r'(\w+)(?:\["[^"]*"\]|\{"[^"]*"\}|\(\["[^"]*"\]\))')
FRAME = re.compile(r'subgraph (\w+)\["[^"]*"\]')
ARROW = re.compile(r'(\w+) (?:-->|-\.->)(?:\|"([^"|]*)"\|)? (\w+)')


@given(workflows(full_steps))
def test_mermaid_is_well_formed_and_has_every_node_once(workflow: Workflow) -> None:
    first, *lines = to_mermaid(workflow).splitlines()
    assert first == "flowchart TD"
    vertices, frames, arrows, open_frames = [], [], [], 0
    for line in map(str.strip, lines):
        if line == "end":
            open_frames -= 1
        elif found := FRAME.fullmatch(line):
            frames.append(found[1])
            open_frames += 1
        elif found := VERTEX.fullmatch(line):
            vertices.append(found[1])
        else:
            found = ARROW.fullmatch(line)
            assert found, line
            arrows.append((found[1], found[3]))
        assert open_frames >= 0
    assert open_frames == 0
    nodes = list(walk(workflow.nodes))
    assert vertices == [START, *(node.id for node in nodes if isinstance(node, Step)), END]
    assert frames == [node.id for node in nodes if not isinstance(node, Step)]
    assert arrows == [(edge.source, edge.target) for edge in edges(workflow)]


def test_mermaid_escapes_what_would_break_it() -> None:
    text = to_mermaid(Workflow((Step(node_id(1), 'A"]<b>#'),), 2))
    assert 'node_1["A#34;#93;#60;b#62;#35;<br/>node_1"]' in text


# Layout


def contains(outer: dict, inner: dict) -> bool:
    return (
        outer["x"] <= inner["x"]
        and outer["y"] <= inner["y"]
        and inner["x"] + inner["w"] <= outer["x"] + outer["w"]
        and inner["y"] + inner["h"] <= outer["y"] + outer["h"]
    )


def apart(one: dict, other: dict) -> bool:
    return (
        one["x"] + one["w"] <= other["x"]
        or other["x"] + other["w"] <= one["x"]
        or one["y"] + one["h"] <= other["y"]
        or other["y"] + other["h"] <= one["y"]
    )


@given(workflows())
def test_boxes_lie_in_their_frames_and_apart_from_all_others(workflow: Workflow) -> None:
    page = to_layout(workflow)
    boxes = {box["id"]: box for box in page["nodes"]}
    assert len(boxes) == len(page["nodes"])
    assert set(boxes) == {START, END, *(node.id for node in walk(workflow.nodes))}
    whole = {"x": 0, "y": 0, "w": page["width"], "h": page["height"]}
    assert all(contains(whole, box) for box in boxes.values())
    within = {node.id: {inner.id for inner in walk((node,))} for node in walk(workflow.nodes)}
    for one, other in permutations(boxes, 2):
        if other in within.get(one, ()):
            assert contains(boxes[one], boxes[other])
            assert boxes[one]["layer"] < boxes[other]["layer"]
        elif one not in within.get(other, ()):
            assert apart(boxes[one], boxes[other])


def test_a_layout_is_plain_json() -> None:
    page = to_layout(parse_dsl("[A, B] -> (V ? C : done) * 2"))
    assert json.loads(json.dumps(page)) == page
