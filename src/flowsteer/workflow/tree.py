"""Taking the tree apart and putting it together: containers by name, and fresh ids."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from flowsteer.workflow.edits import Container
from flowsteer.workflow.nodes import Conditional, Loop, Node, Parallel, Sequence, Step, Structure, node_id


def inside(node: Node) -> tuple[tuple[Container, Sequence], ...]:
    """A node's containers by name, in drawing order; none for a step."""
    match node:
        case Parallel(id, branches):
            return tuple((f"{id}.{number}", branch) for number, branch in enumerate(branches, 1))
        case Conditional(id, _, if_fail, if_pass):
            return ((f"{id}.true", if_fail), (f"{id}.false", if_pass))
        case Loop(id, body):
            return ((id, body),)
        case Step():
            return ()


def containers(nodes: Sequence) -> dict[Container, Sequence]:
    """Every container of a tree with its children, in reading order, the top level first.

    >>> from flowsteer.workflow import parse_dsl
    >>> list(containers(parse_dsl("[A, B] -> (Verify ? C : done) * 2").nodes))
    ['', 'node_1.1', 'node_1.2', 'node_4', 'node_5.true', 'node_5.false']
    """
    found: dict[Container, Sequence] = {"": nodes}
    _collect(nodes, found)
    return found


def _collect(nodes: Sequence, found: dict[Container, Sequence]) -> None:
    for node in nodes:
        if isinstance(node, Step):
            continue
        for name, inner in inside(node):
            found[name] = inner
            _collect(inner, found)


def with_children(nodes: Sequence, container: Container, children: Sequence) -> Sequence:
    """The tree with other children in one container, tidied where that container became empty.

    An empty loop disappears, an empty branch of a parallel disappears, and a parallel with one branch left
    dissolves into it. An empty branch of a conditional stays: it is `done`.

    Args:
        nodes: The tree.
        container: Name of one of its containers.
        children: What the container is to hold.

    Raises:
        KeyError: If the tree has no such container.
    """
    rebuilt = _rebuilt(nodes, container, children) if container else children
    if rebuilt is None:
        raise KeyError(container)
    return rebuilt


def _rebuilt(nodes: Sequence, container: Container, children: Sequence) -> Sequence | None:
    """The sequence with the change somewhere in it, or None if the container is elsewhere."""
    for index, node in enumerate(nodes):
        if isinstance(node, Step):
            continue
        parts = list(inside(node))
        for place, (name, inner) in enumerate(parts):
            changed = children if name == container else _rebuilt(inner, container, children)
            if changed is not None:
                sequences = tuple(changed if other == place else kept for other, (_, kept) in enumerate(parts))
                return (*nodes[:index], *_tidied(node, sequences), *nodes[index + 1 :])
    return None


def _tidied(node: Node, sequences: tuple[Sequence, ...]) -> Sequence:
    """What stands in place of a structure once it holds these sequences."""
    match node:
        case Parallel(id):
            filled = tuple(branch for branch in sequences if branch)
            return (Parallel(id, filled),) if len(filled) > 1 else filled[0]
        case Conditional(id, check):
            return (Conditional(id, check, *sequences),)
        case Loop(id, _, repeats):
            return (Loop(id, sequences[0], repeats),) if sequences[0] else ()
        case Step():
            return (node,)


def bare(structure: Structure) -> Structure:
    """The structure without the instructions of its steps."""
    match structure:
        case Parallel(id, branches):
            return Parallel(id, tuple(map(_all_bare, branches)))
        case Conditional(id, check, if_fail, if_pass):
            return Conditional(id, replace(check, prompt=""), _all_bare(if_fail), _all_bare(if_pass))
        case Loop(id, body, repeats):
            return Loop(id, _all_bare(body), repeats)


def _all_bare(nodes: Sequence) -> Sequence:
    return tuple([replace(node, prompt="") if isinstance(node, Step) else bare(node) for node in nodes])


def renumbered(nodes: Sequence, first: int) -> tuple[Sequence, int]:
    """The tree with new ids in reading order, and the number after the last one given.

    Args:
        nodes: A tree whose ids do not matter.
        first: Number of the first new id.
    """
    numbers = count(first)
    fresh = tuple(_fresh(node, numbers) for node in nodes)
    return fresh, next(numbers)


def _fresh(node: Node, numbers: Iterator[int]) -> Node:
    new = node_id(next(numbers))
    match node:
        case Step():
            return replace(node, id=new)
        case Parallel(_, branches):
            return Parallel(new, tuple(_all_fresh(branch, numbers) for branch in branches))
        case Conditional(_, check, if_fail, if_pass):
            checked = replace(check, id=node_id(next(numbers)))
            return Conditional(new, checked, _all_fresh(if_fail, numbers), _all_fresh(if_pass, numbers))
        case Loop(_, body, repeats):
            return Loop(new, _all_fresh(body, numbers), repeats)


def _all_fresh(nodes: Sequence, numbers: Iterator[int]) -> Sequence:
    return tuple([_fresh(node, numbers) for node in nodes])
