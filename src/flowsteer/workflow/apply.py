"""Applying one edit to a workflow: whole, or not at all (spec §3)."""

from dataclasses import dataclass, replace

from flowsteer.workflow.echo import aftermath, extras, kind, meaning, named, placed
from flowsteer.workflow.edits import (
    AddStep,
    AddStructure,
    Container,
    Delete,
    Edit,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.laws import MAX_DEPTH, depth, faults, is_count
from flowsteer.workflow.nodes import (
    MAX_LOOP,
    Conditional,
    Loop,
    Node,
    NodeId,
    Parallel,
    Sequence,
    Step,
    Structure,
    Workflow,
    node_id,
    steps,
    walk,
)
from flowsteer.workflow.places import (
    Refused,
    Siblings,
    all_ids,
    children_of,
    place_of,
    require_backend,
    require_branch,
    require_check,
    require_not_check,
    require_operator,
    run_of,
    step_at,
)
from flowsteer.workflow.rules import Rules, most_runs
from flowsteer.workflow.tree import renumbered, with_children


@dataclass(frozen=True, slots=True)
class Applied:
    """An accepted edit.

    Attributes:
        workflow: The new workflow; the old one is unchanged.
        new: Ids the edit made, in reading order.
        echo: What was understood and what it led to, in words, with the ids.
    """

    workflow: Workflow
    new: tuple[NodeId, ...]
    echo: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refused edit; nothing changed.

    Attributes:
        reason: Why.
        choices: What would have been legal in the place that was wrong: names, ids, containers or a range.
    """

    reason: str
    choices: tuple[str, ...] = ()


def apply(workflow: Workflow, edit: Edit, rules: Rules) -> Applied | Rejected:
    """Apply an edit to a workflow.

    Args:
        workflow: The workflow as it stands; it stays as it is.
        edit: The edit.
        rules: Legal operators and the size limit. Finish conditions do not matter here.

    Returns:
        The new workflow with the new ids, or why not and what would be legal.

    >>> rules = Rules({"Plan": "planning", "Verify": "verification"})
    >>> apply(Workflow(), AddStep("Plan"), rules)  # doctest: +NORMALIZE_WHITESPACE
    Applied(workflow=Workflow(nodes=(Step(id='node_1', operator='Plan', prompt='', backend=''),), next_number=2),
        new=('node_1',), echo='added node_1 Plan at the end')
    >>> apply(Workflow(), AddStep("Paln"), rules)
    Rejected(reason="there is no operator 'Paln'", choices=('Plan', 'Verify'))
    """
    try:
        applied = _apply(workflow, edit, rules)
    except Refused as refused:
        return Rejected(refused.reason, refused.choices)
    runs = most_runs(applied.workflow.nodes)
    if runs > rules.max_runs:
        return Rejected(f"loops and branches would make up to {runs} operator runs; at most {rules.max_runs}")
    return applied


def _apply(workflow: Workflow, edit: Edit, rules: Rules) -> Applied:
    match edit:
        case AddStep():
            return _add_step(workflow, edit, rules)
        case AddStructure():
            return _add_structure(workflow, edit, rules)
        case WrapParallel():
            return _wrap_parallel(workflow, edit)
        case WrapLoop():
            return _wrap_loop(workflow, edit)
        case WrapConditional():
            return _wrap_conditional(workflow, edit, rules)
        case Delete():
            return _delete(workflow, edit)
        case Modify():
            return _modify(workflow, edit, rules)
        case SetPrompt():
            return _set_prompt(workflow, edit)


def _add_step(workflow: Workflow, edit: AddStep, rules: Rules) -> Applied:
    require_operator(edit.operator, rules)
    require_backend(edit.backend, rules)
    step = Step(node_id(workflow.next_number), edit.operator, edit.prompt, edit.backend)
    nodes = _inserted(workflow, edit, step, rules)
    where = placed(edit.container, edit.position)
    new = Workflow(nodes, workflow.next_number + 1)
    return Applied(new, (step.id,), f"added {named(step)} {where}{extras(step)}")


def _add_structure(workflow: Workflow, edit: AddStructure, rules: Rules) -> Applied:
    broken = faults((edit.structure,))
    if broken:
        raise Refused("; ".join(broken))
    for node in walk((edit.structure,)):
        if isinstance(node, Step):
            require_operator(node.operator, rules)
            require_backend(node.backend, rules)
        elif isinstance(node, Conditional):
            require_check(node.check.operator, rules)
            require_branch(node.if_fail, node.if_pass, rules.categories)
    (structure,), next_number = renumbered((edit.structure,), workflow.next_number)
    nodes = _inserted(workflow, edit, structure, rules)
    new = tuple(node.id for node in walk((structure,)))
    where = placed(edit.container, edit.position)
    return Applied(Workflow(nodes, next_number), new, f"added {named(structure)} {where}; {meaning(structure)}")


def _inserted(workflow: Workflow, edit: AddStep | AddStructure, node: Node, rules: Rules) -> Sequence:
    """The tree with a node added."""
    children = children_of(workflow, edit.container)
    position = len(children) if edit.position is None else edit.position
    if not 0 <= position <= len(children):
        where = edit.container or "the top level"
        raise Refused(f"{where} has no position {position}", (f"0..{len(children)}",))
    size = sum(1 for _ in steps((*workflow.nodes, node)))
    if size > rules.max_steps:
        raise Refused(f"the workflow would hold {size} operators; at most {rules.max_steps}")
    return _changed(workflow, edit.container, (*children[:position], node, *children[position:]))


def _changed(workflow: Workflow, container: Container, children: Sequence) -> Sequence:
    """The tree with other children in a container, if structures do not nest too deep then."""
    nodes = with_children(workflow.nodes, container, children)
    if depth(nodes) > MAX_DEPTH:
        raise Refused(f"structures would nest {depth(nodes)} deep; at most {MAX_DEPTH}")
    return nodes


def _wrap_parallel(workflow: Workflow, edit: WrapParallel) -> Applied:
    if len(edit.targets) < 2:
        raise Refused("a parallel needs at least two nodes, one for each branch", all_ids(workflow))
    run = run_of(workflow, edit.targets)
    return _wrapped(workflow, run, Parallel(node_id(workflow.next_number), tuple((node,) for node in run.nodes)))


def _wrap_loop(workflow: Workflow, edit: WrapLoop) -> Applied:
    if not is_count(edit.count):
        raise Refused(f"a loop cannot repeat {edit.count} times", (f"1..{MAX_LOOP}",))
    run = run_of(workflow, edit.targets)
    return _wrapped(workflow, run, Loop(node_id(workflow.next_number), run.nodes, edit.count))


def _wrap_conditional(workflow: Workflow, edit: WrapConditional, rules: Rules) -> Applied:
    require_branch(edit.if_fail, edit.if_pass, all_ids(workflow))
    run = run_of(workflow, (edit.check, *edit.if_fail, *edit.if_pass))
    check, rest, split = run.nodes[0], run.nodes[1:], len(edit.if_fail)
    if not isinstance(check, Step):
        raise Refused(f"{check.id} is a {kind(check)}; a check is one step", rules.of("verification"))
    require_check(check.operator, rules)
    return _wrapped(workflow, run, Conditional(node_id(workflow.next_number), check, rest[:split], rest[split:]))


def _wrapped(workflow: Workflow, run: Siblings, structure: Structure) -> Applied:
    nodes = _changed(workflow, run.container, (*run.before, structure, *run.after))
    echo = f"made {named(structure)}; {meaning(structure)}"
    return Applied(Workflow(nodes, workflow.next_number + 1), (structure.id,), echo)


def _delete(workflow: Workflow, edit: Delete) -> Applied:
    require_not_check(workflow, edit.target)
    container, siblings, index = place_of(workflow, edit.target)
    deleted = siblings[index]
    nodes = with_children(workflow.nodes, container, (*siblings[:index], *siblings[index + 1 :]))
    consequences = () if len(siblings) > 1 else aftermath(workflow.nodes, nodes, deleted)
    echo = "; ".join((f"deleted {named(deleted)}", *consequences))
    return Applied(replace(workflow, nodes=nodes), (), echo)


def _modify(workflow: Workflow, edit: Modify, rules: Rules) -> Applied:
    step, owner = step_at(workflow, edit.target)
    require = require_check if owner else require_operator
    require(edit.operator, rules)
    if step.operator == edit.operator:
        legal = rules.of("verification") if owner else tuple(rules.categories)
        raise Refused(f"{step.id} already is {step.operator}", (name for name in legal if name != step.operator))
    nodes = _with_step(workflow, replace(step, operator=edit.operator), owner)
    echo = f"{step.id} {step.operator} is now {edit.operator}; place, instruction and backend are kept"
    return Applied(replace(workflow, nodes=nodes), (), echo)


def _set_prompt(workflow: Workflow, edit: SetPrompt) -> Applied:
    step, owner = step_at(workflow, edit.target)
    if not edit.prompt.strip():
        raise Refused(f"the instruction for {named(step)} is empty")
    nodes = _with_step(workflow, replace(step, prompt=edit.prompt), owner)
    echo = f"{named(step)} has a new instruction of {len(edit.prompt)} characters"
    return Applied(replace(workflow, nodes=nodes), (), echo)


def _with_step(workflow: Workflow, step: Step, owner: Conditional | None) -> Sequence:
    """The tree with a step in place of the one with its id, which is the check of `owner` if that is given."""
    new: Node = step if owner is None else replace(owner, check=step)
    container, siblings, index = place_of(workflow, new.id)
    return with_children(workflow.nodes, container, (*siblings[:index], new, *siblings[index + 1 :]))
