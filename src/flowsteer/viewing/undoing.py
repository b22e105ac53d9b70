"""Undo as an edit like any other: the record keeps what was done, and what took it back."""

from flowsteer.workflow.apply import Rejected, apply
from flowsteer.workflow.edits import Action, AddStep, AddStructure, Delete, Edit, Modify, SetPrompt
from flowsteer.workflow.nodes import Step, Workflow, find, steps
from flowsteer.workflow.places import Refused, all_ids, place_of
from flowsteer.workflow.rules import Rules


def undoing(before: Workflow, action: Action, after: Workflow, rules: Rules) -> Edit | None:
    """The edit that takes another one back.

    Args:
        before: The workflow before it.
        action: What was done.
        after: The workflow as it stands.
        rules: The rules of the canvas.

    Returns:
        None where no single edit does: wrapped nodes cannot be unwrapped, a first instruction cannot be taken away.
    """
    edit = _inverse(before, action, after)
    return None if edit is None or isinstance(apply(after, edit, rules), Rejected) else edit


def _inverse(before: Workflow, action: Action, after: Workflow) -> Edit | None:
    match action:
        case AddStep() | AddStructure():
            known = set(all_ids(before))
            new = next((node for node in all_ids(after) if node not in known), None)  # a structure before its contents
            return None if new is None else Delete(find(after, new).id)  # type: ignore[arg-type, union-attr]
        case Modify(target):
            node = find(before, target)
            return Modify(target, node.operator) if isinstance(node, Step) else None
        case SetPrompt(target):
            node = find(before, target)
            return SetPrompt(target, node.prompt) if isinstance(node, Step) and node.prompt else None
        case Delete():
            return _added_again(before, action)
    return None


def _added_again(before: Workflow, action: Delete) -> Edit | None:
    try:
        container, siblings, index = place_of(before, action.target)
    except Refused:
        return None
    node = siblings[index]
    if isinstance(node, Step):
        return AddStep(node.operator, node.prompt, node.backend, index, container)
    if any(step.prompt for step in steps((node,))):
        return None  # the action language cannot carry them within a structure
    return AddStructure(node, index, container)
