"""What an LLM Director reads: the observation as chat messages, in one of three layouts.

`conversation` only ever appends, so each turn's messages start with those of the turn before and a server's cache of
the prefix stays valid. `rebuilt` writes the state anew each turn in one user message, which keeps the prompt short and
is what the authors' released policy was trained on (spec §3). `lenient` is for that policy: all in one user message
with the last turns, and replies are read leniently (`flowsteer.director.lenient`).
"""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from flowsteer.backends.base import Message
from flowsteer.canvas.director import Observation
from flowsteer.canvas.feedback import in_words, render
from flowsteer.director.spoken import spoken
from flowsteer.task import Task
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.nodes import Step, Workflow, find, steps
from flowsteer.workflow.rules import unmet

if TYPE_CHECKING:
    from jinja2 import Environment

Layout = Literal["conversation", "rebuilt", "lenient"]

TASK_CHARS = 4000
"""Most characters shown of a question, of its context and of the code to complete, each; operators get them whole."""

LAST_TURNS, TURN_CHARS = 5, 400
"""Turns shown in the `lenient` layout, and most characters of what was said in one."""

STEP_CHARS = 160
"""Most characters shown of one step's instruction in the layouts `rebuilt` and `lenient`."""


def messages(
    observation: Observation,
    layout: Layout,
    task_chars: int = TASK_CHARS,
    left_out: int = 0,
    step_chars: int = STEP_CHARS,
) -> tuple[Message, ...]:
    """The messages for the next turn.

    Args:
        observation: What the Director sees.
        layout: `conversation`, `rebuilt` or `lenient`.
        task_chars: Most characters of question, context and code, each.
        left_out: So many of the first turns are not in the observation's history; the conversation says so.
        step_chars: Most characters of one step's instruction, where the workflow is shown with them; 0 for none.
    """
    task = task_prompt(observation.task, task_chars)
    if layout == "lenient":
        return (Message("user", lenient_prompt(observation, task, step_chars)),)
    system = Message("system", system_prompt(observation))
    if layout == "rebuilt":
        return system, Message("user", f"{task}\n\n{state_prompt(observation, step_chars)}")
    said = (
        message
        for turn in observation.history
        for message in (Message("assistant", turn.text), Message("user", render(turn.feedback, observation.budgets)))
    )
    gap = f"\n\n(Turns 1 to {left_out} are left out here.)" if left_out else ""
    return system, Message("user", task + gap), *said


def lenient_prompt(observation: Observation, task: str, step_chars: int = STEP_CHARS) -> str:
    """All in one: rules, task, the last turns and the state."""
    turns = [
        {
            "said": cut(" ".join(spoken(turn.text).split()), TURN_CHARS),
            "heard": render(turn.feedback, observation.budgets),
        }
        for turn in observation.history[-LAST_TURNS:]
    ]
    state = state_prompt(replace(observation, history=()), step_chars)
    return _render("lenient.j2", rules=system_prompt(observation), task=task, turns=turns, state=state)


def system_prompt(observation: Observation) -> str:
    """Operators, forms of actions and rules: the same text in every turn of an episode."""
    rules = observation.rules
    return _render(
        "system.j2",
        operators=observation.library.operators.values(),
        checks=rules.of("verification"),
        two_step=rules.two_step,
        backends=rules.backends,
        needs=in_words(unmet(Workflow(), rules)),
        max_turns=observation.max_turns,
    )


def task_prompt(task: Task, task_chars: int = TASK_CHARS) -> str:
    """The task, long parts cut in the middle with a mark."""
    code = "" if task.prompt_code in task.question else task.prompt_code
    return _render(
        "task.j2",
        task=task,
        question=cut(task.question, task_chars),
        context=cut(task.context, task_chars),
        code=cut(code, task_chars),
    )


def state_prompt(observation: Observation, step_chars: int = STEP_CHARS) -> str:
    """Where the episode stands: the workflow with its instructions, and the canvas's last answer."""
    asked = find(observation.workflow, observation.asks_prompt) if observation.asks_prompt else None
    return _render(
        "state.j2",
        turn=observation.turn,
        max_turns=observation.max_turns,
        dsl=to_dsl(observation.workflow),
        steps=[
            {"id": step.id, "operator": step.operator, "prompt": _in_short(step.prompt, step_chars)}
            for step in steps(observation.workflow.nodes)
        ],
        feedback=render(observation.history[-1].feedback, observation.budgets) if observation.history else "",
        asks=f"{asked.id} {asked.operator}" if isinstance(asked, Step) else "",
    )


def _in_short(prompt: str, most: int) -> str:
    return cut(" ".join(prompt.splitlines()), most) if most else ""


def cut(text: str, most: int) -> str:
    """A text of at most `most` characters, else its head and tail around a mark that says how much is missing.

    >>> cut("abcdefghij", 6)
    'abcd [… cut, 4 characters] ij'
    """
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail]} [… cut, {len(text) - most} characters] {text[len(text) - tail :]}"


def _render(template: str, **values: object) -> str:
    return _templates().get_template(template).render(**values).strip()


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(  # noqa: S701 - the text is read by an LLM, not by a browser
        loader=PackageLoader("flowsteer.director", "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
