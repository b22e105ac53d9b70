"""The canvas's answer to an edit: fixed fields in a fixed order, each within a budget (spec §5).

The text is the policy's input, in training as in evaluation: it holds facts only, never a scripted next move, a gold
answer or a hidden test. Changing a word of it changes what a trained Director sees, so it is snapshot-tested.
"""

from dataclasses import dataclass

from flowsteer.draft import Draft
from flowsteer.runs.events import NodeRan
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.nodes import Step, Workflow, steps, walk


@dataclass(frozen=True, slots=True)
class Budgets:
    """Most characters of each field of the feedback; what is longer is cut in the middle, and says so.

    Attributes:
        status: The status line.
        workflow: The workflow and its node ids, each.
        field: One draft field of one node.
        results: All results together.
    """

    status: int = 400
    workflow: int = 800
    field: int = 240
    results: int = 1600


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the canvas has to say after one turn.

    Attributes:
        accepted: Whether the action was accepted.
        status: What was done, or why it was refused.
        choices: The legal choices, when refused.
        workflow: The workflow as it stands.
        fresh: Node runs this turn made.
        asks: In two-step mode, the step whose instruction is asked for next.
        unmet: Finish conditions still unmet.
        turn: This turn.
        max_turns: The turn limit.
    """

    accepted: bool
    status: str
    choices: tuple[str, ...]
    workflow: Workflow
    fresh: tuple[NodeRan, ...]
    asks: Step | None
    unmet: tuple[str, ...]
    turn: int
    max_turns: int


def render(feedback: Feedback, budgets: Budgets) -> str:
    """The feedback as text."""
    lines = [f"{'accepted' if feedback.accepted else 'rejected'}: {shorten(feedback.status, budgets.status)}"]
    if feedback.choices:
        lines.append(f"legal: {shorten(', '.join(feedback.choices), budgets.status)}")
    lines.append(f"workflow: {shorten(to_dsl(feedback.workflow) or '(empty)', budgets.workflow)}")
    ids = " ".join(f"{node.id}={_label(node)}" for node in walk(feedback.workflow.nodes))
    if ids:
        lines.append(f"nodes: {shorten(ids, budgets.workflow)}")
    if feedback.fresh:
        results = "\n".join(_result(run, budgets.field) for run in feedback.fresh)
        lines.append(f"results:\n{shorten(results, budgets.results)}")
    lines.append(f"operators: {sum(1 for _ in steps(feedback.workflow.nodes))}")
    lines.append(f"finish needs {'; '.join(feedback.unmet)}" if feedback.unmet else "finish is allowed")
    if feedback.asks is not None:
        lines.append(f"now: write the instruction of {feedback.asks.id} {feedback.asks.operator} in <prompt>…</prompt>")
    lines.append(f"turn {feedback.turn} of {feedback.max_turns}")
    return "\n".join(lines)


def _label(node: object) -> str:
    return node.operator if isinstance(node, Step) else type(node).__name__.lower()


def _result(run: NodeRan, budget: int) -> str:
    at = f" round {'.'.join(str(number + 1) for number in run.iteration)}" if run.iteration else ""
    head = f"- {run.node} {run.operator}{at}"
    if run.failure is not None:
        return f"{head} FAILED ({run.failure.kind}): {shorten(run.failure.message, budget)}"
    return f"{head}: {summarise(run.wrote, budget) or 'nothing new'}"


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
    return " | ".join(f"{name}: {shorten(' '.join(text.split()), budget)}" for name, text in parts if text)


def shorten(text: str, budget: int) -> str:
    """At most `budget` characters of a text: its head and its tail, with a mark where something is missing.

    >>> shorten("abcdefghijklmnopqrstuvwxyz", 16)
    'abcdefg […] wxyz'
    """
    if len(text) <= budget:
        return text
    mark = " […] "
    tail = max(0, (budget - len(mark)) * 2 // 5)
    return text[: budget - len(mark) - tail] + mark + text[len(text) - tail :]
