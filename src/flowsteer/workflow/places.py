"""Finding what an edit names, or refusing with what it could have named."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flowsteer.workflow.echo import kind, named
from flowsteer.workflow.edits import Container
from flowsteer.workflow.nodes import Conditional, NodeId, Sequence, Step, Workflow, find, steps, walk
from flowsteer.workflow.quoting import quoted
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.tree import containers, inside


class Refused(Exception):
    """Leaves the middle of an edit with a reason and the legal choices."""

    def __init__(self, reason: str, choices: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.choices = tuple(choices)


def children_of(workflow: Workflow, container: Container) -> Sequence:
    """The nodes in a container."""
    known = containers(workflow.nodes)
    if container in known:
        return known[container]
    owner = find(workflow, NodeId(container))
    if isinstance(owner, Step):
        raise Refused(f"{named(owner)} is a step and holds nothing", _names(known))
    if owner is not None:
        raise Refused(f"{owner.id} is a {kind(owner)}; name one of its branches", (name for name, _ in inside(owner)))
    raise Refused(f"there is no container {quoted(container)}", _names(known))


def place_of(workflow: Workflow, target: NodeId) -> tuple[Container, Sequence, int]:
    """Where a node that is not a check stands: its container, the nodes there, and its index."""
    for container, siblings in containers(workflow.nodes).items():
        for index, node in enumerate(siblings):
            if node.id == target:
                return container, siblings, index
    raise Refused(_unknown(target), all_ids(workflow))


@dataclass(frozen=True, slots=True)
class Siblings:
    """Siblings that stand next to each other in one container."""

    container: Container
    before: Sequence
    nodes: Sequence
    after: Sequence


def run_of(workflow: Workflow, targets: tuple[NodeId, ...]) -> Siblings:
    """The siblings with these ids, which must stand next to each other in this order; checks are no siblings."""
    if not targets:
        raise Refused("name the nodes to wrap", all_ids(workflow))
    known = all_ids(workflow)
    for target in targets:
        if target not in known:
            raise Refused(_unknown(target), known)
        require_not_check(workflow, target)
    container, siblings, first = place_of(workflow, targets[0])
    last = first + len(targets)
    if tuple(node.id for node in siblings[first:last]) != targets:
        reason = f"{', '.join(targets)} do not stand next to each other, in this order, in one place"
        raise Refused(reason, _orders(workflow))
    return Siblings(container, siblings[:first], siblings[first:last], siblings[last:])


def step_at(workflow: Workflow, target: NodeId) -> tuple[Step, Conditional | None]:
    """The step with this id, and the conditional whose check it is, if it is one."""
    node = find(workflow, target)
    if isinstance(node, Step):
        return node, _conditional_of(workflow, target)
    ids = [step.id for step in steps(workflow.nodes)]
    if node is None:
        raise Refused(_unknown(target), ids)
    raise Refused(f"{node.id} is a {kind(node)}, not a step", ids)


def require_operator(name: str, rules: Rules) -> None:
    """Refuse an unknown operator."""
    if name not in rules.categories:
        raise Refused(f"there is no operator {quoted(name)}", rules.categories)


def require_backend(name: str, rules: Rules) -> None:
    """Refuse a backend that is not on the roster; none named is the run's executor."""
    if name and name not in rules.backends:
        raise Refused(f"there is no backend {quoted(name)}", rules.backends or ("no <backend>: the run's executor",))


def require_check(name: str, rules: Rules) -> None:
    """Refuse an operator that cannot be a condition."""
    legal = rules.of("verification")
    if name not in rules.categories:
        raise Refused(f"there is no operator {quoted(name)}", legal)
    if name not in legal:
        raise Refused(f"{name} cannot be a check; checks are of the verification category", legal)


def require_branch(if_fail: Collection[object], if_pass: Collection[object], choices: Iterable[str]) -> None:
    """Refuse to make a conditional that would do the same whatever its check finds."""
    if not if_fail and not if_pass:
        raise Refused("a conditional needs a node in at least one of its branches", choices)


def require_not_check(workflow: Workflow, target: NodeId) -> None:
    """Refuse a conditional's check where a node of its own is meant."""
    conditional = _conditional_of(workflow, target)
    if conditional is not None:
        reason = f"{target} is the check of {conditional.id} and stays with it; name the conditional {conditional.id}"
        raise Refused(reason, (conditional.id,))


def all_ids(workflow: Workflow) -> list[str]:
    """Ids of all nodes, in reading order."""
    return [node.id for node in walk(workflow.nodes)]


def _orders(workflow: Workflow) -> list[str]:
    """The siblings of each container that holds at least two, in order."""
    runs = containers(workflow.nodes).values()
    return [", ".join(node.id for node in siblings) for siblings in runs if len(siblings) > 1]


def _names(known: Iterable[Container]) -> list[str]:
    return [name or "the top level (no target)" for name in known]


def _unknown(target: NodeId) -> str:
    return f"there is no node {quoted(target)}" if target else "no node is named"


def _conditional_of(workflow: Workflow, target: NodeId) -> Conditional | None:
    """The conditional whose check has this id."""
    conditionals = (node for node in walk(workflow.nodes) if isinstance(node, Conditional))
    return next((node for node in conditionals if node.check.id == target), None)
