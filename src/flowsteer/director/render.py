"""From an action to its canonical text: the inverse of `parse_action`."""

from flowsteer.errors import ActionError
from flowsteer.workflow.dsl import step_dsl, to_dsl
from flowsteer.workflow.edits import (
    Action,
    AddStep,
    AddStructure,
    Delete,
    Finish,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.laws import DONE
from flowsteer.workflow.nodes import Conditional, Loop, NodeId, Parallel, Sequence, Structure, steps

Tags = dict[str, str]


def render_action(action: Action) -> str:
    """The action in the action language; `parse_action` reads it back.

    >>> render_action(Modify(NodeId("node_2"), "Custom"))
    '<action>modify</action><target>node_2</target><operator>Custom</operator>'

    Raises:
        ActionError: If the language cannot say it: free text that holds its own closing tag, or a structure whose
            steps carry instructions.
    """
    return "".join(f"<{tag}>{_checked(tag, content)}</{tag}>" for tag, content in _tags(action).items())


def _checked(tag: str, content: str) -> str:
    if f"</{tag}>" in content:
        raise ActionError(f"the text of <{tag}> holds </{tag}>, which the action language cannot carry")
    return content


def _tags(action: Action) -> Tags:
    match action:
        case AddStep():
            tags = {"action": "add", "operator": action.operator}
            tags |= {"prompt": action.prompt} if action.prompt else {}
            tags |= _place(action)
            return tags | ({"backend": action.backend} if action.backend else {})
        case AddStructure():
            return {"action": "add"} | _structure(action.structure) | _place(action)
        case WrapParallel(targets):
            return {"action": "set_structure", "structure": "parallel", "target": ",".join(targets)}
        case WrapLoop(targets, count):
            return {"action": "set_structure", "structure": "loop", "target": ",".join(targets), "count": str(count)}
        case WrapConditional(check, if_fail, if_pass):
            branches = {"condition": check, "true": _ids(if_fail), "false": _ids(if_pass)}
            return {"action": "set_structure", "structure": "conditional"} | branches
        case Delete(target):
            return {"action": "delete", "target": target}
        case Modify(target, operator):
            return {"action": "modify", "target": target, "operator": operator}
        case SetPrompt(target, prompt):
            return {"action": "set_prompt", "target": target, "prompt": prompt}
        case Finish(answer):
            return {"action": "finish"} | ({"answer": answer} if answer else {})


def _place(action: AddStep | AddStructure) -> Tags:
    tags = {"target": action.container} if action.container else {}
    return tags if action.position is None else tags | {"position": str(action.position)}


def _structure(structure: Structure) -> Tags:
    if any(step.prompt for step in steps((structure,))):
        raise ActionError(
            "an add of a structure cannot carry the instructions of its steps",
            "add the structure first, then use set_prompt on its steps",
        )
    match structure:
        case Parallel(_, branches):
            return {"structure": "parallel", "operators": ", ".join(map(to_dsl, branches))}
        case Conditional(_, check, if_fail, if_pass):
            branches_ = {"true": _branch(if_fail), "false": _branch(if_pass)}
            return {"structure": "conditional", "condition": step_dsl(check)} | branches_
        case Loop(_, body, count):
            return {"structure": "loop", "operators": to_dsl(body), "count": str(count)}


def _branch(branch: Sequence) -> str:
    return to_dsl(branch) if branch else DONE


def _ids(ids: tuple[NodeId, ...]) -> str:
    return ",".join(ids) or DONE
