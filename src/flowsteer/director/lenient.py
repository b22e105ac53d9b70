"""The lenient dialect: what strays from the forms of the action language is mended, and every repair is told.

The policy that the paper's authors released was trained with a parser that takes much more than the forms (spec §3).
Here a reply is rewritten as one action in its form, in one pass over its tags, and then read as any other.
"""

import re
from dataclasses import dataclass

from flowsteer.director.forms import FORMS, FREE, WORDS, Kind, structures
from flowsteer.director.tags import Tag, closing, tags_of
from flowsteer.workflow.nodes import MAX_LOOP

USUAL_COUNT = 3
"""Rounds of a loop that names none."""

_BETWEEN_NAMES = re.compile(r"[;,\s]+")
_COUNT = re.compile(r"\d{1,9}")
_TIMES = re.compile(r"[x×*]\s{0,8}(\d{1,9})", re.IGNORECASE)
_DSL = ("->", "(", "[", "?")

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A reply as one action in its form.

    Attributes:
        text: The action; the reply itself where no action was found.
        repairs: What was mended, a phrase each.
    """

    text: str
    repairs: tuple[str, ...] = ()


def rewritten(reply: str) -> Rewritten:
    """The first action of a reply, in its form.

    >>> rewritten("I add one: [action]ADD[/action] <operator>Plan</operator>. Done.").text
    '<action>add</action><operator>Plan</operator>'

    Args:
        reply: What the Director said, without its thinking.
    """
    repairs: dict[str, None] = {}
    fields = _read(reply, _without_prose(tags_of(reply, WORDS)), repairs)
    if "action" not in fields:
        return Rewritten(reply)
    _mend_words(fields, repairs)
    _mend_lists(fields, repairs)
    kind = (fields["action"], fields.get("structure", ""))
    if kind in FORMS:
        _mend_count(kind, fields, repairs)
        _drop_foreign(kind, fields, repairs)
    text = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return Rewritten(text, tuple(repairs))


def rewritten_prompt(reply: str) -> Rewritten | None:
    """The instruction of a reply, in its form; None where it is in no tag: the whole reply is the instruction then.

    >>> rewritten_prompt("Here: [prompt]Be brief.[/prompt]").text
    '<prompt>Be brief.</prompt>'

    Args:
        reply: What the Director said, without its thinking.
    """
    tags = tags_of(reply, ("action", "prompt"))
    opened = [(tag, end) for tag, end in zip(tags, closing(tags), strict=True) if not tag.closes]
    prompts = [(tag, end) for tag, end in opened if tag.name == "prompt"]
    closed = [(tag, tags[end].start) for tag, end in prompts if end is not None]
    repairs: dict[str, None] = {}
    if closed:
        tag, end = closed[0]
        if len(closed) > 1:
            repairs["only the first <prompt> was taken"] = None
    elif any(tag.name == "action" and end is not None for tag, end in opened):
        return rewritten(reply)
    elif prompts and (_in_form(reply, prompts[0][0]) or not reply[: prompts[0][0].start].strip()):
        tag, end = prompts[0][0], len(reply)
        repairs["<prompt> was closed"] = None
    else:  # prose that names a tag
        return None
    _note_spelling(reply, tag, repairs)
    return Rewritten(f"<prompt>{reply[tag.end : end]}</prompt>", tuple(repairs))


def _without_prose(tags: list[Tag]) -> list[Tag]:
    """The tags without words such as [target] that prose only names: what is closed is what is meant.

    A tag that is not closed counts where none of its name is, and not before an action that is.
    """
    ends = closing(tags)
    closed = [tag for tag, end in zip(tags, ends, strict=True) if end is not None]
    names = {tag.name for tag in closed}
    begin = next((tag.start for tag in closed if tag.name == "action"), 0)
    return [
        tag
        for tag, end in zip(tags, ends, strict=True)
        if tag.closes or end is not None or (tag.name not in names and tag.start >= begin)
    ]


def _read(reply: str, tags: list[Tag], repairs: dict[str, None]) -> Fields:
    """The contents of the tags of the first action."""
    ends = closing(tags)
    fields: Fields = {}
    number = position = 0
    while number < len(tags):
        tag = tags[number]
        if tag.closes:
            number += 1
            continue
        if tag.name in fields and tag.name == "action":
            repairs["only the first action was taken"] = None
            return fields
        if reply[position : tag.start].strip():
            repairs["text around the action was left out"] = None
        last = ends[number]
        if last is None:
            repairs[f"<{tag.name}> was closed"] = None
            last = number + 1
        end = tags[last].start if last < len(tags) else len(reply)
        content = reply[tag.end : end]
        _note_spelling(reply, tag, repairs)
        if tag.name in FREE or content.strip():
            fields.setdefault(tag.name, content if tag.name in FREE else content.strip())
        closed = last < len(tags) and tags[last].closes
        number = last + 1 if closed else last
        position = tags[last].end if closed else end
    if reply[position:].strip():
        repairs["text around the action was left out"] = None
    return fields


def _note_spelling(reply: str, tag: Tag, repairs: dict[str, None]) -> None:
    if not _in_form(reply, tag):
        repairs[f"{reply[tag.start : tag.end]} was read as <{tag.name}>"] = None


def _in_form(reply: str, tag: Tag) -> bool:
    return reply[tag.start : tag.end] == f"<{tag.name}>"


def _mend_words(fields: Fields, repairs: dict[str, None]) -> None:
    """Names of actions and structures in lower case, with `_` where a blank or a dash stood."""
    for name in ("action", "structure"):
        if name in fields:
            _change(fields, name, re.sub(r"[\s-]", "_", fields[name].lower()), repairs)


def _mend_lists(fields: Fields, repairs: dict[str, None]) -> None:
    """Lists of names with a comma between them; `[A, B]x2` is a loop, where no other structure is named."""
    legal = structures(fields["action"])
    if "operators" not in fields and "operator" in fields and fields.get("structure") in ("parallel", "loop"):
        fields["operators"] = fields.pop("operator")
        repairs["<operator> was read as <operators>"] = None
    if "operators" in fields:
        inner, bracket, behind = fields["operators"].rpartition("]")
        times = _TIMES.fullmatch(behind.strip())
        if bracket and inner.startswith("[") and times and fields.setdefault("structure", "loop") == "loop":
            repairs[f"{fields['operators']} was read as a loop"] = None
            fields["operators"] = inner[1:]
            fields.setdefault("count", times[1])
        elif bracket and inner.startswith("[") and not behind.strip() and "[" not in inner[1:]:
            _change(fields, "operators", inner[1:], repairs)
    elif "structure" in fields and fields["structure"] not in legal and "" in legal:
        repairs[f"<structure>{fields.pop('structure')}</structure> was left out"] = None
    for name in ("operators", "target", "condition", "true", "false"):
        value = fields.get(name, "")
        if value and not any(mark in value for mark in _DSL):
            _change(fields, name, ",".join(filter(None, _BETWEEN_NAMES.split(value))), repairs)


def _mend_count(kind: Kind, fields: Fields, repairs: dict[str, None]) -> None:
    """A count that is missing or too high."""
    if "count" not in FORMS[kind].required:
        return
    if "count" not in fields:
        fields["count"] = str(USUAL_COUNT)
        repairs[f"<count>{USUAL_COUNT}</count> was added"] = None
    found = _COUNT.search(fields["count"])
    if found:
        _change(fields, "count", str(max(1, min(int(found[0]), MAX_LOOP))), repairs)


def _drop_foreign(kind: Kind, fields: Fields, repairs: dict[str, None]) -> None:
    form = FORMS[kind]
    for name in set(fields) - {"action", "structure", *form.required, *form.optional}:
        del fields[name]
        repairs[f"<{name}> was left out"] = None


def _change(fields: Fields, name: str, value: str, repairs: dict[str, None]) -> None:
    """Give a tag another content; commas and blanks alone are no repair to tell."""
    plain = _BETWEEN_NAMES.sub(",", fields[name]) if ";" not in fields[name] else fields[name]
    if value not in (fields[name], plain):
        repairs[f"<{name}>{fields[name]}</{name}> was read as {value}"] = None
    fields[name] = value
