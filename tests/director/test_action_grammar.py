"""What the grammar admits parses, and the canvas accepts it."""

from random import Random

import pytest
from director_cases import observe
from gbnf_sampler import read

from flowsteer.director.grammar import action_grammar
from flowsteer.director.layouts import system_prompt
from flowsteer.director.parse import parse_action, parse_prompt_reply
from flowsteer.director.render import render_action
from flowsteer.errors import ConfigError
from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.edits import AddStep, AddStructure, Finish
from flowsteer.workflow.laws import MAX_DEPTH
from flowsteer.workflow.nodes import NodeId, Workflow, steps

EPISODES, TURNS = 60, 14


@pytest.mark.parametrize("limits", [{}, {"two_step": True}, {"max_steps": 3}, {"max_steps": 1, "min_steps": 1}])
def test_every_sentence_parses_and_is_accepted(limits: dict[str, object]) -> None:
    finished = 0
    for seed in range(EPISODES):
        rng, workflow = Random(seed), Workflow()
        for _ in range(TURNS):
            seen = observe(workflow, **limits)
            action = parse_action(read(action_grammar(seen, prompt_chars=12)).sample(rng))
            if isinstance(action, Finish):
                assert not seen.unmet
                finished += 1
                break
            outcome = apply(workflow, action, seen.rules)
            assert isinstance(outcome, Applied), f"{action}: {outcome}"
            workflow = outcome.workflow
    assert finished or limits.get("max_steps"), "a finish must be reachable"


def kinds(dsl: str, **limits: object) -> set[tuple[str, str]]:
    """The kinds of action that random sentences show."""
    grammar, rng = read(action_grammar(observe(parse_dsl(dsl), **limits), prompt_chars=4)), Random(7)
    texts = [grammar.sample(rng) for _ in range(400)]
    assert all(isinstance(text, str) for text in texts)
    found = set()
    for text in texts:
        tag, _, rest = text.removeprefix("<action>").partition("</action>")
        found.add((tag, rest.removeprefix("<structure>").partition("<")[0] if rest.startswith("<structure>") else ""))
    return found


def test_an_empty_workflow_takes_adds_only() -> None:
    assert kinds("") == {("add", ""), ("add", "parallel"), ("add", "loop"), ("add", "conditional")}


def test_a_full_workflow_takes_no_add() -> None:
    found = kinds("Plan -> Custom -> Verify", max_steps=3)
    assert {action for action, _ in found} == {"set_structure", "delete", "modify", "set_prompt"}


def test_finish_only_when_allowed() -> None:
    assert ("finish", "") not in kinds("Plan -> Custom -> Verify")
    assert ("finish", "") in kinds("Plan -> Custom -> Programmer -> (Verify -> Revise) * 2")


def test_a_lone_step_cannot_become_a_parallel_and_only_a_check_makes_a_conditional() -> None:
    assert ("set_structure", "parallel") not in kinds("Verify")
    assert ("set_structure", "conditional") not in kinds("Plan -> Custom")
    assert ("set_structure", "conditional") in kinds("Verify -> Custom")


def test_a_check_stays_a_check() -> None:
    rng, sampler = Random(3), read(action_grammar(observe(parse_dsl("Verify ? Revise : done"))))
    changed = [parse_action(text) for text in (sampler.sample(rng) for _ in range(600)) if "modify" in text]
    assert {action.operator for action in changed if action.target == "node_2"} == {"Test", "Review"}


def test_structures_nest_no_deeper_than_they_may() -> None:
    almost, deepest = ("(" * levels + "Verify -> Plan" + ") * 1" * levels for levels in (MAX_DEPTH - 1, MAX_DEPTH))
    assert ("set_structure", "loop") in kinds(almost)
    assert kinds(deepest) == {("add", ""), ("delete", ""), ("modify", ""), ("set_prompt", "")}


def test_a_prompt_request_takes_only_an_instruction() -> None:
    grammar, rng = (
        read(action_grammar(observe(parse_dsl("Plan"), asks_prompt=NodeId("node_1"), two_step=True))),
        Random(1),
    )
    for _ in range(50):
        reply = parse_prompt_reply(grammar.sample(rng))
        assert reply.text.strip()
        assert len(reply.text) <= 300


def test_two_step_adds_carry_no_instruction() -> None:
    grammar, rng = read(action_grammar(observe(two_step=True))), Random(1)
    assert not any("<prompt>" in grammar.sample(rng) for _ in range(200))


def test_thinking_is_bounded_and_optional() -> None:
    seen, rng = observe(max_steps=1), Random(1)
    assert "think" not in action_grammar(seen)
    grammar = read(action_grammar(seen, think_chars=40))
    for _ in range(50):
        text = grammar.sample(rng)
        thinking, closed, _ = text.removeprefix("<think>").partition("</think>")
        assert closed
        assert len(thinking) <= 40
        assert isinstance(parse_action(text), AddStep) or "<structure>loop" in text


def test_no_legal_action_is_a_mistake_of_the_setup() -> None:
    with pytest.raises(ConfigError, match="no action is legal"):
        action_grammar(observe(max_steps=0))


def test_the_roster_is_offered_by_prompt_and_grammar() -> None:
    seen = observe(backends=("big", "small"))
    assert "<backend>: big, small" in system_prompt(seen)
    named, inside = set(), set()
    for seed in range(200):
        action = parse_action(read(action_grammar(seen, prompt_chars=12)).sample(Random(seed)))
        assert isinstance(apply(seen.workflow, action, seen.rules), Applied)
        if isinstance(action, AddStep):
            named.add(action.backend)
        if isinstance(action, AddStructure):
            inside |= {step.backend for step in steps((action.structure,))}
            assert parse_action(render_action(action)) == action
    assert named == inside == {"", "big", "small"}
    assert "backend" not in action_grammar(observe())
    assert "<backend>" not in system_prompt(observe())
