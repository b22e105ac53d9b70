"""The way to a finish is one that the canvas accepts, step by step."""

import random

import pytest

from flowsteer.director.way_to_finish import way_to_finish
from flowsteer.operators.registry import load_library
from flowsteer.workflow import parse_dsl
from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.rules import Rules, unmet
from flowsteer.workflow.sample import random_edit

CATEGORIES = load_library("paper").categories
RULES = {
    "paper": Rules(CATEGORIES),
    "skeleton": Rules(CATEGORIES, min_steps=6, needs=("verification", "formatting")),
    "tested": Rules(CATEGORIES, needs_operators=("Test",)),
    "narrow": Rules(CATEGORIES, min_steps=4, max_steps=4, needs=("verification", "formatting")),
    "anything": Rules(CATEGORIES, min_steps=0, needs=(), needs_structure=False),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_after_it_the_workflow_may_be_finished(rules: Rules):
    for seed in range(40):
        rng, workflow = random.Random(seed), Workflow()
        for _ in range(seed % 9):
            edit = random_edit(workflow, rules, rng)
            outcome = apply(workflow, edit, rules) if edit else None
            workflow = outcome.workflow if isinstance(outcome, Applied) else workflow
        way = way_to_finish(workflow, rules)
        assert way is not None
        assert len(way) <= 1 + len(unmet(workflow, rules))
        for edit in way:
            outcome = apply(workflow, edit, rules)
            assert isinstance(outcome, Applied)
            workflow = outcome.workflow
        assert not unmet(workflow, rules)


def test_one_conditional_is_check_structure_and_operators():
    rules = RULES["paper"]
    assert len(way_to_finish(parse_dsl("Plan -> Programmer"), rules)) == 1
    assert way_to_finish(parse_dsl("Plan -> [Programmer, Custom] -> ScEnsemble -> Verify"), rules) == ()


def test_a_check_that_is_asked_for_by_name_is_the_one_that_is_taken():
    rules = Rules(CATEGORIES, needs=("verification",), needs_operators=("Test",))
    (edit,) = way_to_finish(parse_dsl("Plan -> Programmer -> Format"), rules) or ()
    assert edit.structure.check.operator == "Test"


def test_what_cannot_be_reached_has_no_way():
    assert way_to_finish(Workflow(), Rules({"Plan": "planning"}, needs=("verification",))) is None
    assert way_to_finish(Workflow(), Rules(CATEGORIES, min_steps=9, max_steps=8)) is None
