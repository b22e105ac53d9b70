"""A workflow as arrows between its steps: the paths a draft can take, as the executor takes them (spec §2)."""

from collections.abc import Iterable
from dataclasses import dataclass

from flowsteer.workflow.nodes import Conditional, Loop, Node, Parallel, Sequence, Step, Workflow

START = "task"
"""Where every path begins."""

END = "answer"
"""Where every path ends."""

WHEN_FAILED = "if it fails"
OTHERWISE = "else"


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow.

    Attributes:
        source: Id of a step, or `START`.
        target: Id of a step, or `END`.
        label: When the path is taken; empty for always.
        back: Whether it leads back to the head of a loop.
    """

    source: str
    target: str
    label: str = ""
    back: bool = False


@dataclass(frozen=True, slots=True)
class _Exit:
    """The open end of a path: its next arrow starts here."""

    source: str
    label: str = ""


def edges(workflow: Workflow) -> tuple[Edge, ...]:
    """All arrows of a workflow, in reading order.

    A check of a conditional that passes inside a loop leads, through its branch, out of that loop: the rest of the body
    is skipped. Checks outside of conditionals end a loop too; of them the label of the loop's back arrow speaks.

    >>> from flowsteer.workflow import parse_dsl
    >>> [(edge.source, edge.target, edge.label) for edge in edges(parse_dsl("Verify ? Revise : done"))]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('task', 'node_2', ''), ('node_2', 'node_3', 'if it fails'), ('node_3', 'answer', ''),
     ('node_2', 'answer', 'else')]
    """
    flow = _Flow()
    flow.connect(flow.sequence(workflow.nodes, [_Exit(START)], None), END)
    return tuple(flow.edges)


class _Flow:
    """Collects arrows; `leaving` gathers the paths out of the loop around, and is None outside of loops."""

    def __init__(self) -> None:
        self.edges: list[Edge] = []

    def connect(self, exits: Iterable[_Exit], target: str) -> None:
        self.edges += [Edge(end.source, target, end.label) for end in exits]

    def sequence(self, nodes: Sequence, exits: list[_Exit], leaving: list[_Exit] | None) -> list[_Exit]:
        for node in nodes:
            exits = self.node(node, exits, leaving)
        return exits

    def node(self, node: Node, exits: list[_Exit], leaving: list[_Exit] | None) -> list[_Exit]:
        match node:
            case Step(id):
                self.connect(exits, id)
                return [_Exit(id)]
            case Parallel(_, branches):
                return [end for branch in branches for end in self.sequence(branch, exits, None)]
            case Conditional():
                return self.conditional(node, exits, leaving)
            case Loop():
                return self.loop(node, exits)

    def conditional(self, node: Conditional, exits: list[_Exit], leaving: list[_Exit] | None) -> list[_Exit]:
        self.connect(exits, node.check.id)
        failed = self.sequence(node.if_fail, [_Exit(node.check.id, WHEN_FAILED)], leaving)
        passed = self.sequence(node.if_pass, [_Exit(node.check.id, OTHERWISE)], leaving)
        if leaving is None:
            return failed + passed
        leaving += passed
        return failed

    def loop(self, node: Loop, exits: list[_Exit]) -> list[_Exit]:
        leaving: list[_Exit] = []
        ends = self.sequence(node.body, exits, leaving)
        if node.count == 1:
            return ends + leaving
        again = f"again, at most {node.count} times in all, until a check passes"
        for end in ends:
            label = f"{end.label}: {again}" if end.label else again
            self.edges += [Edge(end.source, head, label, back=True) for head in _heads(node.body)]
        return ends + leaving


def _heads(nodes: Sequence) -> list[str]:
    """The steps a sequence begins with."""
    match nodes[0]:
        case Step(id):
            return [id]
        case Parallel(_, branches):
            return [head for branch in branches for head in _heads(branch)]
        case Conditional(_, check):
            return [check.id]
        case Loop(_, body):
            return _heads(body)
