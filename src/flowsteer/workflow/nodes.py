"""A workflow is an immutable tree of small frozen records (spec §2).

Everything else (DSL, JSON, drawing, rules, execution, reward, export) is a function of this one tree, so
the graph drawn is the graph executed is the graph rewarded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NewType

NodeId = NewType("NodeId", str)
"""`node_1`, `node_2`, …: unique in a workflow, rising, never reused after a delete. Structures have ids too."""

Category = Literal["planning", "solving", "verification", "revision", "ensemble", "formatting"]
CATEGORIES: tuple[Category, ...] = ("planning", "solving", "verification", "revision", "ensemble", "formatting")

MAX_LOOP = 10
"""A loop's body repeats at most this often (spec §2)."""


def node_id(number: int) -> NodeId:
    """The id with this number."""
    return NodeId(f"node_{number}")


@dataclass(frozen=True, slots=True)
class Step:
    """One operator with its instruction.

    Attributes:
        id: The node's id.
        operator: Name of a registered operator.
        prompt: The Director's instruction; empty for the operator's own.
        backend: Backend spec of this very node; empty for the run's executor.
    """

    id: NodeId
    operator: str
    prompt: str = ""
    backend: str = ""


@dataclass(frozen=True, slots=True)
class Parallel:
    """Branches that run at once on the same input; at least two, none empty."""

    id: NodeId
    branches: tuple["Sequence", ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """A check and two branches: `if_fail` runs when the check FAILS (finds a fault), else `if_pass`.

    An empty branch is `done`: the draft passes on unchanged. A check that errors runs neither branch.
    """

    id: NodeId
    check: Step
    if_fail: "Sequence"
    if_pass: "Sequence" = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """A non-empty body that repeats at most `count` times (1..10) and stops as soon as a check in it passes."""

    id: NodeId
    body: "Sequence"
    count: int


Node = Step | Parallel | Conditional | Loop
Structure = Parallel | Conditional | Loop
Sequence = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Workflow:
    """An immutable tree of steps and structures.

    Attributes:
        nodes: The sequence at the top.
        next_number: Number in the id of the next new node, so that ids are never used again.
    """

    nodes: Sequence = ()
    next_number: int = 1


def child_sequences(node: Node) -> tuple[Sequence, ...]:
    """The sequences directly inside a node, in drawing order; none for a step.

    A conditional's check is not one of them: it is a part of the conditional, with an id of its own.
    """
    match node:
        case Parallel():
            return node.branches
        case Conditional():
            return (node.if_fail, node.if_pass)
        case Loop():
            return (node.body,)
        case Step():
            return ()


def walk(nodes: Sequence) -> Iterator[Node]:
    """All nodes in reading order, a structure before its contents, a conditional's check first among them."""
    for node in nodes:
        yield node
        if isinstance(node, Step):
            continue
        if isinstance(node, Conditional):
            yield node.check
        for sequence in child_sequences(node):
            yield from walk(sequence)


def steps(nodes: Sequence) -> Iterator[Step]:
    """All steps in reading order, conditions included."""
    return (node for node in walk(nodes) if isinstance(node, Step))


def find(workflow: Workflow, target: NodeId) -> Node | None:
    """The node with this id, or None."""
    return next((node for node in walk(workflow.nodes) if node.id == target), None)
