"""The canvas's answer in words: fixed fields in a fixed order, each on a line of its own and within a budget (spec §5).

The text is an LLM's input, in training as in evaluation: it holds facts only, never a scripted next move, a gold
answer or a hidden test. Changing a word of it changes what a trained Director sees, so it is snapshot-tested. Line
breaks in what others wrote become blanks, so nothing but the canvas begins a line.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

from annotated_types import Ge

from flowsteer.draft import Draft
from flowsteer.runs.events import Feedback, NodeRan
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.echo import kind
from flowsteer.workflow.nodes import Step, find, walk
from flowsteer.workflow.rules import Condition

Told = Literal["none", "status", "full"]
"""What a Director is told after an edit, least first: nothing; whether it was accepted and how the workflow stands, but
no results; all."""

AMOUNTS: tuple[Told, ...] = get_args(Told)

Heard = Feedback | str | None
"""What a Director heard: the canvas's record; words, where no canvas answers or words alone were recorded; nothing."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Most characters of each field of the feedback; what is longer is cut in the middle, and says so.

    Of results, whole ones are left out in the middle.

    Attributes:
        status: The status line.
        workflow: The workflow and its node ids, each.
        field: One draft field of one node.
        results: All results together.
    """

    status: Annotated[int, Ge(1)] = 400
    workflow: Annotated[int, Ge(1)] = 800
    field: Annotated[int, Ge(1)] = 240
    results: Annotated[int, Ge(1)] = 1600


def limited(feedback: Feedback, told: Told) -> Feedback | None:
    """What is left of the feedback where a Director is told no more than this."""
    match told:
        case "none":
            return None
        case "status":
            return replace(feedback, fresh=())
        case "full":
            return feedback


def render(heard: Heard, budgets: Budgets | None = None) -> str:
    """What a Director heard, as text; empty if that was nothing.

    Args:
        heard: The record. Words stay as they are.
        budgets: Most characters of each field.
    """
    if not isinstance(heard, Feedback):
        return heard or ""
    budgets = budgets or Budgets()
    lines = [f"{'accepted' if heard.accepted else 'rejected'}: {_line(heard.status, budgets.status)}"]
    if heard.choices:
        lines.append(f"legal: {_line(', '.join(heard.choices), budgets.status)}")
    lines.append(f"workflow: {shorten(to_dsl(heard.workflow) or '(empty)', budgets.workflow)}")
    nodes = list(walk(heard.workflow.nodes))
    if nodes:
        ids = " ".join([f"{node.id}={kind(node)}" for node in nodes])
        lines.append(f"nodes: {shorten(ids, budgets.workflow)}")
    if heard.fresh:
        lines += ["results:", _listed([_result(run, budgets.field) for run in heard.fresh], budgets.results)]
    lines.append(f"operators: {sum(isinstance(node, Step) for node in nodes)}")
    lines.append(f"finish needs {in_words(heard.unmet)}" if heard.unmet else "finish is allowed")
    asked = find(heard.workflow, heard.asks) if heard.asks else None
    if isinstance(asked, Step):
        lines.append(f"now: write the instruction of {asked.id} {asked.operator} in <prompt>…</prompt>")
    lines.append(f"turn {heard.turn} of {heard.max_turns}")
    return "\n".join(lines)


def in_words(conditions: Iterable[Condition]) -> str:
    """Finish conditions in words; empty for none.

    >>> in_words([Condition("steps", least=5, found=2), Condition("structure")])
    'at least 5 operators (there are 2); a structure: parallel, conditional or loop'
    """
    return "; ".join(map(_condition, conditions))


def _condition(condition: Condition) -> str:
    match condition.kind:
        case "steps":
            return f"at least {condition.least} operators (there are {condition.found})"
        case "category":
            return f"a {condition.name} operator ({' or '.join(condition.choices)})"
        case "operator":
            return f"the operator {condition.name}"
        case "structure":
            return "a structure: parallel, conditional or loop"
        case "never":
            return "every edit is tried on tasks; there is no finish"


def _result(run: NodeRan, budget: int) -> str:
    at = f" round {'.'.join(str(number + 1) for number in run.iteration)}" if run.iteration else ""
    head = f"- {run.node} {run.operator}{at}"
    if run.failure is not None:
        return f"{head} FAILED ({run.failure.kind}): {_line(run.failure.message, budget)}"
    return f"{head}: {summarise(run.wrote, budget) or 'nothing new'}"


def _listed(lines: list[str], budget: int) -> str:
    """The lines; as many whole ones from both ends as fit, the last ones first, and how many are missing between."""
    if len(lines) == 1 or sum(map(len, lines)) + len(lines) - 1 <= budget:
        return shorten("\n".join(lines), budget)
    room, first, last = budget - len(_missing(len(lines))), 0, len(lines)
    while (room := room - 1 - len(lines[first if first < len(lines) - last else last - 1])) >= 0:
        if first < len(lines) - last:
            first += 1
        else:
            last -= 1
    if last < len(lines):
        return "\n".join([*lines[:first], _missing(last - first), *lines[last:]])
    missing = _missing(last - 1)
    return shorten(f"{missing}\n{shorten(lines[-1], max(1, budget - len(missing) - 1))}", budget)


def _missing(count: int) -> str:
    return f"[{count} more results are left out here]"


def summarise(wrote: Draft, budget: int) -> str:
    """What a node wrote, in one line of named fields; each cut to `budget` characters.

    >>> summarise(Draft(plan="count", answer="4"), 80)
    'plan: count | answer: 4'
    """
    parts: list[tuple[str, str]] = []
    if wrote.verdict is not None:
        sure = "" if wrote.verdict.confidence is None else f" {wrote.verdict.confidence:.2f}"
        parts.append(
            ("verdict", f"{'pass' if wrote.verdict.passed else 'FAIL'}{sure} {wrote.verdict.feedback}".strip())
        )
    parts.append(("plan", wrote.plan))
    parts.append(("sub-problems", "; ".join(wrote.subproblems)))
    if wrote.code != wrote.answer:
        parts.append(("code", wrote.code))
    if wrote.output != wrote.answer:
        parts.append(("output", wrote.output))
    if wrote.solution != wrote.answer:
        parts.append(("solution", wrote.solution))
    parts.append(("answer", wrote.answer))
    return " | ".join(f"{name}: {_line(text, budget)}" for name, text in parts if text)


def _line(text: str, budget: int) -> str:
    return shorten(" ".join(text.split()), budget)


def shorten(text: str, budget: int) -> str:
    """At most `budget` characters of a text: its head and its tail, with a mark where something is missing.

    >>> shorten("abcdefghijklmnopqrstuvwxyz", 16)
    'abcdefg […] wxyz'
    """
    if len(text) <= budget:
        return text
    mark = " […] "[:budget]
    tail = (budget - len(mark)) * 2 // 5
    return text[: budget - len(mark) - tail] + mark + text[len(text) - tail :]
