"""`flowsteer solve`: a Director builds and runs a workflow for one question."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, say, tell_faults
from flowsteer.cli.exit_codes import NO_ANSWER
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.for_programs import ForPrograms
from flowsteer.cli.tracked import figures_of_one, followed
from flowsteer.cli.verbosity import is_quiet
from flowsteer.cli.viewer import check_view_extra, shown

if TYPE_CHECKING:
    from pathlib import Path

    from flowsteer.runs.events import Emit, Event
    from flowsteer.runs.folder import Listener, RunFolder
    from flowsteer.runs.summary import EpisodeSummary
    from flowsteer.session import Setup
    from flowsteer.task import Task
    from flowsteer.viewing.seat import Seat

OFFLINE = ("pretrained", "simulated:", "script:", "dsl:", "fixed:", "human")
"""Specs that cost nothing to ask again."""


@guarded
def solve(
    question: o.Question,
    kind: o.Kind = None,
    context: o.Context = None,
    director: o.DirectorSpec = None,
    executor: o.ExecutorSpec = None,
    max_turns: o.MaxTurns = None,
    min_steps: o.MinSteps = None,
    max_steps: o.MaxSteps = None,
    finish: o.FinishRule = None,
    settings: o.CanvasSettings = None,
    run: o.RunDir = None,
    json: o.Json = False,
    events: o.Events = False,
    allow_unfinished: o.AllowUnfinished = False,
    library: o.LibraryName = "paper",
    sandbox: o.SandboxTier = "auto",
    backend: o.NodeBackends = None,
    two_step: o.TwoStep = False,
    layout: o.Layout = "conversation",
    constrained: o.Constrained = None,
    director_tokens: o.DirectorTokens = None,
    executor_tokens: o.ExecutorTokens = None,
    temperature: o.Temperature = None,
    seed: o.Seed = 0,
    stream: o.Stream = None,
    no_cache: o.NoCache = False,
    no_requests: o.NoRequests = False,
    fail_fast: o.FailFast = False,
    view: o.View = False,
    trace: o.Trace = False,
    report_to: o.ReportTo = None,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_seconds: o.MaxSeconds = None,
    max_cost: o.MaxCost = None,
) -> None:
    """Build and run a workflow for one question, edit by edit.

    A Director edits the workflow on the canvas; every edit is checked and run at once. It needs no account: the default
    Director comes with this package, the default executor is the most able model here (see flowsteer models).

    \b
    Examples:
      flowsteer solve - --context notes.txt --director openai:gpt-5-mini < question.txt
    """  # noqa: D301 - \b keeps the lines of the examples apart
    from flowsteer.cli.inputs import read_task
    from flowsteer.session import checked_setup

    task, guessed = read_task(question, kind, context)
    setup = checked_setup(
        None,
        director=o.chosen_director(director),
        executor=o.chosen_executor(executor),
        roster=o.parse_roster(backend),
        library=library,
        sandbox=sandbox,
        layout=layout,
        constrained=constrained,
        canvas=o.canvas_asked(max_turns, min_steps, max_steps, finish, two_step, settings or []),
        seed=seed,
        caps=o.caps_asked(max_calls, max_tokens, max_seconds, max_cost),
        stream=stream,
    )
    setup = o.with_sampling(setup, director_tokens, executor_tokens, temperature)
    folder, asked = run or new_run_folder("solve"), ForPrograms(json, events)
    seats = _seats(task.digest[:12]) if view and director == "human" else {}
    chosen = {"director": (director, setup.director), "executor": (executor, setup.executor)}
    connected, told = partial(o.tell_chosen, guessed, **chosen), o.told_type(task.type, kind)
    with shown(folder, view, seats), followed(folder, trace, report_to, asked.listener(), setup) as (hear, track):
        summary = _solve(folder, setup, task, told, asked, hear, (no_cache, no_requests), fail_fast, seats, connected)
        track(figures_of_one(summary), 1)
    tell_faults(folder)
    if not allow_unfinished:
        _check_finished(summary)


def _seats(episode: str) -> "dict[str, Seat]":
    """The seat that a person takes in the browser."""
    check_view_extra()
    from flowsteer.viewing.seat import Seat

    return {episode: Seat()}


def _solve(
    folder: "Path",
    setup: "Setup",
    task: "Task",
    told: dict[str, Any],
    asked: ForPrograms,
    hear: "Listener",
    unkept: tuple[bool, bool],
    fail_fast: bool,
    seats: "Mapping[str, Seat]",
    connected: Callable[[], None],
) -> "EpisodeSummary":
    """Solve into a folder; `told` goes into the result, `unkept` says whether replies, and requests, are not kept."""
    from flowsteer.runs.folder import RunFolder

    with RunFolder.create(folder, _config(task, setup), hear) as record:
        no_replies, no_requests = unkept
        if not no_replies and not _is_offline(setup):
            setup = replace(setup, cache=record.replies)
        if not no_requests:
            setup = replace(setup, requests=record.requests)
        episode = task.digest[:12]
        if episode not in record.entries:
            _work(record, setup, task, episode, bool(asked) or is_quiet(), fail_fast, seats.get(episode), connected)
        elif not asked and not is_quiet():
            _replay(record, episode)
        summary = record.entries[episode].summary
        if asked:
            asked.result(_printed(record, episode) | told)
        elif is_quiet():
            say(summary.answer)
        else:
            note(f"recorded: flowsteer show {record.path}")
    return summary


def _check_finished(summary: "EpisodeSummary") -> None:
    """End with `NO_ANSWER` if there is no answer, or the Director did not finish.

    Raises:
        typer.Exit: It is so.
    """
    if summary.answer.strip() and summary.finished is not False:
        return
    found = "no answer" if not summary.answer.strip() else "an answer, but the Director did not finish"
    note(f"{found}: {summary.ended} after {summary.turns} turns (exit code {NO_ANSWER})")
    note("  try: another --director, more --max-turns, --allow-unfinished to take it as it is, or flowsteer run")
    raise typer.Exit(NO_ANSWER)


def _config(task: "Task", setup: "Setup") -> dict[str, Any]:
    """What decides how a solve goes."""
    from flowsteer.session import deciding
    from flowsteer.task import task_to_json

    return {"command": "solve", "task": task_to_json(task)} | deciding(setup)


def _is_offline(setup: "Setup") -> bool:
    return all(spec.startswith(OFFLINE) for spec in (setup.director, setup.executor, *setup.roster.values()))


def _work(
    record: "RunFolder",
    setup: "Setup",
    task: "Task",
    episode: str,
    quiet: bool,
    fail_fast: bool,
    seat: "Seat | None",
    connected: Callable[[], None],
) -> None:
    """Run the episode and add it to the record; what breaks off can be resumed, and says how."""
    import asyncio

    from flowsteer.runs.events import stop_at_faults

    writer = record.begin(episode)
    try:
        with _silent() if quiet else _shown() as show:

            def emit(event: "Event") -> None:
                writer.emit(event)
                show(event)

            strict = stop_at_faults(emit) if fail_fast else emit
            summary = asyncio.run(_episode(record.path, setup, task, episode, strict, seat, connected))
    except BaseException as error:  # Ctrl-C, too: whatever ended it says how to go on
        if writer.abandon():
            error.add_note(f"what was done is kept; to go on, add --run {record.path} to the same command")
        else:
            record.discard_if_new()
        raise
    writer.commit(summary)


async def _episode(
    run: "Path",
    setup: "Setup",
    task: "Task",
    episode: str,
    emit: "Emit",
    seat: "Seat | None",
    connected: Callable[[], None],
) -> "EpisodeSummary":
    """Run the episode; what comes back is its entry in the record."""
    from flowsteer.backends.ledger import resume_account
    from flowsteer.runs.summary import Tally
    from flowsteer.session import open_session

    tally = Tally()

    def watch(event: "Event") -> None:
        tally.see(event)
        emit(event)

    async with open_session(setup) as session:
        resume_account(session.budget, run)
        connected()
        if seat is not None:
            seat.connect = session.connect_director
            session = replace(session, director=seat)
        await session.episode(task, watch, episode)
    if seat is not None:
        seat.over = True
    return tally.summary(f"director:{setup.director}", seed=setup.seed, served=session.served)


def _printed(record: "RunFolder", episode: str) -> dict[str, Any]:
    """What --json prints."""
    from flowsteer.runs.events import EpisodeEnded
    from flowsteer.workflow.serial import workflow_to_json

    summary = record.entries[episode].summary
    ended = next(event for event in record.events(episode) if isinstance(event, EpisodeEnded))
    usage = {
        "director": ended.director_usage,
        "executor": ended.executor_usage,
        "total": ended.director_usage + ended.executor_usage,
    }
    return {
        "answer": ended.answer,
        "finished": ended.finished,
        "reason": ended.reason,
        "turns": ended.turns,
        "parsed": summary.parsed,
        "accepted": summary.accepted,
        "dsl": ended.dsl,
        "workflow": workflow_to_json(ended.workflow),
        "usage": {name: asdict(value) for name, value in usage.items()},
        "seconds": ended.seconds,
        "director": summary.director,
        "executor": summary.executor,
        "served": dict(summary.served),
        "run": str(record.path),
        "episode": episode,
    }


@contextmanager
def _shown() -> "Iterator[Emit]":
    """Events are shown on standard output as they happen."""
    from flowsteer.cli.live import Display
    from flowsteer.cli.terminal import Terminal
    from flowsteer.cli.waiting import Waiting

    console = Terminal()
    display = Display(console)
    with Waiting(console) as waiting:

        def show(event: "Event") -> None:
            display.emit(event)
            waiting.emit(event)

        yield show


@contextmanager
def _silent() -> "Iterator[Emit]":
    """Nothing is shown, and whatever a Director or an operator prints keeps out of standard output."""
    from flowsteer.runs.events import ignore

    with redirect_stdout(sys.stderr):
        yield ignore


def _replay(record: "RunFolder", episode: str) -> None:
    from flowsteer.cli.live import Display
    from flowsteer.cli.terminal import Terminal

    note(f"{record.path} holds this episode already; nothing was run")
    display = Display(Terminal())
    for event in record.events(episode):
        display.emit(event)
