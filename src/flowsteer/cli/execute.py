"""`flowsteer run`: run a fixed workflow, from DSL, JSON or a file, on one question."""

import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, say
from flowsteer.cli.exit_codes import FAULT, NO_ANSWER
from flowsteer.cli.for_programs import ForPrograms
from flowsteer.cli.verbosity import is_quiet
from flowsteer.errors import ConfigError, WorkflowError

if TYPE_CHECKING:
    from flowsteer.execution.executor import Execution
    from flowsteer.session import Setup
    from flowsteer.task import Task
    from flowsteer.workflow.nodes import Workflow


@guarded
def run(
    workflow: Annotated[
        str | None,
        typer.Argument(
            help="DSL text (dsl: or fixed: may stand before it), a file with DSL or JSON, or library:NAME.",
            show_default=False,
        ),
    ] = None,
    question: o.OptionalQuestion = None,
    workflow_option: Annotated[str | None, typer.Option("--workflow", hidden=True)] = None,
    question_option: Annotated[str | None, typer.Option("--question", hidden=True)] = None,
    kind: o.Kind = None,
    context: o.Context = None,
    executor: o.ExecutorSpec = None,
    json: o.Json = False,
    events: o.Events = False,
    allow_unfinished: o.AllowUnfinished = False,
    library: o.WorkflowLibrary = None,
    sandbox: o.SandboxTier = "auto",
    backend: o.NodeBackends = None,
    executor_tokens: o.ExecutorTokens = None,
    temperature: o.Temperature = None,
    seed: o.Seed = 0,
    stream: o.Stream = None,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_seconds: o.MaxSeconds = None,
    max_cost: o.MaxCost = None,
) -> None:
    """Run a fixed workflow on a question.

    \b
    Examples:
      flowsteer run "Programmer -> Format" "What is 6 times 7?" --type math
      flowsteer run workflow.json - < question.txt
    """  # noqa: D301 - \b keeps the lines of the examples apart
    import asyncio

    from flowsteer.cli.inputs import operators_of, read_task, read_workflow
    from flowsteer.session import checked_setup, roster_of
    from flowsteer.workflow.dsl import to_dsl

    source, asking = _arguments([workflow, question], workflow_option, question_option)
    tree = read_workflow(source)
    if not tree.nodes:
        raise WorkflowError("the workflow is empty", 'name one operator or more: "Plan -> Programmer"')
    task, guessed = read_task(asking, kind, context)
    setup = checked_setup(
        None,
        director="",
        executor=o.chosen_executor(executor),
        roster=roster_of(tree) | o.parse_roster(backend),
        library=library or operators_of(source),
        sandbox=sandbox,
        seed=seed,
        caps=o.caps_asked(max_calls, max_tokens, max_seconds, max_cost),
        stream=stream,
    )
    asked = ForPrograms(json, events)
    hear = asked.listener()
    with redirect_stdout(sys.stderr) if asked else nullcontext():  # an operator may print
        setup = o.with_sampling(setup, None, executor_tokens, temperature)
        connected = partial(o.tell_chosen, guessed, executor=(executor, setup.executor))
        execution = asyncio.run(_execute(setup, tree, task, hear, connected))
    if asked:
        nodes = [_node(record) for record in execution.ran]
        usage = asdict(execution.usage)
        result = {"answer": execution.draft.answer, "dsl": to_dsl(tree), "nodes": nodes, "usage": usage}
        asked.result(result | o.told_type(task.type, kind))
    elif is_quiet():
        say(execution.draft.answer)
    else:
        _print(tree, execution)
    _check(execution, allow_unfinished)


def _arguments(given: list[str | None], workflow: str | None, question: str | None) -> tuple[str, str]:
    """Workflow and question, from the arguments or by the options that stood for them before.

    Args:
        given: The arguments.
        workflow: What `--workflow` says.
        question: What `--question` says.

    Raises:
        ConfigError: One is missing, or there is one too many.
    """
    if workflow is not None or question is not None:
        note("note: --workflow and --question are going away; write: flowsteer run WORKFLOW QUESTION")
    left = [one for one in given if one is not None]
    words = [one if one is not None else left.pop(0) if left else None for one in (workflow, question)]
    if left:
        raise ConfigError(f"{left[0]!r} is one argument too many", "flowsteer run WORKFLOW QUESTION")
    if words[0] is None or words[1] is None:
        missing = "workflow" if words[0] is None else "question"
        raise ConfigError(f"the {missing} is missing", 'flowsteer run "Programmer -> Format" "What is 6 times 7?"')
    return words[0], words[1]


def _check(execution: "Execution", allow_unfinished: bool) -> None:
    """End with `FAULT` if an operator's own code failed, and with `NO_ANSWER` without an answer.

    Raises:
        typer.Exit: It is so.
    """
    from flowsteer.runs.failure import UNEXPECTED

    failures = [record.failure for record in execution.ran if record.failure is not None]
    for failure in failures:
        if failure.kind == UNEXPECTED:
            note(f"{failure.place} failed by a fault of its own code:\n{failure.trace.rstrip()}")
            raise typer.Exit(FAULT)
    if not execution.draft.answer.strip() and not allow_unfinished:
        why = f": {failures[-1].message}" if failures else ""
        note(f"no answer{why} (exit code {NO_ANSWER})")
        note("  try: another workflow or --executor, or --allow-unfinished to take it as it is")
        raise typer.Exit(NO_ANSWER)


async def _execute(
    setup: "Setup",
    tree: "Workflow",
    task: "Task",
    hear: Callable[[str, str], None],
    connected: Callable[[], None],
) -> "Execution":
    from flowsteer.runs.event_json import event_line
    from flowsteer.session import open_session

    async with open_session(setup) as session:
        session.refuse_broken(tree)
        connected()
        return await session.execute(tree, task, lambda event: hear("", event_line(event)))


def _node(record: Any) -> dict[str, Any]:
    from flowsteer.runs.event_json import event_to_json

    plain = event_to_json(record)
    return {name: value for name, value in plain.items() if name not in ("kind", "turn")}


def _print(tree: "Workflow", execution: "Execution") -> None:
    from rich.panel import Panel
    from rich.text import Text

    from flowsteer.cli.live import WIDTH, print_tree
    from flowsteer.cli.terminal import Terminal
    from flowsteer.workflow.nodes import NodeId

    console = Terminal()
    width = WIDTH if console.is_terminal else console.width
    print_tree(console, tree, {NodeId(record.node): record for record in execution.ran}, set(), width)
    answer = Text(execution.draft.answer or "(none)")
    console.print(
        Panel(answer, title="Answer", title_align="left", border_style="green", width=min(WIDTH, console.width))
    )
    usage = execution.usage
    note(f"{usage.calls} calls, {usage.prompt_tokens:,} tokens read, {usage.completion_tokens:,} written")
