"""Which draw of an otherwise equal call a step makes."""

from collections.abc import Iterator

from flowsteer.workflow.nodes import (
    Conditional,
    Loop,
    Node,
    NodeId,
    Parallel,
    Sequence,
    Step,
    Workflow,
    child_sequences,
    steps,
    walk,
)


def numbers(workflow: Workflow) -> dict[NodeId, int]:
    """For each step, how many equal steps (operator, instruction, backend) stand before it.

    Equal steps are separate draws: three `Custom` in parallel are three opinions, not one result three times.
    """
    count: dict[tuple[str, str, str], int] = {}
    draws: dict[NodeId, int] = {}
    for step in steps(workflow.nodes):
        like = (step.operator, step.prompt, step.backend)
        draws[step.id] = count[like] = count.get(like, -1) + 1
    return draws


def repeated(workflow: Workflow) -> frozenset[NodeId]:
    """Steps of branches that go, up to there, as an earlier branch of their parallel: they are given what it is given.

    >>> from flowsteer.workflow.dsl import parse_dsl
    >>> sorted(repeated(parse_dsl("[Custom, Custom -> Format, Programmer] -> Custom")))
    ['node_3']
    """
    return frozenset(_repeated(workflow))


def sample_name(draw: int, at: tuple[int, ...]) -> str:
    """Names a draw: the step's own number, then its iteration if that is not the first.

    A first iteration is named as if there were no loop, so that wrapping steps into one runs nothing twice.
    """
    return f"{draw}@{'.'.join(map(str, at))}" if any(at) else str(draw)


def _repeated(workflow: Workflow) -> Iterator[NodeId]:
    for parallel in walk(workflow.nodes):
        if not isinstance(parallel, Parallel):
            continue
        shapes = [tuple(map(_shape, branch)) for branch in parallel.branches]
        for number, branch in enumerate(parallel.branches):
            same = max((_common(shapes[number], other) for other in shapes[:number]), default=0)
            yield from (step.id for step in steps(branch[:same]))


def _common(one: tuple[object, ...], other: tuple[object, ...]) -> int:
    """How many first elements are the same."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _shape(node: Node) -> object:
    """All of a node but ids."""
    if isinstance(node, Step):
        return node.operator, node.prompt, node.backend
    check = _shape(node.check) if isinstance(node, Conditional) else None
    count = node.count if isinstance(node, Loop) else 0
    inner: list[Sequence] = list(child_sequences(node))
    return type(node).__name__, count, check, tuple(tuple(map(_shape, sequence)) for sequence in inner)
