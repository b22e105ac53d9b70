"""Rendering is the inverse of parsing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.director.parse import parse_action
from flowsteer.director.render import render_action
from flowsteer.errors import ActionError
from flowsteer.workflow.dsl import parse_structure
from flowsteer.workflow.edits import (
    Action,
    AddStep,
    AddStructure,
    Delete,
    Finish,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.nodes import NodeId, Parallel, Step, node_id

names = st.sampled_from(["Plan", "Custom", "Verify", "ScEnsemble", "Größe"])


def _structures(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequence = st.lists(inner, min_size=1, max_size=3).map(" -> ".join)
    branch = st.one_of(st.just("done"), sequence.map(lambda text: f"({text})"))
    return st.one_of(
        st.lists(sequence, min_size=2, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.builds("{} ? {} : {}".format, names, branch, branch),
        st.builds("({}) * {}".format, sequence, st.integers(1, 10)),
    )


structures = _structures(st.recursive(names, _structures, max_leaves=6)).map(parse_structure)
free = st.text().filter(lambda text: "</prompt>" not in text and "</answer>" not in text)
ids = st.integers(1, 99).map(node_id)
places = st.one_of(st.just(""), ids, ids.map("{}.true".format), ids.map("{}.2".format))
positions = st.one_of(st.none(), st.integers(0, 30))

actions = st.one_of(
    st.builds(AddStep, names, free, st.sampled_from(["", "openai:gpt-5-mini"]), positions, places),
    st.builds(AddStructure, structures, positions, places),
    st.builds(WrapParallel, st.lists(ids, min_size=1).map(tuple)),
    st.builds(WrapLoop, st.lists(ids, min_size=1).map(tuple), st.integers(1, 10)),
    st.builds(WrapConditional, ids, st.lists(ids).map(tuple), st.lists(ids).map(tuple)),
    st.builds(Delete, ids),
    st.builds(Modify, ids, names),
    st.builds(SetPrompt, ids, free),
    st.builds(Finish, free),
)


@given(actions)
def test_what_is_rendered_is_read_back(action: Action) -> None:
    assert parse_action(render_action(action)) == action


@given(actions, st.text(alphabet="ab <>c").filter(lambda text: "</think>" not in text))
def test_thinking_in_front_changes_nothing(action: Action, thought: str) -> None:
    assert parse_action(f"<think>{thought}</think>\n{render_action(action)}") == action


def test_canonical_text() -> None:
    action = AddStructure(parse_structure("[Plan -> Custom, Verify ? (A -> B) : done]"), 1, "node_3")
    assert render_action(action) == (
        "<action>add</action><structure>parallel</structure>"
        "<operators>Plan -> Custom, Verify ? (A -> B) : done</operators>"
        "<target>node_3</target><position>1</position>"
    )


def test_what_the_language_cannot_say_is_refused() -> None:
    with pytest.raises(ActionError, match="</prompt>"):
        render_action(AddStep("Custom", "a </prompt> b"))
    branches = ((Step(NodeId("node_2"), "A", prompt="hello"),), (Step(NodeId("node_3"), "B"),))
    with pytest.raises(ActionError, match="instructions"):
        render_action(AddStructure(Parallel(NodeId("node_1"), branches)))
