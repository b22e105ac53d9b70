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
_WORD = "right|wrong|correct|incorrect|pass|passed|fail|failed|true|false"
_LINE = re.compile(
    rf"^\W{{0,9}}(?P<label>verdict|passed)\W{{1,9}}(?P<word>{_WORD}|yes|no)\b(?P<behind>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_OR_ANOTHER = re.compile(rf"\W{{0,9}}(?:[/|]|\bor\b)\W{{0,9}}(?:{_WORD})\b", re.IGNORECASE)
_SAID_ALONE = re.compile(r"\s*(?:[^\w\s/|]|$)")
_GOOD = ("right", "correct", "pass", "passed", "true", "yes")
_CONFIDENCE = re.compile(
    r"\bconfidence\s?(?P<range>[(\[][^()\[\]\n]{0,40}[)\]])?\W{1,9}(?P<number>\d{1,3}(?:\.\d{1,9})?)"
    r"(?!\w|\.\d|\s?[-–]\s?\d)\s?(?:(?:/|out of)\s?(?P<most>\d{1,3})|(?P<percent>%))?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,9})?")


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
    r"""The last confidence that a text states, as a share: of 100, or of what it names as the most.

    >>> read_confidence("Answer: 42\nConfidence: 80 %"), read_confidence("Answer: 42")
    (0.8, None)
    >>> [read_confidence(f"Confidence{said}") for said in (": 0.95", " (0-10): 9", ": 9/10", ": 0-100")]
    [0.95, 0.9, 0.9, None]
    """
    stated = list(_CONFIDENCE.finditer(text))
    if not stated:
        return None
    last = stated[-1]
    share, most = float(last["number"]), float(last["most"] or 0)
    if last["percent"] or most or share > 1 or "." not in last["number"]:
        named = max(map(float, _NUMBER.findall(last["range"] or "")), default=0)
        share /= 100 if last["percent"] else most or named or 100
    return share if share <= 1 else None


def _read(reply: Reply) -> Judgement | None:
    """The verdict that a reply gives, or None; a model may answer in JSON all the same."""
    text = without_thinking(reply.text)
    lines = list(_LINE.finditer(text))
    passed = _passed(lines[-1]) if lines else None
    if passed is not None:
        return Judgement(passed, text[: lines[-1].start()].strip(), read_confidence(text))
    for item in reversed(list(json_objects(text))):
        try:
            passed = parse_record(reply.text, record(passed=_YES_NO))["passed"]
        except BadReply:
            return None
        share = read_confidence(f"Confidence: {item.get('confidence')}")
        return Judgement(passed, str(item.get("feedback") or item.get("reasoning") or ""), share)
    return None


def _passed(line: re.Match[str]) -> bool | None:
    """What a verdict line says; `right or wrong` only asks again, and `Verdict: no errors found` is no `Passed: no`."""
    word = line["word"].lower()
    if word in ("yes", "no"):
        said = line["label"].lower() == "passed" and _SAID_ALONE.match(line["behind"])
    else:
        said = not _OR_ANOTHER.match(line["behind"])
    return word in _GOOD if said else None
