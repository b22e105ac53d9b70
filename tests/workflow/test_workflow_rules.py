"""Counts, violations and finish conditions."""

from dataclasses import replace

import pytest
from hypothesis import given

from flowsteer.workflow.apply import Rejected, apply
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.edits import AddStep, WrapLoop
from flowsteer.workflow.facts import facts
from flowsteer.workflow.nodes import Conditional, Loop, NodeId, Parallel, Step, Workflow, node_id, walk
from flowsteer.workflow.rules import Condition, most_runs, unmet, violations
from strategies import CATEGORIES_BY_NAME, RULES, full_steps, workflows

CHECKED = Condition("category", "verification", ("Test", "Review"))


@given(workflows(full_steps))
def test_counts_agree_with_the_tree(workflow: Workflow) -> None:
    found = facts(workflow, CATEGORIES_BY_NAME)
    nodes = list(walk(workflow.nodes))
    assert found.steps == sum(found.operators.values()) == sum(found.categories.values())
    assert found.steps + found.structures == len(nodes)
    assert (found.depth > 0) == (found.structures > 0)


def test_counts_by_name_category_and_structure() -> None:
    found = facts(parse_dsl("Plan -> [Custom, (Review -> Own) * 2] -> Test ? Custom : done"), CATEGORIES_BY_NAME)
    assert found.operators == {"Plan": 1, "Custom": 2, "Review": 1, "Own": 1, "Test": 1}
    assert found.categories == {"planning": 1, "solving": 2, "verification": 2}
    assert (found.parallels, found.conditionals, found.loops, found.structures, found.depth) == (1, 1, 1, 3, 2)


@pytest.mark.parametrize("dsl", ["(Plan) * 2", "(Plan -> Custom) * 10", "[Plan, (Custom) * 1]"])
def test_a_loop_counts_as_a_structure(dsl: str) -> None:
    assert facts(parse_dsl(dsl), CATEGORIES_BY_NAME).loops == 1
    assert Condition("structure") not in unmet(parse_dsl(dsl), RULES)


@pytest.mark.parametrize(
    ("dsl", "conditions"),
    [
        ("", [Condition("steps", least=5, found=0), CHECKED, Condition("structure")]),
        ("Plan -> Plan -> Plan -> Plan -> Plan", [CHECKED, Condition("structure")]),
        ("Plan -> [Custom, Custom] -> Review", [Condition("steps", least=5, found=4)]),
        ("Plan -> Custom -> Custom -> Review -> Format", [Condition("structure")]),
        ("Plan -> [Custom, Custom] -> Review -> Format", []),
        ("Plan -> Custom -> Review ? (Revise -> Format) : done", []),
    ],
)
def test_unmet_finish_conditions(dsl: str, conditions: list[Condition]) -> None:
    assert list(unmet(parse_dsl(dsl), RULES)) == conditions


def test_needs_of_operators_and_of_more_categories() -> None:
    workflow = parse_dsl("Plan -> [Custom, Custom] -> Review -> Plan")
    rules = replace(RULES, needs=("verification", "formatting"), needs_operators=("Test",))
    assert unmet(workflow, rules) == (
        Condition("category", "formatting", ("Format",)),
        Condition("operator", "Test"),
    )
    assert unmet(parse_dsl("Plan -> [Custom, Custom] -> Test -> Format"), rules) == ()


def test_a_plug_in_checker_counts_as_a_checker() -> None:
    rules = replace(RULES, categories={**CATEGORIES_BY_NAME, "UnitCheck": "verification"}, min_steps=0)
    assert unmet(parse_dsl("UnitCheck ? Revise : done"), rules) == ()


def test_violations_name_every_fault() -> None:
    workflow = parse_dsl("Plan -> Nobody -> Custom ? Revise : done")
    assert violations(workflow, replace(RULES, max_steps=3)) == (
        f"node_2: there is no operator 'Nobody'; there are {', '.join(CATEGORIES_BY_NAME)}",
        "node_4: Custom cannot be a check; checks are Test, Review",
        "the workflow holds 4 operators; at most 3",
    )
    assert len(violations(workflow, RULES)) == 2


def test_violations_see_broken_laws() -> None:
    plan = Step(node_id(1), "Plan")
    assert "two branches" in violations(Workflow((Parallel(node_id(2), ((plan,), ())),), 3), RULES)[0]
    assert "count from 1 to 10" in violations(Workflow((Loop(node_id(2), (plan,), 0),), 3), RULES)[0]
    loop = Loop(node_id(2), (plan,), 1)
    quote = Step(node_id(1), "Plan", backend='a"b')
    assert "backend's name" in violations(Workflow((quote,), 2), RULES)[0]
    assert "must be one step" in violations(Workflow((Conditional(node_id(3), loop, ()),), 4), RULES)[0]


def test_nested_loops_multiply_and_their_runs_are_bounded() -> None:
    workflow = parse_dsl("((Custom) * 10) * 10")
    rules = replace(RULES, max_runs=99)
    assert most_runs(workflow.nodes) == 100
    assert violations(workflow, rules) == ("loops and branches make up to 100 operator runs; at most 99",)
    outcome = apply(parse_dsl("(Custom) * 10"), WrapLoop((NodeId("node_1"),), 10), rules)
    assert isinstance(outcome, Rejected)
    assert "100 operator runs" in outcome.reason


def test_only_backends_of_the_roster_can_be_named() -> None:
    outcome = apply(parse_dsl(""), AddStep("Custom", backend="http://elsewhere/v1#m"), RULES)
    assert isinstance(outcome, Rejected)
    assert outcome.choices == RULES.backends
