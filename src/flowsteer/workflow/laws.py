"""What every workflow must satisfy, whatever the operators and the rules of a canvas: the laws of spec §2."""

import re

from flowsteer.workflow.nodes import MAX_LOOP, Conditional, Loop, Node, Parallel, Sequence, Step, child_sequences, walk
from flowsteer.workflow.quoting import quoted

MAX_DEPTH = 32
"""Structures nest at most this deep: far more than any useful workflow, far less than Python's stack."""

DONE = "done"
"""The word for a conditional's empty branch; no operator may be called so."""

NAME = r"[^\W\d]\w*"
"""Pattern of an operator's name: letters, digits and underscores, not starting with a digit."""

_IS_NAME = re.compile(NAME).fullmatch


def is_name(text: str) -> bool:
    """Whether an operator may have this name.

    >>> is_name("ScEnsemble"), is_name("done"), is_name("my op")
    (True, False, False)
    """
    return text != DONE and _IS_NAME(text) is not None


def is_backend(text: str) -> bool:
    """Whether a step may name a backend so: it is not empty and can be written in quotes.

    >>> is_backend("big"), is_backend("openai:gpt-5-mini"), is_backend('a"b')
    (True, True, False)
    """
    return bool(text) and not set(text) & set('"\r\n')


def depth(nodes: Sequence) -> int:
    """How deep structures nest: 0 for steps alone, 1 for a structure of steps, and so on."""
    levels = 0
    level = nodes
    while structures := [node for node in level if not isinstance(node, Step)]:
        levels += 1
        level = tuple(child for node in structures for inner in child_sequences(node) for child in inner)
    return levels


def faults(nodes: Sequence) -> tuple[str, ...]:
    """The laws a tree breaks, in words; none for a well-formed one. Ids are not looked at."""
    levels = depth(nodes)
    if levels > MAX_DEPTH:
        return (f"structures nest {levels} deep; at most {MAX_DEPTH}",)
    return tuple(fault for node in walk(nodes) if (fault := _fault(node)))


def _fault(node: Node) -> str:
    at = f"{node.id}: " if node.id else ""
    match node:
        case Step(_, operator) if not is_name(operator):
            return f"{at}{quoted(operator)} cannot be an operator's name"
        case Step(_, _, _, backend) if backend and not is_backend(backend):
            return f"{at}{quoted(backend)} cannot be a backend's name: it holds a quotation mark or a line break"
        case Parallel(_, branches) if len(branches) < 2 or not all(branches):
            return f"{at}a parallel needs at least two branches, none of them empty"
        case Loop(_, body, count) if not body or not is_count(count):
            return f"{at}a loop needs a body that is not empty and a count from 1 to {MAX_LOOP}"
        case Conditional(_, check) if not isinstance(check, Step):
            return f"{at}the check of a conditional must be one step"
    return ""


def is_count(value: object) -> bool:
    """Whether a loop may repeat this often."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_LOOP
