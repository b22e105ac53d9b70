"""What kind of action a turn is, also one that does not parse: by the kinds, what a Director can say is counted."""

import re

from flowsteer.director.spoken import spoken

KINDS = (
    "add step", "add parallel", "add conditional", "add loop", "set_structure", "delete", "modify", "set_prompt",
    "finish", "unreadable",
)  # fmt: skip
"""Every kind; `unreadable` is a turn that names no action there is."""

_ACTION = re.compile(r"<action>([^<]*)</action>")
_STRUCTURE = re.compile(r"<structure>([^<]*)</structure>")


def kind_of(text: str) -> str:
    """The kind of action that a turn's text means to be, one of `KINDS`; total on any text, in linear time.

    Args:
        text: What the Director said. Thinking does not count.

    >>> kind_of("<action>add</action><structure>loop</structure><operators>Verify,Revise")
    'add loop'
    >>> kind_of("<action>add</action><operator>Plan</operator>"), kind_of("Let us begin.")
    ('add step', 'unreadable')
    """
    said = spoken(text)
    action, structure = _content(_ACTION, said), _content(_STRUCTURE, said)
    kind = f"add {structure or 'step'}" if action == "add" else action
    return kind if kind in KINDS else "unreadable"


def _content(tag: re.Pattern[str], text: str) -> str:
    found = tag.search(text)
    return found[1].strip() if found else ""
