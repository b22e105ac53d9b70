"""R_div: what a workflow's skeleton is worth, by what ran of it (spec §6).

It is computed from what was executed: the final workflow's tree, and which of its steps ran successfully at least once.
It speaks of categories, so a plug-in checker counts as a checker, and reads no text.
"""

from collections.abc import Mapping, Sequence

from flowsteer.reward.term import Term
from flowsteer.workflow.echo import named
from flowsteer.workflow.nodes import Category, Conditional, Loop, Node, Parallel, Step, Workflow, steps, walk

MIN_OPERATORS = 6
"""So many distinct operators must have run for the padding term."""

FIFTHS = {"verification": 1, "formatting": 1, "operators": 1, "structure": 2}
"""What each part of R_div is worth, in fifths: whole numbers, so that "R_div = 1" is exact."""


def diversity_terms(
    workflow: Workflow, succeeded: frozenset[str], categories: Mapping[str, Category]
) -> tuple[Term, ...]:
    """The four parts of R_div, each 0 or worth its fifths.

    Repeats of a loop, branches not taken and failed nodes earn nothing: a step counts once, and only if it ran.
    A conditional counts once its check ran to a verdict; a parallel or a loop once a step in it ran.
    """
    ran = [step for step in steps(workflow.nodes) if step.id in succeeded]
    built = [node for node in walk(workflow.nodes) if worked(node, succeeded)]
    checks = [step for step in ran if categories.get(step.operator) == "verification"]
    formats = [step for step in ran if categories.get(step.operator) == "formatting"]
    return (
        _part("verification", bool(checks), _named(checks) or "no verification operator ran"),
        _part("formatting", bool(formats), _named(formats) or "no formatting operator ran"),
        _part("operators", len(ran) >= MIN_OPERATORS, f"{len(ran)} operators ran, {MIN_OPERATORS} are asked for"),
        _part("structure", bool(built), _named(built) or "no parallel, conditional or loop ran"),
    )


def worked(node: Node, succeeded: frozenset[str]) -> bool:
    """Whether a structure did something; a step is none."""
    match node:
        case Conditional():
            return node.check.id in succeeded
        case Parallel() | Loop():
            return any(step.id in succeeded for step in steps((node,)))
        case Step():
            return False


def _part(name: str, earned: bool, reason: str) -> Term:
    return Term(name, FIFTHS[name] / 5 if earned else 0.0, reason)


def _named(nodes: Sequence[Node]) -> str:
    return f"{', '.join(named(node) for node in nodes)} ran" if nodes else ""
