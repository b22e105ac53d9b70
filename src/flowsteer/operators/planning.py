"""Planning: think about the way before walking it."""

import re

from flowsteer.answers.thinking import without_thinking
from flowsteer.draft import Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.prompting import ask_messages
from flowsteer.operators.reply import Schema, ask_record, record, text_field

MIN_PARTS, MAX_PARTS = 2, 5
"""How many sub-problems a question is split into (spec §4)."""

_NUMBERING = re.compile(r"^(?:\d+[.)]|[-*•])\s+")


@operator(category="planning", reads=("subproblems",), writes=("plan",))
async def plan(call: OperatorCall) -> Draft:
    """Write a strategy with numbered steps.

    A plan cut at the token limit is kept up to its last whole line or sentence: the steps before are still good.

    Raises:
        OperatorError: `empty_reply` if nothing came back.
    """
    return await write_plan(call, "plan")


@operator(category="planning", reads=("plan",), writes=("subproblems",))
async def decompose(call: OperatorCall) -> Draft:
    """Split the question into smaller ones.

    Raises:
        OperatorError: `bad_reply` or `cut_reply` if no list of parts comes back.
    """
    # With few tokens to spend, three parts that can be read beat five stumps.
    most = MAX_PARTS if call.sampling.max_tokens >= 256 else 3
    part = text_field(call, 0.9 / most)
    parts: Schema = {"type": "array", "items": part, "minItems": MIN_PARTS, "maxItems": most}
    fields = await ask_record(call, ask_messages(call, "decompose"), record(parts=parts))
    return Draft(subproblems=tuple(_NUMBERING.sub("", text) for text in fields["parts"]))


async def write_plan(call: OperatorCall, template: str) -> Draft:
    """Ask for a plan in free text.

    Args:
        call: The call.
        template: The operator's prompt.

    Raises:
        OperatorError: `empty_reply` if nothing came back.
    """
    reply = await call.ask(ask_messages(call, template))
    text = without_thinking(reply.text)
    if reply.finish == "length":
        text = whole_part(text)
    if not text:
        raise OperatorError("the LLM replied with no plan", "empty_reply")
    return Draft(plan=text)


def whole_part(text: str) -> str:
    r"""The text up to the end of its last whole line or sentence; all of it if there is none.

    >>> whole_part("1. Add.\n2. Multip"), whole_part("one long step")
    ('1. Add.', 'one long step')
    """
    ends = [match.end() for match in re.finditer(r"\n|(?<![\d\s])[.!?](?=\s)", text)]
    return text[: ends[-1]].strip() if ends else text
