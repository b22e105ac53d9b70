"""Edits are applied whole or not at all, and every refusal names what would be legal."""

import copy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowsteer.workflow.apply import Applied, Rejected, apply
from flowsteer.workflow.dsl import parse_dsl, parse_structure, to_dsl
from flowsteer.workflow.edits import (
    AddStep,
    AddStructure,
    Delete,
    Edit,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.laws import MAX_DEPTH
from flowsteer.workflow.nodes import Loop, NodeId, Parallel, Step, Workflow, find, node_id, steps, walk
from flowsteer.workflow.rules import violations
from flowsteer.workflow.serial import workflow_from_json, workflow_to_json
from strategies import OPERATORS, RULES, edits, full_steps, workflows

CHECKS = ("Test", "Review")
ALL = ("the top level (no target)", "node_2.1", "node_2.2")


def n(number: int) -> NodeId:
    return node_id(number)


def ids(*numbers: int) -> tuple[NodeId, ...]:
    return tuple(map(node_id, numbers))


def done(dsl: str, edit: Edit) -> Applied:
    outcome = apply(parse_dsl(dsl), edit, RULES)
    assert isinstance(outcome, Applied), outcome
    return outcome


def refused(dsl: str, edit: Edit) -> Rejected:
    outcome = apply(parse_dsl(dsl), edit, RULES)
    assert isinstance(outcome, Rejected), outcome
    return outcome


# Laws


@settings(max_examples=60)
@given(st.data())
def test_any_edits_keep_the_tree_lawful_and_ids_unique_and_never_reused(data: st.DataObject) -> None:
    workflow = start = data.draw(workflows(full_steps, max_leaves=6))
    ever = {node.id for node in walk(workflow.nodes)}
    accepted: list[Edit] = []
    for _ in range(8):
        edit = data.draw(edits(workflow))
        before = copy.deepcopy(workflow)
        outcome = apply(workflow, edit, RULES)
        assert workflow == before
        if isinstance(outcome, Rejected):
            assert outcome.reason
            continue
        accepted.append(edit)
        found = [node.id for node in walk(outcome.workflow.nodes)]
        assert len(found) == len(set(found))
        assert not ever & set(outcome.new)
        assert set(found) <= ever | set(outcome.new)
        assert outcome.workflow.next_number == workflow.next_number + len(outcome.new)
        assert violations(outcome.workflow, RULES) == violations(Workflow(), RULES) == ()
        assert workflow_from_json(workflow_to_json(outcome.workflow)) == outcome.workflow
        assert to_dsl(parse_dsl(to_dsl(outcome.workflow))) == to_dsl(outcome.workflow)
        assert outcome.echo
        ever |= set(outcome.new)
        workflow = outcome.workflow
    again = start
    for edit in accepted:
        outcome = apply(again, edit, RULES)
        assert isinstance(outcome, Applied)
        again = outcome.workflow
    assert again == workflow


@settings(max_examples=60)
@given(st.data())
def test_no_edit_touches_other_steps(data: st.DataObject) -> None:
    workflow = data.draw(workflows(full_steps, max_leaves=6))
    edit = data.draw(edits(workflow))
    outcome = apply(workflow, edit, RULES)
    if not isinstance(outcome, Applied):
        return
    gone: set[NodeId] = set()
    if isinstance(edit, Delete):
        target = find(workflow, edit.target)
        assert target is not None
        gone = {node.id for node in walk((target,))}
    elif isinstance(edit, Modify | SetPrompt):
        gone = {edit.target}
    kept = [step for step in steps(outcome.workflow.nodes) if step.id not in {*outcome.new, *gone}]
    assert kept == [step for step in steps(workflow.nodes) if step.id not in gone]


# Add


def test_a_step_goes_to_the_end_by_default_and_carries_what_it_was_given() -> None:
    outcome = done("Plan", AddStep("Custom", "Be brief.", "some:model"))
    assert outcome.workflow.nodes[1] == Step(n(2), "Custom", "Be brief.", "some:model")
    assert outcome.new == ids(2)
    assert outcome.echo == (
        "added node_2 Custom at the end, with an instruction of 9 characters, on backend some:model"
    )


@pytest.mark.parametrize(
    ("container", "position", "result"),
    [
        ("", 0, "Format -> [Plan, Custom] -> Review ? Revise : done -> (Test) * 2"),
        ("", 3, "[Plan, Custom] -> Review ? Revise : done -> (Test) * 2 -> Format"),
        ("node_1.1", 0, "[Format -> Plan, Custom] -> Review ? Revise : done -> (Test) * 2"),
        ("node_1.2", 1, "[Plan, Custom -> Format] -> Review ? Revise : done -> (Test) * 2"),
        ("node_4.true", None, "[Plan, Custom] -> Review ? (Revise -> Format) : done -> (Test) * 2"),
        ("node_4.false", None, "[Plan, Custom] -> Review ? Revise : Format -> (Test) * 2"),
        ("node_7", 0, "[Plan, Custom] -> Review ? Revise : done -> (Format -> Test) * 2"),
    ],
)
def test_a_step_can_be_put_anywhere(container: str, position: int | None, result: str) -> None:
    dsl = "[Plan, Custom] -> Review ? Revise : done -> (Test) * 2"
    outcome = done(dsl, AddStep("Format", position=position, container=container))
    assert to_dsl(outcome.workflow) == result


def test_a_structure_gets_ids_in_reading_order() -> None:
    outcome = done("Plan", AddStructure(parse_structure("Review ? [Plan, Custom] : Format")))
    assert outcome.new == ids(2, 3, 4, 5, 6, 7)
    assert [node.id for node in walk(outcome.workflow.nodes)] == list(ids(1, 2, 3, 4, 5, 6, 7))
    assert (
        "if node_3 Review FAILS: node_4 parallel, node_5 Plan, node_6 Custom; if it passes: node_7 Format"
        in outcome.echo
    )


@pytest.mark.parametrize("bad", ["Nobody", "plan", ""])
def test_an_unknown_operator_changes_nothing_and_the_canvas_goes_on(bad: str) -> None:
    workflow = parse_dsl("Plan")
    outcome = apply(workflow, AddStep(bad), RULES)
    assert outcome == Rejected(f"there is no operator {bad!r}", OPERATORS)
    after = apply(workflow, AddStep("Custom"), RULES)
    assert isinstance(after, Applied)
    assert to_dsl(after.workflow) == "Plan -> Custom"


def test_what_is_wrong_with_an_added_structure_is_said() -> None:
    assert refused("", AddStructure(parse_structure("Plan ? Custom : done"))).choices == CHECKS
    assert refused("", AddStructure(parse_structure("[Plan, Nobody]"))).choices == OPERATORS
    assert refused("", AddStructure(parse_structure("Nobody ? Plan : done"))).choices == CHECKS
    for hollow in ("Review ? done : done", "[Plan, (Review ? done : done) * 2]"):
        assert "at least one of its branches" in refused("Plan", AddStructure(parse_structure(hollow))).reason
    assert "count" in refused("", AddStructure(Loop(n(1), (Step(n(2), "Plan"),), 99))).reason
    assert "two branches" in refused("", AddStructure(Parallel(n(1), ((Step(n(2), "Plan"),),)))).reason


@pytest.mark.parametrize(
    ("edit", "choices"),
    [
        (AddStep("Plan", position=3), ("0..2",)),
        (AddStep("Plan", position=-1), ("0..2",)),
        (AddStep("Plan", container="node_2"), ("node_2.1", "node_2.2")),
        (AddStep("Plan", container="node_1"), ("the top level (no target)", "node_2.1", "node_2.2")),
        (AddStep("Plan", container="node_2.3"), ("the top level (no target)", "node_2.1", "node_2.2")),
        (
            AddStructure(parse_structure("[Plan, Plan]"), container="top"),
            ("the top level (no target)", "node_2.1", "node_2.2"),
        ),
    ],
)
def test_a_wrong_place_is_answered_with_the_right_ones(edit: Edit, choices: tuple[str, ...]) -> None:
    assert refused("Plan -> [Custom, Programmer]", edit).choices == choices


def test_the_size_limit_holds_for_steps_and_for_structures() -> None:
    rules = replace(RULES, max_steps=3)
    workflow = parse_dsl("Plan -> Review ? Revise : done")
    assert isinstance(apply(workflow, AddStep("Plan"), rules), Rejected)
    outcome = apply(parse_dsl("Plan -> Plan"), AddStructure(parse_structure("[Plan, Plan]")), rules)
    assert outcome == Rejected("the workflow would hold 4 operators; at most 3")


def test_the_nesting_limit_holds_for_adding_and_wrapping() -> None:
    dsl = "(" * MAX_DEPTH + "Plan" + ") * 2" * MAX_DEPTH
    innermost = f"node_{MAX_DEPTH}"
    assert "nest" in refused(dsl, AddStructure(parse_structure("[Plan, Plan]"), container=innermost)).reason
    assert "nest" in refused(dsl, WrapLoop(ids(MAX_DEPTH + 1), 2)).reason
    done(dsl, AddStep("Plan", container=innermost))


# Wrap


@pytest.mark.parametrize(
    ("edit", "result"),
    [
        (WrapParallel(ids(1, 2)), "[Plan, Custom] -> Review -> Revise -> Format"),
        (WrapLoop(ids(3, 4), 3), "Plan -> Custom -> (Review -> Revise) * 3 -> Format"),
        (WrapLoop(ids(5), 1), "Plan -> Custom -> Review -> Revise -> (Format) * 1"),
        (WrapConditional(n(3), ids(4)), "Plan -> Custom -> Review ? Revise : done -> Format"),
        (WrapConditional(n(3), ids(4), ids(5)), "Plan -> Custom -> Review ? Revise : Format"),
        (WrapConditional(n(3), (), ids(4, 5)), "Plan -> Custom -> Review ? done : (Revise -> Format)"),
    ],
)
def test_siblings_are_wrapped_where_they_stand(edit: Edit, result: str) -> None:
    outcome = done("Plan -> Custom -> Review -> Revise -> Format", edit)
    assert to_dsl(outcome.workflow) == result
    assert outcome.new == ids(6)
    assert sorted(node.id for node in walk(outcome.workflow.nodes)) == list(ids(1, 2, 3, 4, 5, 6))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (WrapParallel(ids(1)), "at least two"),
        (WrapParallel(()), "at least two"),
        (WrapParallel(ids(1, 1)), "next to each other"),
        (WrapParallel(ids(2, 1)), "in this order"),
        (WrapParallel(ids(1, 3)), "next to each other"),
        (WrapParallel(ids(1, 5)), "next to each other"),
        (WrapParallel(ids(2, 99)), "there is no node 'node_99'"),
        (WrapLoop((), 2), "name the nodes"),
        (WrapLoop(ids(1), 0), "cannot repeat 0 times"),
        (WrapLoop(ids(1), 11), "cannot repeat 11 times"),
        (WrapLoop(ids(8), 2), "is the check of node_7"),
        (WrapConditional(n(6), ()), "at least one"),
        (WrapConditional(n(2), ids(3)), "Custom cannot be a check"),
        (WrapConditional(n(3), ids(6)), "a check is one step"),
        (WrapConditional(n(6), ids(9)), "next to each other"),
        (WrapConditional(n(8), ids(9)), "is the check of node_7"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(edit: Edit, says: str) -> None:
    outcome = refused("Plan -> Custom -> [Plan, Custom] -> Review -> Review ? Revise : done", edit)
    assert says in outcome.reason
    assert outcome.choices


# Delete


@pytest.mark.parametrize(
    ("dsl", "target", "result", "says"),
    [
        ("Plan -> Custom", 1, "Custom", "deleted node_1 Plan"),
        ("[Plan, Custom, Format]", 3, "[Plan, Format]", "parallel node_1 has 2 branches left"),
        ("[Plan, Custom -> Format]", 2, "Custom -> Format", "parallel node_1 had one branch left and dissolved"),
        ("Plan -> [Plan, (Custom) * 2] -> Format", 5, "Plan -> Plan -> Format", "loop node_4 became empty"),
        ("Plan -> ((Custom) * 2) * 3", 4, "Plan", "loop node_2 became empty and disappeared"),
        ("Review ? Revise : Format", 3, "Review ? done : Format", "node_1.true is now done"),
        ("Review ? done : Format", 3, "Review ? done : done", "node_1.false is now done"),
        ("(Review ? Revise : done) * 2 -> Plan", 2, "Plan", "loop node_1 became empty"),
        ("[Plan, Custom] -> Format", 1, "Format", "deleted node_1 parallel [Plan, Custom]"),
    ],
)
def test_a_delete_leaves_no_empty_structure_and_says_so(dsl: str, target: int, result: str, says: str) -> None:
    outcome = done(dsl, Delete(n(target)))
    assert to_dsl(outcome.workflow) == result
    assert says in outcome.echo
    assert outcome.new == ()


def test_a_check_is_deleted_with_its_conditional_only() -> None:
    outcome = refused("Plan -> Review ? Revise : done", Delete(n(3)))
    assert outcome.choices == ids(2)
    assert to_dsl(done("Plan -> Review ? Revise : done", Delete(n(2))).workflow) == "Plan"


def test_ids_are_not_reused_after_a_delete() -> None:
    workflow = done("Plan -> Custom", Delete(n(2))).workflow
    outcome = apply(workflow, AddStep("Format"), RULES)
    assert isinstance(outcome, Applied)
    assert outcome.new == ids(3)


# Modify and set_prompt


def test_modify_keeps_place_id_instruction_and_backend() -> None:
    workflow = Workflow((Step(n(1), "Plan"), Step(n(2), "Custom", "Be brief.", "some:model")), 3)
    outcome = apply(workflow, Modify(n(2), "Programmer"), RULES)
    assert isinstance(outcome, Applied)
    assert outcome.workflow == Workflow((Step(n(1), "Plan"), Step(n(2), "Programmer", "Be brief.", "some:model")), 3)


def test_a_check_can_only_become_another_check() -> None:
    dsl = "(Review ? Revise : done) * 2"
    assert to_dsl(done(dsl, Modify(n(3), "Test")).workflow) == "(Test ? Revise : done) * 2"
    assert refused(dsl, Modify(n(3), "Plan")).choices == CHECKS
    assert refused(dsl, Modify(n(3), "Review")).choices == ("Test",)


@pytest.mark.parametrize(
    ("edit", "says", "choices"),
    [
        (Modify(n(1), "Plan"), "already is Plan", tuple(name for name in OPERATORS if name != "Plan")),
        (Modify(n(1), "Nobody"), "no operator 'Nobody'", OPERATORS),
        (Modify(n(2), "Plan"), "is a parallel, not a step", ids(1, 3, 4)),
        (Modify(n(9), "Plan"), "no node 'node_9'", ids(1, 3, 4)),
        (SetPrompt(n(2), "x"), "is a parallel, not a step", ids(1, 3, 4)),
        (SetPrompt(n(9), "x"), "no node 'node_9'", ids(1, 3, 4)),
        (SetPrompt(n(1), " \n"), "is empty", ()),
        (Delete(n(9)), "no node 'node_9'", ids(1, 2, 3, 4)),
    ],
)
def test_a_wrong_target_is_answered_with_the_right_ones(edit: Edit, says: str, choices: tuple[str, ...]) -> None:
    outcome = refused("Plan -> [Custom, Format]", edit)
    assert says in outcome.reason
    assert outcome.choices == choices


def test_an_instruction_reaches_a_check_too() -> None:
    outcome = done("Review ? Revise : done", SetPrompt(n(2), "Look at the units."))
    assert find(outcome.workflow, n(2)) == Step(n(2), "Review", "Look at the units.")
