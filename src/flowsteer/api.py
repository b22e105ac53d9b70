"""The Python API: `solve` and `run`, each with an `async` twin.

import flowsteer

result = flowsteer.solve("What is 6 times 7?", type="math")
print(result.answer, flowsteer.to_dsl(result.workflow))
"""

import asyncio
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from html import escape
from typing import Any, TypeVar, cast, get_args

from flowsteer.backends.base import Backend
from flowsteer.errors import ConfigError
from flowsteer.guessed_type import guessed_type
from flowsteer.runs.events import Emit, NodeRan, ignore
from flowsteer.session import Setup, checked_question, checked_setup, open_session, roster_of
from flowsteer.suggestions import did_you_mean
from flowsteer.task import Task, TaskType
from flowsteer.usage import Usage
from flowsteer.workflow.drawing import draw_tree
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Workflow

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Solved:
    """A question answered by a workflow that a Director built.

    Attributes:
        answer: What the workflow produced.
        finished: Whether the Director's own finish was accepted.
        workflow: The workflow.
        turns: Turns taken.
        usage: What Director and operators cost together.
        type: The type of the task, named or guessed.
    """

    answer: str
    finished: bool
    workflow: Workflow
    turns: int
    usage: Usage
    type: TaskType

    def _repr_html_(self) -> str:
        """The result as a notebook shows it."""
        how = "finished" if self.finished else "not finished"
        cost = "" if self.usage.cost is None else f", ${self.usage.cost:.4f}"
        note = f"{how} after {self.turns} turns, {self.usage.calls} calls, {self.usage.tokens:,} tokens{cost}"
        return (
            f"<p><b>{escape(self.answer) or '(no answer)'}</b> <small>{note}</small></p>"
            f"<pre>{escape(draw_tree(self.workflow))}</pre>"
        )


@dataclass(frozen=True, slots=True)
class Ran:
    """A question answered by a fixed workflow.

    Attributes:
        answer: What it produced.
        nodes: Every node run, in reading order.
        usage: What the operators cost.
    """

    answer: str
    nodes: tuple[NodeRan, ...]
    usage: Usage

    def _repr_html_(self) -> str:
        """The result as a notebook shows it."""
        rows = "".join(
            f"<tr><td>{escape(f'{run.node} {run.operator}')}</td><td>"
            f"{escape(run.failure.message if run.failure else run.wrote.answer or 'ran')}</td></tr>"
            for run in self.nodes
        )
        return f"<p><b>{escape(self.answer) or '(no answer)'}</b></p><table>{rows}</table>"


async def asolve(
    question: str,
    type: TaskType | None = None,  # noqa: A002 - the word users know
    context: str = "",
    *,
    director: str | None = None,
    executor: str | None = None,
    setup: Setup | None = None,
    emit: Emit = ignore,
    extra: Mapping[str, Backend] | None = None,
) -> Solved:
    """Let a Director build a workflow for a question, and run it.

    Args:
        question: The question.
        type: `math`, `qa` or `code`; guessed without it (`flowsteer.guessed_type`).
        context: Passages to answer from.
        director: Who edits; the setup's without it.
        executor: The LLM that runs the operators; the setup's without it.
        setup: Everything else; by default, what `Setup()` says.
        emit: Gets every event as it happens.
        extra: Backends made elsewhere, by the spec that names them.

    Raises:
        ConfigError: A name or the question does not fit.
        BackendUnavailable: A backend is gone.
        SandboxError: The sandbox is missing or broke.
        BudgetExceeded: The budget is spent.
    """
    task = _task(question, type, context)
    chosen = checked_setup(setup, director=director, executor=executor)
    async with open_session(chosen, extra) as session:
        episode = await session.episode(task, emit)
    ended = episode.ended
    usage = ended.director_usage + ended.executor_usage
    return Solved(ended.answer, ended.finished is True, ended.workflow, ended.turns, usage, task.type)


async def arun(
    workflow: Workflow | str,
    question: str | Task,
    type: TaskType | None = None,  # noqa: A002 - the word users know
    context: str = "",
    *,
    executor: str | None = None,
    setup: Setup | None = None,
    emit: Emit = ignore,
    extra: Mapping[str, Backend] | None = None,
) -> Ran:
    """Run a fixed workflow on a question.

    Args:
        workflow: A workflow, or its DSL.
        question: The question; or a whole task, which has a type and a context of its own.
        type: `math`, `qa` or `code`; guessed without it (`flowsteer.guessed_type`).
        context: Passages to answer from.
        executor: The LLM of every step that names none; the setup's without it.
        setup: Everything else; by default, what `Setup()` says.
        emit: Gets every node run as it happens.
        extra: Backends made elsewhere, by the spec that names them.

    Raises:
        ConfigError: A name or the question does not fit.
        DSLError: The DSL does not parse.
        BackendUnavailable: A backend is gone.
        SandboxError: The sandbox is missing or broke.
        BudgetExceeded: The budget is spent.
    """
    tree = parse_dsl(workflow) if isinstance(workflow, str) else workflow
    task = question if isinstance(question, Task) else _task(question, type, context)
    base = checked_setup(setup, director="", executor=executor)
    chosen = replace(base, roster=roster_of(tree) | dict(base.roster))
    async with open_session(chosen, extra) as session:
        execution = await session.execute(tree, task, emit)
    return Ran(execution.draft.answer, execution.ran, execution.usage)


def solve(
    question: str,
    type: TaskType | None = None,  # noqa: A002 - the word users know
    context: str = "",
    *,
    director: str | None = None,
    executor: str | None = None,
    setup: Setup | None = None,
    emit: Emit = ignore,
    extra: Mapping[str, Backend] | None = None,
) -> Solved:
    """Let a Director build a workflow for a question, run it, and wait for the answer. It works in notebooks, too.

    Args:
        question: The question.
        type: `math`, `qa` or `code`.
        context: Passages to answer from.
        director: Who edits; the setup's without it.
        executor: The LLM that runs the operators; the setup's without it.
        setup: Everything else; by default, what `Setup()` says.
        emit: Gets every event as it happens.
        extra: Backends made elsewhere, by the spec that names them.

    Raises:
        ConfigError: A name or the question does not fit.
        BackendUnavailable: A backend is gone.
        SandboxError: The sandbox is missing or broke.
        BudgetExceeded: The budget is spent.

    >>> workflow = "Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done"
    >>> solved = solve("What is 6 times 7?", "math", director=f"dsl:{workflow}", executor="simulated:")
    >>> solved.finished, solved.usage.calls > 0
    (True, True)
    """
    return _waited(
        asolve(question, type, context, director=director, executor=executor, setup=setup, emit=emit, extra=extra)
    )


def run(
    workflow: Workflow | str,
    question: str | Task,
    type: TaskType | None = None,  # noqa: A002 - the word users know
    context: str = "",
    *,
    executor: str | None = None,
    setup: Setup | None = None,
    emit: Emit = ignore,
    extra: Mapping[str, Backend] | None = None,
) -> Ran:
    """Run a fixed workflow on a question, and wait for the answer. It works in notebooks, too.

    Args:
        workflow: A workflow, or its DSL.
        question: The question; or a whole task, which has a type and a context of its own.
        type: `math`, `qa` or `code`.
        context: Passages to answer from.
        executor: The LLM of every step that names none; the setup's without it.
        setup: Everything else; by default, what `Setup()` says.
        emit: Gets every node run as it happens.
        extra: Backends made elsewhere, by the spec that names them.

    Raises:
        ConfigError: A name or the question does not fit.
        DSLError: The DSL does not parse.
        BackendUnavailable: A backend is gone.
        SandboxError: The sandbox is missing or broke.
        BudgetExceeded: The budget is spent.

    >>> [node.operator for node in run("Plan -> Custom", "What is 6 times 7?", "math", executor="simulated:").nodes]
    ['Plan', 'Custom']
    """
    return _waited(arun(workflow, question, type, context, executor=executor, setup=setup, emit=emit, extra=extra))


def _task(question: str, kind: str | None, context: str) -> Task:
    """The task that a call describes.

    Raises:
        ConfigError: The question or the type does not fit.
    """
    if kind is not None and kind not in get_args(TaskType):
        raise ConfigError(
            f"there is no type {kind!r} of tasks.{did_you_mean(str(kind), get_args(TaskType))}",
            f"type is one of {', '.join(get_args(TaskType))}",
        )
    if not isinstance(question, str):
        raise ConfigError(f"the question is a {type(question).__name__}, no text", 'solve("What is 6 times 7?")')
    text = checked_question(question)
    return Task(text, cast("TaskType", kind or guessed_type(text, context).type), context)


def _waited(work: Coroutine[Any, Any, Result]) -> Result:
    """What async work comes to; where an event loop runs already, as in a notebook, it runs in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, work).result()
