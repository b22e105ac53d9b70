"""An edit in words: what was understood, and what it led to (spec §3: what was understood is what is echoed back)."""

from collections.abc import Iterator

from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.edits import Container
from flowsteer.workflow.nodes import Conditional, Loop, Node, Parallel, Sequence, Step, walk
from flowsteer.workflow.tree import inside


def kind(node: Node) -> str:
    """`parallel`, `conditional` or `loop`; a step's operator."""
    return node.operator if isinstance(node, Step) else type(node).__name__.lower()


def named(node: Node) -> str:
    """A node by id and kind, a structure with its DSL."""
    return f"{node.id} {kind(node)}" if isinstance(node, Step) else f"{node.id} {kind(node)} {to_dsl((node,))}"


def placed(container: Container, position: int | None) -> str:
    """A place in words; no position is the end, which is the usual place and said in one word less."""
    where = f" of {container}" if container else ""
    return f"at the end{where}" if position is None else f"at position {position}{where}"


def extras(step: Step) -> str:
    """Instruction and backend of a step, if it has any; the instruction by its length."""
    instruction = f", with an instruction of {len(step.prompt)} characters" if step.prompt else ""
    return instruction + (f", on backend {step.backend}" if step.backend else "")


def meaning(node: Node) -> str:
    """What a new structure does, with the ids of what is in it."""
    match node:
        case Parallel(_, branches):
            return "branches that run at once: " + " | ".join(_listed(branch) for branch in branches)
        case Conditional(_, check, if_fail, if_pass):
            return f"if {named(check)} FAILS: {_listed(if_fail)}; if it passes: {_listed(if_pass)}"
        case Loop(_, body, count):
            return f"at most {count} times, until a check in it passes: {_listed(body)}"
        case Step():
            return named(node)


def _listed(nodes: Sequence) -> str:
    return ", ".join(f"{node.id} {kind(node)}" for node in walk(nodes)) or "done"


def aftermath(before: Sequence, after: Sequence, deleted: Node) -> Iterator[str]:
    """What emptying a container changed beyond the deleted node: dissolved, vanished and emptied structures."""
    left = {node.id: node for node in walk(after)}
    removed = {node.id for node in walk((deleted,))}
    for old in walk(before):
        if old.id in removed:
            continue
        match old, left.get(old.id):
            case Parallel(id), None:
                yield f"parallel {id} had one branch left and dissolved into it"
            case Loop(id), None:
                yield f"loop {id} became empty and disappeared"
            case Parallel(id, branches), Parallel(_, remaining) if len(remaining) < len(branches):
                yield f"parallel {id} has {len(remaining)} branches left, numbered anew"
            case Conditional() as old_choice, Conditional() as choice:
                for (name, was), (_, now) in zip(inside(old_choice), inside(choice), strict=True):
                    if was and not now:
                        yield f"{name} is now done"
