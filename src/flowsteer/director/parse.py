"""From a Director's reply to one action: total on any text, and nothing is repaired (spec §3).

A reply is optional thinking (`<think>…</think>` and its like, `spoken.py`) and then the tags of one action, in any
order, with nothing but white space between and after them; a code fence around them and an end-of-turn token are not
looked at. `<prompt>` and `<answer>` hold free text, taken word for word up to their closing tag; the other contents are
trimmed and hold no `<`.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar, cast

from flowsteer.canvas.director import PromptText
from flowsteer.director.forms import ACTIONS, FORMS, FREE, WORDS, Kind, shape, structures
from flowsteer.director.lenient import rewritten, rewritten_prompt
from flowsteer.director.reply_ends import without_fence
from flowsteer.director.spoken import behind_thinking, without_thoughts
from flowsteer.errors import ActionError, DSLError
from flowsteer.workflow.dsl import parse_dsl, parse_list
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
from flowsteer.workflow.laws import DONE, faults
from flowsteer.workflow.nodes import Conditional, Loop, NodeId, Parallel, Sequence, Step, Structure
from flowsteer.workflow.quoting import quoted
from flowsteer.workflow.tree import renumbered

THINKING = ("think", "reasoning")
"""Tags of thinking in the action language. A tiny policy's vocabulary has them: one more makes it another policy."""

_OPEN = re.compile(r"<([A-Za-z_]+)>")
_NUMBER = re.compile(r"[0-9]{1,9}")

Fields = Mapping[str, str]
Part = TypeVar("Part")


def parse_action(text: str) -> Action:
    """The one action in a reply.

    >>> parse_action("<think>A plan first.</think><action>add</action><operator>Plan</operator>")
    AddStep(operator='Plan', prompt='', backend='', position=None, container='')

    Args:
        text: What the Director said.

    Returns:
        The action. Whether the canvas accepts it is another matter.

    Raises:
        ActionError: If the reply is not exactly one well-formed action; it says why, and `hint` which forms are legal.
    """
    fields = _read_tags(without_fence(_after_thinking(text)))
    kind = _kind(fields)
    _check_tags(kind, fields)
    return _BUILDERS[kind](fields)


def parse_prompt_reply(text: str) -> PromptText:
    """The reply to a prompt request: the content of `<prompt>` or, without the tag, the text after the thinking.

    Raises:
        ActionError: If there is no text, `<prompt>` is not closed or occurs twice, or the reply is an action without a
            `<prompt>`.
    """
    rest = _after_thinking(text)
    opened = rest.count("<prompt>")
    if opened > 1:
        raise ActionError("the reply has more than one <prompt>", "reply with <prompt>TEXT</prompt>")
    if opened:
        _, _, inner = rest.partition("<prompt>")
        content, closed, _ = inner.partition("</prompt>")
        if not closed:
            raise _unclosed("prompt")
        return PromptText(content)
    if "<action>" in rest:
        raise ActionError(
            "the canvas asked for an instruction and got an action without a <prompt>",
            "reply with <prompt>TEXT</prompt>",
        )
    if not rest.strip():
        raise ActionError("the reply is empty", "reply with <prompt>TEXT</prompt>")
    return PromptText(rest.strip())


def understood(text: str, asks_prompt: bool) -> Action | PromptText | ActionError:
    """What a reply says: what was asked for, or why it is none. Nothing is repaired.

    Args:
        text: What the Director said.
        asks_prompt: Whether the canvas asked for an instruction, in two-step mode.
    """
    try:
        return parse_prompt_reply(text) if asks_prompt else _parsed(text)
    except ActionError as error:
        return error


def understood_in(
    lenient: bool, text: str, asks_prompt: bool
) -> tuple[Action | PromptText | ActionError, tuple[str, ...]]:
    """What a reply says in one of the dialects, and what was repaired in it.

    Only the lenient one repairs, and only what is in no form: an instruction may speak of tags. Of thinking that is not
    closed it hears what stands in it.

    Args:
        lenient: Whether it is the lenient dialect.
        text: What the Director said.
        asks_prompt: Whether the canvas asked for an instruction, in two-step mode.
    """
    said = understood(text, asks_prompt)
    if not lenient or not (asks_prompt or isinstance(said, ActionError)):
        return said, ()
    behind = behind_thinking(text)
    words = without_fence(without_thoughts(text if behind.unclosed else behind.text))
    reply = rewritten_prompt(words) if asks_prompt else rewritten(words)
    return (said, ()) if reply is None else (understood(reply.text, asks_prompt), reply.repairs)


_parsed = lru_cache(maxsize=1024)(parse_action)
"""Directors say the same things again and again; actions never change. What is none is parsed anew."""


def _after_thinking(text: str) -> str:
    """The reply without the thinking in front of it."""
    behind = behind_thinking(text)
    if behind.unclosed:
        raise _unclosed(behind.unclosed)
    return behind.text


def _read_tags(text: str) -> dict[str, str]:
    """Tag contents by tag name."""
    if not text:
        raise ActionError("the reply holds no action", _hint())
    fields: dict[str, str] = {}
    rest = text
    while rest:
        opened = _OPEN.match(rest)
        if opened is None:
            raise _prose(rest, after=bool(fields))
        tag = opened[1]
        if tag not in WORDS:
            raise ActionError(
                f"unknown tag {quoted(f'<{tag}>')}", f"the tags are {', '.join(f'<{name}>' for name in WORDS)}"
            )
        content, closed, after = rest[opened.end() :].partition(f"</{tag}>")
        if not closed:
            raise _unclosed(tag)
        if tag in fields:
            raise _twice(tag)
        fields[tag] = content if tag in FREE else _plain(tag, content)
        rest = after.lstrip()
    return fields


def _plain(tag: str, content: str) -> str:
    value = content.strip()
    if not value:
        raise ActionError(f"<{tag}> is empty", "leave the tag out or fill it")
    if "<" in value:
        raise ActionError(f"<{tag}> holds another tag: {quoted(value)}", f"close it first: </{tag}>")
    return value


def _kind(fields: Fields) -> Kind:
    action = fields.get("action")
    if action is None:
        raise ActionError("the reply has no <action>", _hint())
    if action not in ACTIONS:
        raise ActionError(f"unknown action {quoted(action)}", _hint())
    structure = fields.get("structure", "")
    legal = structures(action)
    if structure in legal:
        return action, structure
    if not any(legal):
        raise ActionError(f"<structure> does not belong to the action {action}", shape((action, "")))
    choices = ", ".join(name for name in legal if name)
    found = f"unknown structure {quoted(structure)}" if structure else f"the action {action} needs a <structure>"
    raise ActionError(f"{found}; expected one of {choices}", _hint(action))


def _check_tags(kind: Kind, fields: Fields) -> None:
    form = FORMS[kind]
    name = " ".join(filter(None, kind))
    missing = [f"<{tag}>" for tag in form.required if tag not in fields]
    if missing:
        raise ActionError(f"{name} needs {' and '.join(missing)}", shape(kind))
    known = {"action", "structure", *form.required, *form.optional}
    foreign = [f"<{tag}>" for tag in fields if tag not in known]
    if foreign:
        raise ActionError(f"{', '.join(foreign)} does not belong to {name}", shape(kind))


def _add_step(fields: Fields) -> Action:
    return AddStep(
        fields["operator"],
        fields.get("prompt", ""),
        fields.get("backend", ""),
        _position(fields),
        fields.get("target", ""),
    )


def _add_structure(fields: Fields) -> Action:
    return AddStructure(_structure(fields), _position(fields), fields.get("target", ""))


def _wrap_conditional(fields: Fields) -> Action:
    return WrapConditional(
        NodeId(fields["condition"]), _ids(fields["true"], "true"), _ids(fields.get("false", DONE), "false")
    )


_BUILDERS: Mapping[Kind, Callable[[Fields], Action]] = {
    ("add", ""): _add_step,
    ("add", "parallel"): _add_structure,
    ("add", "conditional"): _add_structure,
    ("add", "loop"): _add_structure,
    ("set_structure", "parallel"): lambda fields: WrapParallel(_ids(fields["target"], "target")),
    ("set_structure", "conditional"): _wrap_conditional,
    ("set_structure", "loop"): lambda fields: WrapLoop(_ids(fields["target"], "target"), _number(fields, "count")),
    ("delete", ""): lambda fields: Delete(NodeId(fields["target"])),
    ("modify", ""): lambda fields: Modify(NodeId(fields["target"]), fields["operator"]),
    ("set_prompt", ""): lambda fields: SetPrompt(NodeId(fields["target"]), fields["prompt"]),
    ("finish", ""): lambda fields: Finish(fields.get("answer", "")),
}


def _structure(fields: Fields) -> Structure:
    """The structure an add describes, put together from its parts."""
    unset = NodeId("")
    structure: Structure
    match fields["structure"]:
        case "parallel":
            structure = Parallel(unset, _read(parse_list, fields, "operators"))
        case "loop":
            parts = _read(parse_list, fields, "operators")
            structure = Loop(unset, tuple(node for part in parts for node in part), _number(fields, "count"))
        case _:
            structure = Conditional(unset, _check(fields), _branch(fields, "true"), _branch(fields, "false"))
    broken = faults((structure,))
    if broken:
        raise ActionError(
            f"this makes no {fields['structure']}: {'; '.join(broken)}", shape(("add", fields["structure"]))
        )
    (numbered,), _ = renumbered((structure,), 1)
    return cast("Structure", numbered)


def _check(fields: Fields) -> Step:
    match _read(parse_dsl, fields, "condition").nodes:
        case (Step() as check,):
            return check
    raise ActionError(
        f"<condition> must be one operator, found {quoted(fields['condition'])}", shape(("add", "conditional"))
    )


def _branch(fields: Fields, tag: str) -> Sequence:
    """The nodes of a branch; a tag that is left out is `done`, as an empty branch is written."""
    return () if fields.get(tag, DONE) == DONE else _read(parse_dsl, fields, tag).nodes


def _read(read: Callable[[str], Part], fields: Fields, tag: str) -> Part:
    """The DSL in a tag."""
    try:
        return read(fields[tag])
    except DSLError as error:
        found = quoted(f"<{tag}>{fields[tag]}</{tag}>")
        raise ActionError(f"{found} does not read: {error.message.splitlines()[0]}", error.hint) from error


def _ids(text: str, tag: str) -> tuple[NodeId, ...]:
    """A comma-separated list of node ids; `done` is the empty list where a branch may be empty."""
    if text == DONE and tag != "target":
        return ()
    ids = tuple(NodeId(part.strip()) for part in text.split(","))
    if not all(ids):
        raise ActionError(f"<{tag}> has an empty place between its commas: {quoted(text)}", "write node_1,node_2")
    return ids


def _number(fields: Fields, tag: str) -> int:
    if not _NUMBER.fullmatch(fields[tag]):
        raise ActionError(f"<{tag}> must be a whole number, found {quoted(fields[tag])}", f"write <{tag}>1</{tag}>")
    return int(fields[tag])


def _position(fields: Fields) -> int | None:
    return _number(fields, "position") if "position" in fields else None


def _hint(action: str = "") -> str:
    if not action:
        return f"start with <action>NAME</action>; NAME is {', '.join(ACTIONS)}"
    return "  ".join(shape((action, structure)) for structure in structures(action))


def _unclosed(tag: str) -> ActionError:
    return ActionError(
        f"<{tag}> is not closed: the reply ends inside it, as when it is cut at the token limit",
        f"write less and end with </{tag}>",
    )


def _twice(tag: str) -> ActionError:
    if tag == "action":
        return ActionError("the reply holds two actions; a turn takes exactly one", "send the second one next turn")
    return ActionError(f"<{tag}> occurs twice; an action has each tag once", f"keep one <{tag}>")


def _prose(rest: str, after: bool) -> ActionError:
    if after:
        return ActionError(f"text after the action: {quoted(rest)}", "end the reply with the action's last closing tag")
    return ActionError(f"the reply must start with <action>, found {quoted(rest)}", _hint())
