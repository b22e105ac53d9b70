"""Structured replies: JSON of a small schema, enforced where the backend can, read tolerantly where it cannot.

What is accepted, in this order: a JSON object (in a fence, or inside prose; trailing commas, raw newlines and
LaTeX with single backslashes are forgiven), then one `<field>…</field>` tag or `field: value` line for every
field. Yes, pass and correct are true; no, fail, incorrect and wrong are false. Nothing is guessed: a field that
is missing or of the wrong kind is a bad reply. A bad reply is asked for again once, with what was
wrong, and counted; after that the operator fails with `bad_reply`, or with `cut_reply` when the text ran into
the token limit. A cut JSON text is not completed: its last field would be half a sentence.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from flowsteer.answers.thinking import without_thinking
from flowsteer.backends.base import Message, Reply
from flowsteer.errors import FlowSteerError, OperatorError
from flowsteer.operators.base import OperatorCall
from flowsteer.operators.json_escapes import with_latex_escaped
from flowsteer.operators.prompting import follow_up

RETRIES = 1
"""How often a reply that does not parse is asked for again."""

MAX_BOUND = 800
"""Longest string bound put into a schema, in characters: grammars made of longer ones decode slowly."""

Schema = dict[str, Any]

MAX_FAILURES = 50
"""Most tries of a reply to decode an object where none begins, or one with a comma too many."""

_OBJECT_START = re.compile(r"\{(?=\s*[\"}])")
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_YES, _NO = ("true", "yes", "pass", "passed", "correct"), ("false", "no", "fail", "failed", "incorrect", "wrong")


class BadReply(FlowSteerError):
    """A reply that does not hold what was asked for; its text tells the model what was wrong."""


def text_field(call: OperatorCall, share: float = 1.0) -> Schema:
    """A string that ends before the call's token limit: bounded to `share` of about two characters a token."""
    bound = int(2 * share * call.sampling.max_tokens)
    return {"type": "string", "maxLength": max(bound, 20)} if bound <= MAX_BOUND else {"type": "string"}


def shorter(schema: Schema) -> Schema:
    """The schema with a third of the room for every text: in the worst case, digits, a character is a token.

    >>> shorter(record(parts={"type": "array", "items": {"type": "string", "maxLength": 90}}))["properties"]
    {'parts': {'type': 'array', 'items': {'type': 'string', 'maxLength': 30}}}
    """
    return {
        key: shorter(part) if isinstance(part, dict) else part // 3 if key == "maxLength" else part
        for key, part in schema.items()
    }


def record(**properties: Schema) -> Schema:
    """The schema of an object with exactly these fields, in this order.

    >>> record(same={"type": "boolean"})["required"]
    ['same']
    """
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


async def ask_record(
    call: OperatorCall,
    messages: tuple[Message, ...],
    schema: Schema,
    read: Callable[[Reply, Schema], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Ask for an object of a `record` schema; one bounded retry.

    Args:
        call: The call whose backend is asked.
        messages: The conversation; it should tell a model that is not constrained which fields to give.
        schema: Made by `record`.
        read: How the reply is read; `parse_record` unless an operator accepts more.

    Returns:
        A value for every field of the schema.

    Raises:
        OperatorError: `bad_reply` or `cut_reply` if the retry does not parse either.
        BackendUnavailable: The backend is gone.
        BackendRejected: The request was refused.
    """
    for attempt in range(RETRIES + 1):
        reply = await call.ask(messages, json_schema=schema)
        try:
            return read(reply, schema) if read else parse_record(reply.text, schema)
        except BadReply as problem:
            if attempt == RETRIES:
                raise bad_reply(call, reply, str(problem)) from None
            call.retries += 1
            schema = shorter(schema) if reply.finish == "length" else schema
            messages = follow_up(messages, without_thinking(reply.text), complaint(reply, str(problem), schema))
    raise AssertionError("unreachable: the last attempt returns or raises")


def bad_reply(call: OperatorCall, reply: Reply, problem: str) -> OperatorError:
    """The typed failure for a reply that is of no use, even after the retry."""
    if reply.finish == "length":
        limit = call.sampling.max_tokens
        return OperatorError(
            f"the reply was cut at {limit} tokens before it was complete ({problem})",
            "cut_reply",
            "raise the executor's max_tokens, or instruct this step to be brief",
        )
    return OperatorError(f"the reply could not be used: {problem}", "bad_reply")


def complaint(reply: Reply, problem: str, schema: Schema) -> str:
    """The retry's message: what was wrong, and what to send instead."""
    cut = "Your reply was cut off: be much shorter. " if reply.finish == "length" else ""
    fields = ", ".join(f'"{name}" ({_kind(part)})' for name, part in schema["properties"].items())
    return f"{cut}That did not work: {problem}. Reply with JSON only, with the fields {fields}."


def _kind(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(part["enum"])
    kinds = {"string": "a text", "boolean": "true or false", "integer": "a number", "array": "a list of texts"}
    return kinds[part["type"]]


def parse_record(text: str, schema: Schema, optional: Collection[str] = ()) -> dict[str, Any]:
    r"""Read an object of this schema from a reply.

    Args:
        text: The reply.
        schema: Made by `record`.
        optional: Fields that are left out of the result where the reply does not give them properly.

    Returns:
        The fields' values.

    >>> schema = record(answer={"type": "string"}, passed={"type": "boolean"})
    >>> parse_record('Sure! ```json\n{"answer": "4", "passed": true,}\n```', schema)
    {'answer': '4', 'passed': True}
    >>> parse_record("Answer: 4\nPassed: yes", schema)
    {'answer': '4', 'passed': True}

    Raises:
        BadReply: If a field is missing or of the wrong kind; says which.
    """
    text = without_thinking(text)
    properties: Mapping[str, Schema] = schema["properties"]
    objects = list(json_objects(text))
    if objects:
        fitting = [item for item in objects if properties.keys() <= item.keys()] or objects
        found = fitting[-1]
    else:
        found = {name: value for name in properties if (value := _labelled(text, name)) is not None}
    if not found:
        raise BadReply("it holds no JSON object" if text else "it is empty")
    fields: dict[str, Any] = {}
    for name, part in properties.items():
        try:
            fields[name] = _value(name, found, part)
        except BadReply:
            if name not in optional:
                raise
    return fields


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    r"""The JSON objects in a text, outermost ones only, in order.

    Reading stops after `MAX_FAILURES` failures, so that the time is linear in the text.

    >>> list(json_objects(r'So {x} is {"a": "\frac{1}{2}", "b": {"c": 1},} and {"d": 2}'))
    [{'a': '\\frac{1}{2}', 'b': {'c': 1}}, {'d': 2}]
    """
    if not _OBJECT_START.search(text):
        return
    decoder = json.JSONDecoder(strict=False)
    escaped = with_latex_escaped(text)
    forgiving = _TRAILING_COMMA.sub(" ", escaped)  # of the same length, so that places agree
    end = failures = 0
    for brace in _OBJECT_START.finditer(escaped):
        if brace.start() < end:
            continue
        for candidate in (escaped, forgiving):
            try:
                value, end = decoder.raw_decode(candidate, brace.start())
            except (ValueError, RecursionError):  # A number of too many digits is a ValueError alone.
                failures += 1
                continue
            yield value
            break
        if failures >= MAX_FAILURES:
            return


def _labelled(text: str, name: str) -> str | None:
    """The last `<name>…</name>`, else the last line `name: value`."""
    opened: int | None = None
    tagged: str | None = None
    for tag in re.finditer(rf"<(/?){name}>", text, re.IGNORECASE):
        if tag[1] and opened is not None:
            tagged, opened = text[opened : tag.start()], None
        elif not tag[1] and opened is None:
            opened = tag.end()
    if tagged is not None:
        return tagged.strip()
    label = re.compile(rf"[\s*\"'-]*{name}[\"']?\s*[*]*:[*]*", re.IGNORECASE)
    for line in reversed(text.splitlines()):
        found = label.match(line)
        if found and (value := line[found.end() :].strip(" \t").rstrip(",")).strip():
            return value.strip()
    return None


def _value(name: str, values: Mapping[str, Any], part: Schema) -> Any:
    """One field's value, as the kind its schema says."""
    if name not in values:
        raise BadReply(f'the field "{name}" is missing')
    value = values[name]
    kind = part["type"]
    if "enum" in part:
        return _option(name, value, part["enum"])
    if kind == "string" and isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value).strip()
        return "" if set(text) <= set(".… ") else text  # dots stand for a text that was not written
    if kind == "boolean":
        return _boolean(name, value)
    if kind == "integer":
        return _integer(name, value, part)
    if kind == "array" and isinstance(value, list):
        texts = [str(item).strip() for item in value if isinstance(item, str | int | float) and str(item).strip()]
        if part.get("minItems", 0) <= len(texts) == len(value):
            return texts[: part.get("maxItems")]
        raise BadReply(f'"{name}" must be a list of at least {part.get("minItems", 0)} texts')
    raise BadReply(f'"{name}" must be {_kind(part)}')


def _option(name: str, value: Any, options: list[str]) -> str:
    word = str(value).strip(" .()[]\"'*").casefold()
    for option in options:
        if word == option.casefold():
            return option
    raise BadReply(f'"{name}" must be one of {", ".join(options)}')


def _boolean(name: str, value: Any) -> bool:
    word = str(value).strip(" .*\"'").casefold()
    if word in _YES or word in _NO:
        return word in _YES
    raise BadReply(f'"{name}" must be true or false')


def _integer(name: str, value: Any, part: Schema) -> int:
    digits = re.fullmatch(r"(-?\d{1,9})(?:\.0+)?\s*%?", str(value).strip())
    if digits is None or not part.get("minimum", -(10**9)) <= int(digits[1]) <= part.get("maximum", 10**9):
        raise BadReply(f'"{name}" must be a whole number')
    return int(digits[1])
