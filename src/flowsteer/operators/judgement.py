"""A verdict at the end of a critique in free text, and how sure the critic says to be.

As with answers, nothing is enforced while the LLM reasons. A reply without a verdict is asked for one alone, once; what
cannot be read then is a failed check, and never the verdict that the work is wrong.
"""

import re
from dataclasses import dataclass

from flowsteer.answers.thinking import without_thinking
from flowsteer.backends.base import Message, Reply
from flowsteer.operators.base import OperatorCall
from flowsteer.operators.prompting import follow_up, render
from flowsteer.operators.reply import BadReply, Schema, bad_reply, json_objects, parse_record, record

_YES_NO: Schema = {"type": "boolean"}
_LINE = re.compile(
    r"^\W{0,9}(?:verdict|passed)\W{1,9}(?P<word>right|wrong|correct|incorrect|pass|passed|fail|failed|true|false|yes|no)\b.*$",
    re.IGNORECASE | re.MULTILINE,
)
_GOOD = ("right", "correct", "pass", "passed", "true", "yes")
_CONFIDENCE = re.compile(r"\bconfidence\W{1,9}(\d{1,3})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a critic said.

    Attributes:
        passed: True if the critic found no fault.
        words: The critique.
        confidence: In [0, 1], or None where the critic gave none.
    """

    passed: bool
    words: str
    confidence: float | None = None


async def judge_work(call: OperatorCall, messages: tuple[Message, ...]) -> Judgement:
    """Ask for a critique that ends with a verdict, and read it.

    Args:
        call: The call.
        messages: The conversation; it asks for a verdict line at the end.

    Raises:
        OperatorError: `bad_reply` or `cut_reply` if there is no verdict, also when it was asked for alone.
        BackendUnavailable: The backend is gone.
        BackendRejected: The request was refused.
    """
    reply = await call.ask(messages)
    found = _read(reply)
    if found is not None:
        return found
    words = without_thinking(reply.text)
    call.retries += 1
    schema = record(passed=_YES_NO)
    reply = await call.ask(follow_up(messages, words, render("verdict_line")), json_schema=schema)
    try:
        passed = bool(parse_record(reply.text, schema)["passed"])
    except BadReply as problem:
        raise bad_reply(call, reply, str(problem)) from None
    return Judgement(passed, words)


def read_confidence(text: str) -> float | None:
    r"""The last confidence from 0 to 100 that a text states, as a share.

    >>> read_confidence("Answer: 42\nConfidence: 80 %"), read_confidence("Answer: 42")
    (0.8, None)
    """
    found = _CONFIDENCE.findall(text)
    return int(found[-1]) / 100 if found and int(found[-1]) <= 100 else None


def _read(reply: Reply) -> Judgement | None:
    """The verdict that a reply gives, or None; a model may answer in JSON all the same."""
    text = without_thinking(reply.text)
    lines = list(_LINE.finditer(text))
    if lines:
        last = lines[-1]
        return Judgement(last["word"].lower() in _GOOD, text[: last.start()].strip(), read_confidence(text))
    for item in reversed(list(json_objects(text))):
        try:
            passed = parse_record(reply.text, record(passed=_YES_NO))["passed"]
        except BadReply:
            return None
        confidence = item.get("confidence")
        share = confidence / 100 if isinstance(confidence, int) and 0 <= confidence <= 100 else None
        return Judgement(passed, str(item.get("feedback") or item.get("reasoning") or ""), share)
    return None
