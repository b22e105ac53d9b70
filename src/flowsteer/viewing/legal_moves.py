"""The edits that the rules allow now, for a person who picks one by click."""

from collections.abc import Callable, Iterator

from flowsteer.canvas.director import Observation
from flowsteer.director.render import render_action
from flowsteer.viewing.seat_records import LegalMove, MoveField
from flowsteer.workflow.apply import Rejected, apply
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.echo import named
from flowsteer.workflow.edits import (
    AddStep,
    AddStructure,
    Delete,
    Edit,
    Finish,
    Modify,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.laws import DONE
from flowsteer.workflow.nodes import MAX_LOOP, Conditional, Loop, NodeId, Parallel, Step, find, node_id, steps, walk
from flowsteer.workflow.tree import containers

WIDEST = 4
"""Most neighbours that are offered to be wrapped at once."""

COUNTS = tuple(map(str, range(2, MAX_LOOP + 1)))

Is = Callable[[Edit], bool]


def legal_moves(observation: Observation) -> tuple[LegalMove, ...]:
    """The legal moves of a turn; each was tried on the workflow, with the first of its choices.

    Args:
        observation: What the Director sees.
    """
    if (asked := observation.asks_prompt) is not None:
        node = find(observation.workflow, asked)
        label = f"Give {named(node) if node else asked} its instruction"
        return (_move("instruction", label, "<prompt>{prompt}</prompt>", asked, prompt=None),)

    def legal(edit: Edit) -> bool:
        return not isinstance(apply(observation.workflow, edit, observation.rules), Rejected)

    found = (*_adds(observation, legal), *_wraps(observation, legal), *_changes(observation, legal))
    if observation.unmet:
        return found
    return (*found, _move("finish", "Finish", render_action(Finish()), None))


def _adds(observation: Observation, legal: Is) -> Iterator[LegalMove]:
    """Steps in every container, and structures at the end of the workflow."""
    names = tuple(observation.rules.categories)
    for container, children in containers(observation.workflow.nodes).items():
        here = tuple(name for name in names if legal(AddStep(name, position=len(children), container=container)))
        if here:
            where = f"in {container}" if container else "to the workflow"
            target = f"<target>{container}</target>" if container else ""
            text = f"<action>add</action><operator>{{operator}}</operator>{target}<position>{{position}}</position>"
            places = tuple(str(place) for place in range(len(children), -1, -1))
            node = container.partition(".")[0] or None
            yield _move("add", f"Add a step {where}", text, node, operator=here, position=places)
    checks = observation.rules.of("verification")
    first, second, third = node_id(1), node_id(2), node_id(3)
    step = Step(second, names[0])
    if legal(AddStructure(Parallel(first, ((step,), (Step(third, names[0]),))))):
        text = "<action>add</action><structure>parallel</structure><operators>{first}, {second}</operators>"
        yield _move("parallel", "Add branches that run at once", text, None, first=names, second=names)
    if checks and legal(AddStructure(Conditional(first, Step(third, checks[0]), (step,)))):
        text = "<action>add</action><structure>conditional</structure><condition>{check}</condition>"
        text += "<true>{if_fails}</true><false>{if_passes}</false>"
        done = (DONE, *names)
        yield _move("conditional", "Add a check", text, None, check=checks, if_fails=names, if_passes=done)
    if legal(AddStructure(Loop(first, (step,), 2))):
        text = "<action>add</action><structure>loop</structure><operators>{body}</operators><count>{count}</count>"
        yield _move("loop", "Add a loop", text, None, body=names, count=COUNTS)


def _wraps(observation: Observation, legal: Is) -> Iterator[LegalMove]:
    """Neighbours that become branches, a loop, or a check with what hangs on it."""
    for children in containers(observation.workflow.nodes).values():
        ids = [node.id for node in children]
        for start in range(len(ids)):
            for end in range(start + 1, min(len(ids), start + WIDEST) + 1):
                run = tuple(ids[start:end])
                said = to_dsl(children[start:end])
                if len(run) > 1 and legal(WrapParallel(run)):
                    yield _move("parallel", f"Run at once: {said}", render_action(WrapParallel(run)), run[0])
                if len(run) > 1 and legal(WrapConditional(run[0], run[1:])):
                    text = render_action(WrapConditional(run[0], run[1:]))
                    yield _move("conditional", f"Make the first the check: {said}", text, run[0])
                if legal(WrapLoop(run, 2)):
                    text = f"<action>set_structure</action><structure>loop</structure><target>{','.join(run)}</target>"
                    yield _move("loop", f"Repeat: {said}", f"{text}<count>{{count}}</count>", run[0], count=COUNTS)


def _changes(observation: Observation, legal: Is) -> Iterator[LegalMove]:
    """What can be done with what is there."""
    for node in walk(observation.workflow.nodes):
        if legal(Delete(node.id)):
            yield _move("delete", f"Delete {named(node)}", render_action(Delete(node.id)), node.id)
    for step in steps(observation.workflow.nodes):
        names = tuple(
            name for name in observation.rules.categories if name != step.operator and legal(Modify(step.id, name))
        )
        target = f"<target>{step.id}</target>"
        if names:
            text = f"<action>modify</action>{target}<operator>{{operator}}</operator>"
            yield _move("modify", f"Change {named(step)}", text, step.id, operator=names)
        text = f"<action>set_prompt</action>{target}<prompt>{{prompt}}</prompt>"
        yield _move("instruction", f"Instruct {named(step)}", text, step.id, prompt=None)


def _move(kind: str, label: str, text: str, node: NodeId | str | None, **fields: tuple[str, ...] | None) -> LegalMove:
    asked = tuple(MoveField(name, choices) for name, choices in fields.items())
    return LegalMove(kind, label, text, node, asked)  # type: ignore[arg-type]
