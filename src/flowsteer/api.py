"""The Python API: `solve` and `run`, each with an `async` twin.

import flowsteer

result = flowsteer.solve("What is 6 times 7?", type="math")
print(result.answer, flowsteer.to_dsl(result.workflow))
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flowsteer.backends.base import Backend
from flowsteer.runs.events import Emit, NodeRan, ignore
from flowsteer.session import Setup, checked_question, open_session, roster_of
from flowsteer.task import Task, TaskType
from flowsteer.usage import Usage
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Workflow


@dataclass(frozen=True, slots=True)
class Solved:
    """A question answered by a workflow that a Director built.

    Attributes:
        answer: What the workflow produced.
        finished: Whether the Director's own finish was accepted.
        workflow: The workflow.
        turns: Turns taken.
        usage: What Director and operators cost together.
    """

    answer: str
    finished: bool
    workflow: Workflow
    turns: int
    usage: Usage


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


async def asolve(
    question: str,
    type: TaskType = "qa",  # noqa: A002 - the word users know
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
    """
    task = Task(checked_question(question), type, context)
    chosen = _named(setup or Setup(), director=director, executor=executor)
    async with open_session(chosen, extra) as session:
        episode = await session.episode(task, emit)
    ended = episode.ended
    usage = ended.director_usage + ended.executor_usage
    return Solved(ended.answer, ended.finished is True, ended.workflow, ended.turns, usage)


async def arun(
    workflow: Workflow | str,
    question: str | Task,
    type: TaskType = "qa",  # noqa: A002 - the word users know
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
    """
    tree = parse_dsl(workflow) if isinstance(workflow, str) else workflow
    task = question if isinstance(question, Task) else Task(checked_question(question), type, context)
    base = setup or Setup()
    chosen = _named(base, director="", executor=executor, roster=roster_of(tree) | dict(base.roster))
    async with open_session(chosen, extra) as session:
        execution = await session.execute(tree, task, emit)
    return Ran(execution.draft.answer, execution.ran, execution.usage)


def solve(
    question: str,
    type: TaskType = "qa",  # noqa: A002 - the word users know
    context: str = "",
    *,
    director: str | None = None,
    executor: str | None = None,
    setup: Setup | None = None,
    emit: Emit = ignore,
) -> Solved:
    """`asolve`, for code that is not async; see there."""
    return asyncio.run(asolve(question, type, context, director=director, executor=executor, setup=setup, emit=emit))


def run(
    workflow: Workflow | str,
    question: str | Task,
    type: TaskType = "qa",  # noqa: A002 - the word users know
    context: str = "",
    *,
    executor: str | None = None,
    setup: Setup | None = None,
    emit: Emit = ignore,
) -> Ran:
    """`arun`, for code that is not async; see there."""
    return asyncio.run(arun(workflow, question, type, context, executor=executor, setup=setup, emit=emit))


def _named(setup: Setup, **named: Any) -> Setup:
    """The setup with what a call names of its own; what is None it leaves to the setup."""
    return replace(setup, **{name: value for name, value in named.items() if value is not None})
