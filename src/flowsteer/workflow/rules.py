"""What a canvas allows, and when a workflow may be finished; spoken in categories wherever categories can say it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from flowsteer.suggestions import did_you_mean
from flowsteer.workflow.facts import facts
from flowsteer.workflow.laws import faults
from flowsteer.workflow.nodes import (
    Category,
    Conditional,
    Loop,
    Parallel,
    Sequence,
    Workflow,
    child_sequences,
    steps,
    walk,
)
from flowsteer.workflow.quoting import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """What is set of the rules, whatever the library and the task; the paper's finish conditions by default.

    Attributes:
        min_steps: Fewest operators before a finish (paper: 5).
        max_steps: Most operators a workflow may hold.
        max_runs: Most operator runs if every loop and branch ran in full; nested loops multiply.
        needs: Categories that must occur before a finish (paper: verification), where the library has them.
        needs_structure: Whether a finish needs a parallel, conditional or loop (paper: yes).
        two_step: Whether the canvas asks for each new step's instruction in a turn of its own.
    """

    min_steps: Annotated[int, Ge(0)] = 5
    max_steps: Annotated[int, Ge(1)] = 24
    max_runs: Annotated[int, Ge(1)] = 200
    needs: tuple[Category, ...] = ("verification",)
    needs_structure: bool = True
    two_step: bool = False


@dataclass(frozen=True, slots=True)
class Rules(RuleSettings):
    """Rules of one canvas.

    Attributes:
        categories: Each operator's category: the legal operators.
        needs_operators: Operators that must occur before a finish, for what a category cannot tell apart (paper: a
            Test where a code task has public tests).
        backends: Names of the backends that a step may be given; a Director can name no other.
    """

    categories: Mapping[str, Category]
    needs_operators: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()

    def of(self, category: Category) -> tuple[str, ...]:
        """The operators of a category, in the library's order."""
        return tuple(name for name, other in self.categories.items() if other == category)


def violations(workflow: Workflow, rules: Rules) -> tuple[str, ...]:
    """What a whole workflow, from a file or another program, breaks; empty if a canvas could have built it.

    Args:
        workflow: The workflow.
        rules: The rules.

    Returns:
        One sentence a violation: broken laws first, then unknown operators, checks that do not check, and size.
    """
    broken = faults(workflow.nodes)
    if broken:
        return broken
    nodes = list(walk(workflow.nodes))
    found = [
        f"{step.id}: there is no operator {quoted(step.operator)}; there are {', '.join(rules.categories)}"
        f"{_meant(step.operator, rules)}"
        for step in steps(workflow.nodes)
        if step.operator not in rules.categories
    ]
    found += [
        f"{node.check.id}: {node.check.operator} cannot be a check; checks are {', '.join(rules.of('verification'))}"
        for node in nodes
        if isinstance(node, Conditional) and rules.categories.get(node.check.operator, "verification") != "verification"
    ]
    named = ", ".join(rules.backends) or "none to name"
    found += [
        f"{step.id}: there is no backend {quoted(step.backend)}; there are {named}"
        for step in steps(workflow.nodes)
        if step.backend and step.backend not in rules.backends
    ]
    size = sum(1 for _ in steps(workflow.nodes))
    if size > rules.max_steps:
        found.append(f"the workflow holds {size} operators; at most {rules.max_steps}")
    runs = most_runs(workflow.nodes)
    if runs > rules.max_runs:
        found.append(f"loops and branches make up to {runs} operator runs; at most {rules.max_runs}")
    return tuple(found)


def _meant(operator: str, rules: Rules) -> str:
    """What an unknown operator was probably meant to be, as the end of a sentence."""
    question = did_you_mean(operator, rules.categories)
    return f".{question}" if question else ""


def most_runs(nodes: Sequence) -> int:
    """How many operators run at most: every branch, and every round of every loop.

    >>> from flowsteer.workflow import parse_dsl
    >>> most_runs(parse_dsl("Plan -> ((Verify ? Revise : done) * 3 -> Review) * 2").nodes)
    15
    """
    runs = 0
    for node in nodes:
        inside = sum(most_runs(children) for children in child_sequences(node))
        if isinstance(node, Loop):
            runs += node.count * inside
        else:
            runs += inside + (not isinstance(node, Parallel))
    return runs


@dataclass(frozen=True, slots=True)
class Condition:
    """A finish condition that a workflow does not meet.

    Attributes:
        kind: `steps` (too few operators), `category` or `operator` (one that must occur does not), `structure` (there
            is none), or `never` (nothing is ever finished here, as in a search that only edits).
        name: The category or operator; empty for the other kinds.
        choices: Operators of the category.
        least: Operators needed; 0 for the other kinds.
        found: Operators there are; 0 for the other kinds.
    """

    kind: Literal["steps", "category", "operator", "structure", "never"]
    name: str = ""
    choices: tuple[str, ...] = ()
    least: int = 0
    found: int = 0


def unmet(workflow: Workflow, rules: Rules) -> tuple[Condition, ...]:
    """Finish conditions a workflow does not meet yet (spec §5); empty when it may be finished.

    A category of which the library has no operator is not asked for.

    >>> from flowsteer.workflow import parse_dsl
    >>> missing = unmet(parse_dsl("Plan -> Verify"), Rules({"Plan": "planning", "Verify": "verification"}))
    >>> [condition.kind for condition in missing], missing[0].least, missing[0].found
    (['steps', 'structure'], 5, 2)
    """
    found = facts(workflow, rules.categories)
    missing: list[Condition] = []
    if found.steps < rules.min_steps:
        missing.append(Condition("steps", least=rules.min_steps, found=found.steps))
    missing += [
        Condition("category", category, choices)
        for category in rules.needs
        if category not in found.categories and (choices := rules.of(category))
    ]
    missing += [Condition("operator", name) for name in rules.needs_operators if name not in found.operators]
    if rules.needs_structure and not found.structures:
        missing.append(Condition("structure"))
    return tuple(missing)
