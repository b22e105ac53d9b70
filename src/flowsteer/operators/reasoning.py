"""Reasoning in free text that ends with an answer line, and the answer read from it.

Nothing is enforced while the LLM reasons: a grammar around it would cut the thinking short. Where no answer can be
read, one short turn more asks for the answer alone, and only that one is held to a form.
"""

import re
from dataclasses import dataclass
from typing import Any

from flowsteer.answers.extract import final_answer, marked_answer, tidy
from flowsteer.answers.no_answer import is_no_answer
from flowsteer.answers.thinking import without_thinking
from flowsteer.backends.base import Message, Reply
from flowsteer.operators.base import OperatorCall
from flowsteer.operators.prompting import answer_form, follow_up, render
from flowsteer.operators.reply import (
    BadReply,
    Schema,
    bad_reply,
    json_objects,
    parse_record,
    record,
    text_field,
)

_RECORD: Schema = record(reasoning={"type": "string"}, answer={"type": "string"})
"""What a model sends that answers in JSON all the same."""

_MARKER, _AROUND = "answer:", " \n\t*`\"'"
"""What announces an answer, and the blanks and marks that may stand around it."""

_LIKE_JSON = re.compile(r"""\{\s*"|\A\{\s*(?:'|\w+\s*:|\}\Z)""")
"""An object that was begun; a brace alone is LaTeX's or a set's."""


@dataclass(frozen=True, slots=True)
class Reasoned:
    """What an LLM reasoned, and what it came to.

    Attributes:
        text: The whole reply, without thinking.
        steps: The reply without the line that gives the answer.
        answer: The answer.
    """

    text: str
    steps: str
    answer: str


async def reason(call: OperatorCall, messages: tuple[Message, ...], last_sentence: bool = False) -> Reasoned:
    """Ask for reasoning that ends with an answer, and read both.

    Args:
        call: The call.
        messages: The conversation; it asks for an answer line at the end.
        last_sentence: Whether the last sentence of a whole reply counts where no answer is marked.

    Raises:
        OperatorError: `bad_reply` or `cut_reply` if no answer can be read, also when it was asked for alone.
        BackendUnavailable: The backend is gone.
        BackendRejected: The request was refused.
    """
    reply = await call.ask(messages)
    text = without_thinking(reply.text)
    found = _read(reply, text)
    if not found.answer and last_sentence and reply.finish == "stop":
        found = Reasoned(text, text, final_answer(text))
    if found.answer and not is_no_answer(found.answer, answer_form(call.task)):
        return found
    shown = _before_answer(found) if found.answer else text
    return Reasoned(text, text, await _answer_alone(call, follow_up(messages, shown, _answer_please(call, reply))))


def announced_answer(reply: Reply) -> str | None:
    """The answer that a reply marks as such; of a reply that was cut, the last line does not count: it has no end."""
    text = without_thinking(reply.text)
    return marked_answer(text if reply.finish == "stop" else text.rpartition("\n")[0])


def _read(reply: Reply, text: str) -> Reasoned:
    """What a reply says of itself; the answer is empty where it marks none."""
    if any(json_objects(text)):
        try:
            fields = parse_record(text, _RECORD, optional=("reasoning",))
        except BadReply:
            pass  # JSON that is a part of the reasoning
        else:
            return Reasoned(text, fields.get("reasoning", ""), _short(fields["answer"]))
    answer = announced_answer(reply) or ""
    above, _, line = text.rpartition("\n")
    steps = above.strip() if answer and marked_answer(line) == answer else text
    return Reasoned(text, steps, "" if set(answer) <= set(".… ") else answer)


def _before_answer(found: Reasoned) -> str:
    """A reply without the answer that is none: a model that reads it again says it again."""
    before = found.text.rpartition(found.answer)[0].rstrip(_AROUND)
    if before[-len(_MARKER) :].lower() == _MARKER:
        before = before[: -len(_MARKER)].rstrip(_AROUND)
    return before or found.text


def _answer_please(call: OperatorCall, reply: Reply) -> str:
    """What is said to a reply from which no answer can be read: an empty one, one that was cut, or one without it."""
    fault = (
        "was cut off"
        if reply.finish == "length"
        else "gives no final answer"
        if without_thinking(reply.text)
        else "is empty"
    )
    return render("answer_line", fault=fault)


async def _answer_alone(call: OperatorCall, messages: tuple[Message, ...]) -> str:
    """Ask once more, for the answer alone: it is short, so that it ends."""
    call.retries += 1
    schema = record(answer=text_field(call, 0.3))
    reply = await call.ask(messages, json_schema=schema)
    try:
        answer: str = read_short(call, reply, schema)["answer"]
    except BadReply as problem:
        raise bad_reply(call, reply, str(problem)) from None
    return answer


def _short(answer: str) -> str:
    """The marked part of an answer that was given apart, or all of it, without quotes and full stop."""
    return marked_answer(answer) or tidy(answer)


def read_short(call: OperatorCall, reply: Reply, schema: Schema) -> dict[str, Any]:
    """Read an `{answer}` record; prose that marks its answer and a whole reply of one line are as good.

    Raises:
        BadReply: If there is no answer, or it is empty, the words of its form, or a piece of one.
    """
    text = without_thinking(reply.text)
    try:
        answer = parse_record(text, schema)["answer"]
    except BadReply:
        answer = announced_answer(reply) or ""
        if not answer:
            answer = tidy(text)
            if not answer or "\n" in answer or _LIKE_JSON.search(answer) or reply.finish == "length":
                raise
    answer = _short(answer)
    if not answer:
        raise BadReply('"answer" is empty')
    if is_no_answer(answer, answer_form(call.task)):
        raise BadReply("it repeats how the answer is to look, or is only a piece of one")
    return {"answer": answer}
