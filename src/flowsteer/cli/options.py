"""Options that several commands share, and how they become a `Setup`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowsteer.cli.shell_completion import backend_names, run_folders
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.session import Setup

TaskKind = Literal["math", "qa", "code"]

Question = Annotated[str, typer.Argument(help="The question, or - to read it from standard input.", show_default=False)]
OptionalQuestion = Annotated[
    str | None, typer.Argument(help="The question, or - to read it from standard input.", show_default=False)
]
Kind = Annotated[TaskKind, typer.Option("--type", help="What kind of answer is asked for.")]
Context = Annotated[Path | None, typer.Option("--context", help="File with passages to answer from.")]
DirectorSpec = Annotated[
    str,
    typer.Option(
        "--director",
        envvar="FLOWSTEER_DIRECTOR",
        autocompletion=backend_names,
        help="Who edits the workflow: a backend (see flowsteer backends), human, script:FILE, dsl:WORKFLOW (or "
        "fixed:WORKFLOW), or simulated: for random edits.",
    ),
]
ExecutorSpec = Annotated[
    str,
    typer.Option(
        "--executor",
        envvar="FLOWSTEER_EXECUTOR",
        autocompletion=backend_names,
        help="The LLM that runs the operators: a backend (see flowsteer backends).",
    ),
]
MaxTurns = Annotated[int, typer.Option("--max-turns", min=1, max=200, help="Most turns of the Director.")]
RunDir = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="Run folder; the same command on it resumes. A new one under runs/ without it.",
        show_default=False,
        autocompletion=run_folders,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")]
Events = Annotated[
    bool, typer.Option("--events", help="Print what happens as JSON lines while it runs; the result is the last line.")
]
AllowUnfinished = Annotated[
    bool, typer.Option("--allow-unfinished", help="End with 0 without an answer, or when the Director did not finish.")
]
LibraryName = Annotated[str, typer.Option("--library", help="Operator library; a+b joins two, a:X,Y takes two of one.")]
WorkflowLibrary = Annotated[
    str | None,
    typer.Option("--library", help="Operator library; that of a library:NAME, else paper.", show_default=False),
]
SandboxTier = Annotated[
    Literal["auto", "monty", "bubblewrap", "container"],
    typer.Option(
        "--sandbox",
        help="Where model-written code runs; auto is monty, and full Python in a sandbox where monty lacks.",
    ),
]
NodeBackends = Annotated[
    list[str] | None,
    typer.Option("--backend", metavar="NAME=SPEC", help="A backend that single nodes may name; can be repeated."),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every draw.")]
DirectorTokens = Annotated[int | None, typer.Option("--director-tokens", min=1, help="Most new tokens of a turn.")]
ExecutorTokens = Annotated[
    int | None, typer.Option("--executor-tokens", min=1, help="Most new tokens of one call of an operator.")
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature", min=0, help="At which operators draw; a Director's stands behind its spec: ?temperature=0.5."
    ),
]
TwoStep = Annotated[bool, typer.Option("--two-step", help="Ask for each node's instruction in a turn of its own.")]
Layout = Annotated[
    Literal["conversation", "rebuilt", "lenient"],
    typer.Option(
        "--layout",
        help="How an LLM Director sees the episode: all turns so far, or the state rebuilt; lenient is the state with "
        "the last turns, and mends its replies.",
    ),
]
Constrained = Annotated[
    bool | None,
    typer.Option(
        "--constrained/--free",
        help="Hold an LLM Director to legal actions while it decodes; by default wherever the backend can.",
        show_default=False,
    ),
]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="Take replies in pieces or whole; as suits the provider without it.",
        show_default=False,
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep no replies: a resumed run asks everything again.")]
NoRequests = Annotated[bool, typer.Option("--no-requests", help="Keep nothing of what is sent to LLMs in the record.")]
FailFast = Annotated[
    bool, typer.Option("--fail-fast", help="Stop when code of an operator or a grader fails, instead of going on.")
]
View = Annotated[
    bool, typer.Option("--view", help="Show the run in the browser as it grows; afterwards until Ctrl-C at a terminal.")
]
Trace = Annotated[
    bool,
    typer.Option("--trace", help="Send spans to the OpenTelemetry collector that OTEL_EXPORTER_OTLP_ENDPOINT names."),
]
ReportTo = Annotated[
    list[str] | None,
    typer.Option(
        "--report-to", metavar="NAME", help="Tracker of figures: trackio, wandb, mlflow, tensorboard; repeat."
    ),
]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", min=1, help="Budget: calls of all models.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, help="Budget: tokens read and written.")]
MaxSeconds = Annotated[float | None, typer.Option("--max-seconds", min=0, help="Budget: seconds of wall time.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost", min=0, help="Budget: US dollars.")]

DEFAULT = "llamacpp:smollm2"

SMALL_DIRECTOR_TOKENS, SMALL_EXECUTOR_TOKENS = 256, 192
"""Defaults for embedded models, whose context and speed are small."""


def parse_roster(items: list[str] | None) -> dict[str, str]:
    """`NAME=SPEC` options as a roster.

    Raises:
        ConfigError: An item has no name or no spec.
    """
    roster: dict[str, str] = {}
    for item in items or []:
        name, _, spec = item.partition("=")
        if not name or not spec:
            raise ConfigError(f"--backend takes NAME=SPEC, not {item!r}", "--backend big=openai:gpt-5-mini")
        roster[name] = spec
    return roster


def with_sampling(
    setup: "Setup", director: int | None, executor: int | None, temperature: float | None = None
) -> "Setup":
    """The setup with limits on new tokens, as asked or as fits the model, and the temperature of its operators."""
    if director is None and setup.director.startswith("llamacpp:"):
        director = SMALL_DIRECTOR_TOKENS
    if executor is None and setup.executor.startswith("llamacpp:"):
        executor = SMALL_EXECUTOR_TOKENS
    if director is not None:
        setup = replace(setup, director_sampling=replace(setup.director_sampling, max_tokens=director))
    if executor is not None:
        setup = replace(setup, executor_sampling=replace(setup.executor_sampling, max_tokens=executor))
    if temperature is not None:
        setup = replace(setup, executor_sampling=replace(setup.executor_sampling, temperature=temperature))
    return setup
