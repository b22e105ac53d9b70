"""`flowsteer serve`: systems behind an OpenAI-compatible endpoint."""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.collector import calm
from flowsteer.cli.console import guarded, heed_ctrl_c, note, say
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.tracing import traced
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.runs.folder import Listener
    from flowsteer.session import Setup

KEY = "FLOWSTEER_API_KEY"


Served = Annotated[
    list[str] | None,
    typer.Option(
        "--system",
        help="direct, cot, sc:N, refine, fixed:DSL (or dsl:DSL), library:NAME, director:SPEC; each also as NAME=SPEC; "
        "repeat. Each is a model.",
    ),
]

RequestKind = Annotated[
    o.TaskKind | None,
    typer.Option(
        "--type", help="Type of tasks whose request names none; guessed without it, and told.", show_default=False
    ),
]


@guarded
def serve(
    system: Served = None,
    executor: o.ExecutorSpec = None,
    host: Annotated[
        str, typer.Option("--host", help=f"Address to listen at; beyond this machine {KEY} must be set.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 8000,
    run: o.RunDir = None,
    kind: RequestKind = None,
    max_turns: o.MaxTurns = None,
    min_steps: o.MinSteps = None,
    max_steps: o.MaxSteps = None,
    finish: o.FinishRule = None,
    settings: o.CanvasSettings = None,
    seed: o.Seed = 0,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Episodes at once.")] = 8,
    queue: Annotated[int, typer.Option("--queue", min=0, help="Most requests that wait; others get 429.")] = 64,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.001, help="Most seconds of a request; then 504.")
    ] = 600.0,
    max_body: Annotated[int, typer.Option("--max-body", min=1, help="Most bytes of a request; else 413.")] = 2_000_000,
    library: o.LibraryName = "paper",
    sandbox: o.SandboxTier = "auto",
    backend: o.NodeBackends = None,
    two_step: o.TwoStep = False,
    layout: o.Layout = "conversation",
    constrained: o.Constrained = None,
    director_tokens: o.DirectorTokens = None,
    executor_tokens: o.ExecutorTokens = None,
    temperature: o.Temperature = None,
    stream: o.Stream = None,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_cost: o.MaxCost = None,
    no_requests: o.NoRequests = False,
    trace: o.Trace = False,
) -> None:
    """Serve systems to OpenAI's clients until Ctrl-C; every answer is an episode in the run folder.

    Prints its address when it is ready. Clients must show the key in FLOWSTEER_API_KEY, if it is set.

    \b
    Examples:
      flowsteer serve --system cot --system "director:openai:gpt-5-mini" --executor openai:gpt-5-mini
      flowsteer serve --system "fixed:Plan -> Custom" --executor simulated: --port 0
    """  # noqa: D301 - \b keeps the lines of the examples apart
    from flowsteer.runs.folder import unheard
    from flowsteer.runs.request_store import FILE as REQUESTS
    from flowsteer.session import checked_setup

    systems = system or ["direct"]
    if director_tokens is None and any("director:llamacpp:" in spec for spec in systems):
        director_tokens = o.SMALL_DIRECTOR_TOKENS
    setup = checked_setup(
        None,
        director="",
        executor=o.chosen_executor(executor),
        roster=o.parse_roster(backend),
        library=library,
        sandbox=sandbox,
        layout=layout,
        constrained=constrained,
        canvas=o.canvas_asked(max_turns, min_steps, max_steps, finish, two_step, settings or []),
        seed=seed,
        caps=o.caps_asked(max_calls, max_tokens, None, max_cost),
        stream=stream,
    )
    setup = o.with_sampling(setup, director_tokens, executor_tokens, temperature)
    o.tell_chosen(executor=(executor, setup.executor))
    folder = run or new_run_folder("serve")
    if not no_requests:
        setup = replace(setup, requests=(folder / REQUESTS).absolute())
    with traced(folder, trace, unheard) as hear:
        _serve(systems, setup, folder, host, port, kind, (concurrency, queue, max_body, timeout), hear)


def _serve(
    systems: list[str],
    setup: "Setup",
    folder: Path,
    host: str,
    port: int,
    kind: o.TaskKind | None,
    limits: tuple[int, int, int, float],
    hear: "Listener",
) -> None:
    import asyncio

    missing = [name for name in ("fastapi", "uvicorn", "prometheus_client") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"serving needs {', '.join(missing)}", "pip install 'flowsteer[serve]'")
    from flowsteer.serving.admission import ServeLimits
    from flowsteer.serving.server import ServeSettings, serve

    settings = ServeSettings(
        systems=tuple(systems),
        setup=setup,
        run=folder,
        host=host,
        port=port,
        key=os.environ.get(KEY, "").strip(),
        limits=ServeLimits(*limits),
        type=kind,
    )
    heed_ctrl_c()
    calm()

    def ready(address: str) -> None:
        note(f"episodes are recorded in {folder}")
        say(address)

    asyncio.run(serve(settings, ready, listener=hear))
