"""`flowsteer solve`: a Director builds and runs a workflow for one question."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json

if TYPE_CHECKING:
    from flowsteer.runs.events import Event
    from flowsteer.runs.folder import RunFolder
    from flowsteer.session import Setup
    from flowsteer.task import Task


@guarded
def solve(
    question: o.Question,
    kind: o.Kind = "qa",
    context: o.Context = None,
    director: o.DirectorSpec = o.DEFAULT,
    executor: o.ExecutorSpec = o.DEFAULT,
    max_turns: o.MaxTurns = 20,
    run: o.RunDir = None,
    json: o.Json = False,
    library: o.LibraryName = "paper",
    sandbox: o.SandboxTier = "auto",
    backend: o.NodeBackends = None,
    two_step: o.TwoStep = False,
    layout: o.Layout = "conversation",
    director_tokens: o.DirectorTokens = None,
    executor_tokens: o.ExecutorTokens = None,
    seed: o.Seed = 0,
    stream: o.Stream = None,
    no_cache: o.NoCache = False,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_seconds: o.MaxSeconds = None,
    max_cost: o.MaxCost = None,
) -> None:
    """Answer a question with a workflow that a Director builds, edit by edit, on the canvas.

    Needs no account: the default Director and executor are the embedded model
    (`flowsteer models pull smollm2`). Name your own with --director and --executor.
    """
    from dataclasses import replace

    from flowsteer.backends.budget import Caps
    from flowsteer.canvas.canvas import Settings
    from flowsteer.runs.folder import RunFolder
    from flowsteer.session import Setup

    task = o.read_task(question, kind, context)
    setup = Setup(
        director=director,
        executor=executor,
        roster=o.parse_roster(backend),
        library=library,
        sandbox=sandbox,
        layout=layout,
        two_step=two_step,
        canvas=Settings(max_turns=max_turns),
        seed=seed,
        caps=Caps(max_calls, max_tokens, max_seconds, max_cost),
        stream=stream,
    )
    setup = o.with_tokens(setup, director_tokens, executor_tokens)
    folder = run or o.new_run_folder("solve")
    setup = replace(setup, cache=o.cache_for(setup, folder, no_cache))
    with RunFolder.create(folder, solve_config(task, setup)) as record:
        episode = task.digest[:12]
        if episode not in record.entries:
            _work(record, setup, task, episode, folder, quiet=json)
        elif not json:
            _replay(record, episode)
        if json:
            print_json(solved_json(record, episode))
        else:
            note(f"recorded: flowsteer show {folder} {episode}")


def solve_config(task: "Task", setup: "Setup") -> dict[str, Any]:
    """What decides how a solve goes; budgets, streaming and the cache do not."""
    from flowsteer.canvas.episode import task_to_json

    values = asdict(setup) | {"roster": dict(setup.roster)}
    for free in ("caps", "cache", "stream"):
        del values[free]
    return {"command": "solve", "task": task_to_json(task)} | values


def solved_json(record: "RunFolder", episode: str) -> dict[str, Any]:
    """A solved episode as one JSON object, from its record."""
    return {**record.entries[episode].summary, "run": str(record.path), "episode": episode}


def _work(record: "RunFolder", setup: "Setup", task: "Task", episode: str, folder: Path, quiet: bool) -> None:
    writer = record.begin(episode)
    shown = None if quiet else _display()

    def emit(event: "Event") -> None:
        writer.emit(event)
        if shown is not None:
            shown.emit(event)

    try:
        summary = asyncio.run(_episode(setup, task, episode, emit))
    except BaseException:
        writer.abandon()
        note(f"broke off; what was done is kept: run the same command with --run {folder} to go on")
        raise
    writer.commit(summary)


async def _episode(setup: "Setup", task: "Task", episode: str, emit: Any) -> dict[str, Any]:
    from flowsteer.session import open_session
    from flowsteer.workflow.serial import workflow_to_json

    async with open_session(setup) as session:
        result = await session.episode(task, emit, episode)
        ended = result.ended
        usage = {"director": ended.director_usage, "executor": ended.executor_usage}
        return {
            "answer": ended.answer,
            "finished": ended.finished,
            "reason": ended.reason,
            "turns": ended.turns,
            "parsed": result.parsed,
            "accepted": result.accepted,
            "dsl": ended.dsl,
            "workflow": workflow_to_json(ended.workflow),
            "usage": {name: asdict(value) for name, value in usage.items()}
            | {"total": asdict(ended.director_usage + ended.executor_usage)},
            "seconds": ended.seconds,
            "director": setup.director,
            "executor": setup.executor,
            "served": dict(session.served),
        }


def _replay(record: "RunFolder", episode: str) -> None:
    note(f"{record.path} holds this episode already; nothing was run")
    shown = _display()
    for event in record.events(episode):
        shown.emit(event)


def _display() -> Any:
    from rich.console import Console

    from flowsteer.cli.live import Display

    return Display(Console())
