"""What a workflow consists of, counted on the tree; rules, feedback and reports speak of nothing else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from flowsteer.workflow.laws import depth
from flowsteer.workflow.nodes import Category, Conditional, Loop, Parallel, Step, Workflow, walk


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts of one workflow.

    Attributes:
        steps: Operators, conditions included.
        operators: How often each operator occurs, by name, in reading order.
        categories: How often each category occurs; operators without a known category are left out.
        parallels: Parallel structures.
        conditionals: Conditional structures.
        loops: Loop structures.
        depth: How deep structures nest; 0 without any.
    """

    steps: int
    operators: Mapping[str, int]
    categories: Mapping[Category, int]
    parallels: int
    conditionals: int
    loops: int
    depth: int

    @property
    def structures(self) -> int:
        """Structures of any kind."""
        return self.parallels + self.conditionals + self.loops


def facts(workflow: Workflow, categories: Mapping[str, Category]) -> Facts:
    """Count a workflow.

    Args:
        workflow: The workflow.
        categories: Each operator's category.

    >>> from flowsteer.workflow import parse_dsl
    >>> found = facts(parse_dsl("Plan -> (Review -> Revise) * 3"), {"Plan": "planning", "Review": "verification"})
    >>> found.steps, found.loops, dict(found.categories)
    (3, 1, {'planning': 1, 'verification': 1})
    """
    operators: Counter[str] = Counter()
    found: Counter[Category] = Counter()
    kinds = dict.fromkeys((Step, Parallel, Conditional, Loop), 0)
    for node in walk(workflow.nodes):
        kinds[type(node)] += 1
        if isinstance(node, Step):
            operators[node.operator] += 1
            if node.operator in categories:
                found[categories[node.operator]] += 1
    return Facts(
        steps=kinds[Step],
        operators=operators,
        categories=found,
        parallels=kinds[Parallel],
        conditionals=kinds[Conditional],
        loops=kinds[Loop],
        depth=depth(workflow.nodes),
    )
