"""Short commands: the action language as a person types it, one line an action. XML is understood too."""

import re

from flowsteer.director.parse import parse_action
from flowsteer.errors import ActionError, DSLError
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.edits import Action, AddStep, AddStructure, Delete, Finish, Modify, SetPrompt
from flowsteer.workflow.nodes import NodeId, Step

HELP = """\
add Plan                    add a step; also: add Plan at 0, add Plan in node_3.true, add Plan in node_3 at 0
add [Plan -> Custom, Plan]  add branches that run at once
add (Review -> Revise) * 2  add a loop; it ends early once a check in it passes
add Verify ? Revise : done  add a conditional; the first branch runs if the check FAILS
delete node_3               delete a node with everything inside it
modify node_2 Custom        change a step's operator
prompt node_2 TEXT          change a step's instruction
finish                      declare the workflow done
help                        show this again
An action in XML, such as <action>delete</action><target>node_3</target>, works as well."""
"""What can be typed."""

_FORMS = {"delete": "delete node_3", "modify": "modify node_2 Custom", "prompt": "prompt node_2 TEXT"}

_ADD = re.compile(r"(?P<dsl>.*?)(?:\s+in\s+(?P<container>\S+))?(?:\s+at\s+(?P<position>[0-9]{1,9}))?", re.DOTALL)


def parse_command(line: str) -> Action:
    """The action that a line asks for.

    >>> parse_command("add Plan in node_3 at 0")
    AddStep(operator='Plan', prompt='', backend='', position=0, container='node_3')

    Raises:
        ActionError: If it is neither a command nor an action in XML.
    """
    text = line.strip()
    if text.startswith("<"):
        return parse_action(text)
    verb, _, rest = text.partition(" ")
    rest = rest.strip()
    target, _, tail = rest.partition(" ")
    match verb:
        case "add":
            return _add(rest)
        case "delete" if target and not tail:
            return Delete(NodeId(target))
        case "modify" if target and tail.strip():
            return Modify(NodeId(target), tail.strip())
        case "prompt" if target and tail.strip():
            return SetPrompt(NodeId(target), tail.strip())
        case "finish":
            return Finish(rest)
        case _ if verb in _FORMS:
            raise ActionError(f"{verb} does not read: {text!r}", f"type it like this: {_FORMS[verb]}")
    raise ActionError(f"unknown command {verb!r}" if verb else "nothing was typed", "type help to see the commands")


def _add(rest: str) -> Action:
    match = _ADD.fullmatch(rest)
    assert match is not None  # noqa: S101 - every part may be empty
    position = None if match["position"] is None else int(match["position"])
    container = match["container"] or ""
    try:
        nodes = parse_dsl(match["dsl"]).nodes
    except DSLError as error:
        raise ActionError(error.message, error.hint) from error
    if len(nodes) != 1:
        raise ActionError(f"an add takes one step or one structure, found {len(nodes)}", "add them one after another")
    (node,) = nodes
    if isinstance(node, Step):
        return AddStep(node.operator, position=position, container=container)
    return AddStructure(node, position, container)
