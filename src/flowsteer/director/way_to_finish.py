"""A short way to a workflow that may be finished, for a Director that must end in time."""

from collections.abc import Iterator

from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.edits import AddStep, AddStructure, Edit, Modify, WrapLoop
from flowsteer.workflow.nodes import Category, Conditional, Loop, NodeId, Step, Workflow, steps
from flowsteer.workflow.rules import Condition, Rules, unmet

_NEW = NodeId("")
_FIXING: tuple[Category, ...] = ("revision", "solving")


def way_to_finish(workflow: Workflow, rules: Rules) -> tuple[Edit, ...] | None:
    """Edits after which the workflow may be finished, each of them accepted by the canvas.

    Each is the one that meets most of what is unmet: one conditional may be the check, the structure and the operators
    that a finish needs. An empty workflow gets an operator that answers first.

    Args:
        workflow: The workflow as it stands.
        rules: The rules of its canvas.

    Returns:
        The edits, none if it may be finished as it stands; None if no such way was found.

    >>> from flowsteer.workflow import parse_dsl
    >>> rules = Rules({"Custom": "solving", "Verify": "verification", "Revise": "revision", "Format": "formatting"})
    >>> [type(edit).__name__ for edit in way_to_finish(parse_dsl("Custom -> Format"), rules)]
    ['AddStructure']
    """
    way: list[Edit] = []
    if not workflow.nodes and (answering := _first(rules, ("solving",))):
        way.append(AddStep(answering))
        workflow = _after(workflow, way[0], rules) or workflow
    while missing := unmet(workflow, rules):
        tried = [
            (edit, after) for edit in _useful(workflow, rules, missing) if (after := _after(workflow, edit, rules))
        ]
        if not tried:
            return None
        edit, after = min(tried, key=lambda one: len(unmet(one[1], rules)))
        if len(unmet(after, rules)) >= len(missing):
            return None
        way.append(edit)
        workflow = after
    return tuple(way)


def _after(workflow: Workflow, edit: Edit, rules: Rules) -> Workflow | None:
    outcome = apply(workflow, edit, rules)
    return outcome.workflow if isinstance(outcome, Applied) else None


def _useful(workflow: Workflow, rules: Rules, missing: tuple[Condition, ...]) -> Iterator[Edit]:
    """Edits that may meet something, the better ones first; those that need no further operator last."""
    wanted = [name for one in missing for name in ((one.name,) if one.kind == "operator" else one.choices)]
    short = next((one.least - one.found for one in missing if one.kind == "steps"), 0)
    asked = [one.name for one in missing if one.kind == "operator"]
    checks = sorted(rules.of("verification"), key=lambda name: (name not in asked, name not in wanted, name == "Test"))
    fixing = _first(rules, _FIXING)
    if checks and fixing:
        fixes = tuple(Step(_NEW, fixing) for _ in range(max(1, short - 1)))
        yield AddStructure(Conditional(_NEW, Step(_NEW, checks[0]), fixes, ()))
    yield from map(AddStep, wanted)
    if fixing:
        yield AddStep(fixing)
        yield AddStructure(Loop(_NEW, tuple(Step(_NEW, fixing) for _ in range(max(1, short))), 1))
    if workflow.nodes:
        yield WrapLoop((workflow.nodes[-1].id,), 1)
    for step in reversed(list(steps(workflow.nodes))):
        yield from (Modify(step.id, name) for name in wanted)


def _first(rules: Rules, categories: tuple[Category, ...]) -> str:
    """The first operator of the first of these categories that has one; empty if none has."""
    return next((name for category in categories for name in rules.of(category)), "")
