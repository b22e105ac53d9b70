"""The forms of the action language (spec §3): which tags each action takes; parser and errors read this table."""

from collections.abc import Mapping
from dataclasses import dataclass

WORDS: Mapping[str, str] = {
    "action": "",
    "operator": "NAME",
    "structure": "",
    "operators": "A,B",
    "condition": "CHECK",
    "true": "A",
    "false": "done",
    "count": "3",
    "target": "node_1",
    "prompt": "TEXT",
    "position": "0",
    "backend": "SPEC",
    "answer": "TEXT",
}
"""Every tag, with the word that stands for its content when a form is shown."""

FREE: frozenset[str] = frozenset({"prompt", "answer"})
"""Tags whose content is free text, taken word for word up to the closing tag: nothing is unescaped or trimmed."""

Kind = tuple[str, str]
"""The content of `<action>` and of `<structure>`, the latter empty where the action has none."""


@dataclass(frozen=True, slots=True)
class Form:
    """The tags of one kind of action, besides `<action>` and `<structure>`.

    Attributes:
        required: Tags that must be there.
        optional: Tags that may be there.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


PLACE = ("target", "position")

FORMS: Mapping[Kind, Form] = {
    ("add", ""): Form(("operator",), ("prompt", *PLACE, "backend")),
    ("add", "parallel"): Form(("operators",), PLACE),
    ("add", "conditional"): Form(("condition", "true"), ("false", *PLACE)),
    ("add", "loop"): Form(("operators", "count"), PLACE),
    ("set_structure", "parallel"): Form(("target",)),
    ("set_structure", "conditional"): Form(("condition", "true"), ("false",)),
    ("set_structure", "loop"): Form(("target", "count")),
    ("delete", ""): Form(("target",)),
    ("modify", ""): Form(("target", "operator")),
    ("set_prompt", ""): Form(("target", "prompt")),
    ("finish", ""): Form((), ("answer",)),
}

ACTIONS: tuple[str, ...] = tuple(dict.fromkeys(action for action, _ in FORMS))
"""What `<action>` may say."""


def structures(action: str) -> tuple[str, ...]:
    """What `<structure>` may say in this action; `""` stands for no `<structure>`."""
    return tuple(structure for name, structure in FORMS if name == action)


def shape(kind: Kind) -> str:
    """The form written out, its optional tags in brackets.

    >>> shape(("set_structure", "loop"))
    '<action>set_structure</action><structure>loop</structure><target>node_1,node_2</target><count>3</count>'
    >>> shape(("finish", ""))
    '<action>finish</action>[<answer>TEXT</answer>]'
    """
    action, structure = kind
    form = FORMS[kind]
    words = dict(WORDS)
    if action == "set_structure":
        words |= {"target": "node_1,node_2", "condition": "node_1", "true": "node_2"}
    head = f"<action>{action}</action>" + (f"<structure>{structure}</structure>" if structure else "")
    optional = "".join(f"[<{tag}>{words[tag]}</{tag}>]" for tag in form.optional)
    return head + "".join(f"<{tag}>{words[tag]}</{tag}>" for tag in form.required) + optional
