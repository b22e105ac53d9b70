"""Options that several commands share, and how they become a `Setup`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowsteer.cli.inputs import is_folder
from flowsteer.cli.shell_completion import backend_names, run_folders
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.session import Setup

TaskKind = Literal["math", "qa", "code"]

Question = Annotated[str, typer.Argument(help="The question, or - to read it from standard input.", show_default=False)]
OptionalQuestion = Annotated[
    str | None, typer.Argument(help="The question, or - to read it from standard input.", show_default=False)
]
Kind = Annotated[
    TaskKind | None,
    typer.Option("--type", help="What kind of answer is asked for; guessed without it, and told.", show_default=False),
]
Context = Annotated[Path | None, typer.Option("--context", help="File with passages to answer from.")]
DirectorSpec = Annotated[
    str | None,
    typer.Option(
        "--director",
        envvar="FLOWSTEER_DIRECTOR",
        autocompletion=backend_names,
        help="Who edits the workflow: pretrained (comes along; the default), a backend (see flowsteer backends), the "
        "folder of a training run, human, script:FILE, dsl:WORKFLOW (or fixed:WORKFLOW), simulated: for random edits.",
        show_default=False,
    ),
]
ExecutorSpec = Annotated[
    str | None,
    typer.Option(
        "--executor",
        envvar="FLOWSTEER_EXECUTOR",
        autocompletion=backend_names,
        help="The LLM that runs the operators: a backend (see flowsteer backends); by default the most able model on "
        "this machine.",
        show_default=False,
    ),
]
MaxTurns = Annotated[
    int | None,
    typer.Option(
        "--max-turns",
        min=1,
        max=200,
        help="Most turns of the Director; 20 without it, or as many as a trained one had in training.",
        show_default=False,
    ),
]
MinSteps = Annotated[
    int | None,
    typer.Option("--min-steps", min=0, help="Fewest operators before a finish; as --finish says.", show_default=False),
]
MaxSteps = Annotated[
    int | None,
    typer.Option("--max-steps", min=1, help="Most operators of a workflow; 24 without it.", show_default=False),
]
FinishRule = Annotated[
    Literal["any", "paper", "skeleton"] | None,
    typer.Option(
        "--finish",
        help="When a workflow may be finished: any (with one operator), paper (5 operators, a check, a structure; the "
        "default), skeleton (6 operators, a check, a structure, a formatting operator: what the reward asks for).",
        show_default=False,
    ),
]
CanvasSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any other setting of the canvas, such as max_rejected=2 or feedback=status."
    ),
]
RunDir = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="Run folder; the same command on it resumes. A new one under runs/ without it.",
        show_default=False,
        autocompletion=run_folders,
    ),
]


def run_argument(about: str, metavar: str | None = None) -> Any:
    """An argument that names a run folder; one that is not there is a wrong input.

    Args:
        about: What the help says of it.
        metavar: How the help writes it.
    """
    return typer.Argument(
        help=about,
        metavar=metavar,
        autocompletion=run_folders,
        show_default=False,
        callback=_there,
    )


def _there(named: Any) -> Any:
    """The folder or folders that an argument names.

    Raises:
        ConfigError: One is not there.
    """
    for folder in named if isinstance(named, list) else [named]:
        if folder is not None and not is_folder(str(folder)):
            raise ConfigError(f"there is no folder {folder}", "flowsteer runs list lists the runs below runs/")
    return named


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
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every draw.")]
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

SMALL_DIRECTOR_TOKENS = 256
"""Default for embedded models, whose context and speed are small."""

FINISH: Mapping[str, Mapping[str, object]] = {
    "any": {"min_steps": 1, "needs": (), "needs_structure": False},
    "paper": {"min_steps": 5, "needs": ("verification",), "needs_structure": True},
    "skeleton": {"min_steps": 6, "needs": ("verification", "formatting"), "needs_structure": True},
}
"""When a workflow may be finished, by the words of `--finish`."""


def canvas_asked(
    max_turns: int | None = None,
    min_steps: int | None = None,
    max_steps: int | None = None,
    finish: str | None = None,
    two_step: bool = False,
    settings: Sequence[str] = (),
) -> dict[str, object]:
    """What was asked of the canvas, by name; the rest is the Director's own, or the paper's.

    Args:
        max_turns: `--max-turns`.
        min_steps: `--min-steps`.
        max_steps: `--max-steps`.
        finish: `--finish`.
        two_step: `--two-step`.
        settings: `--set`, each as `KEY=VALUE`.

    Raises:
        ConfigError: There is no such setting, or a value does not fit.
    """
    from flowsteer.canvas.canvas import Settings
    from flowsteer.settings import check, to_json

    named = {"max_turns": max_turns, "min_steps": min_steps, "max_steps": max_steps, "two_step": two_step or None}
    plain = {**FINISH.get(finish or "", {}), **{name: value for name, value in named.items() if value is not None}}
    whole = to_json(check(Settings, plain, "the canvas", settings))
    return {name: whole[name] for name in (*plain, *(re.split(r"[.=]", one)[0].strip() for one in settings))}


def chosen_director(named: str | None) -> str:
    """The Director's spec; of the one that comes along, with the hash of its weights, so that a record tells them.

    Args:
        named: What the user named, if anything.
    """
    from flowsteer.director.spec_options import PRETRAINED

    spec = named or PRETRAINED
    if re.match(rf"{PRETRAINED}(\?|$)", spec):
        from flowsteer.pretrained.weights_card import packed_card

        spec = spec.replace(PRETRAINED, f"{PRETRAINED}#{packed_card().name}", 1)
    return spec


def chosen_executor(named: str | None) -> str:
    """The executor's spec.

    Args:
        named: What the user named, if anything.
    """
    from flowsteer.backends.models import default_executor

    return named or default_executor()


def tell_chosen(guessed: str = "", **chosen: tuple[str | None, str]) -> None:
    """Tell the user what was chosen where nothing was named.

    Args:
        guessed: What was guessed of the task, if anything.
        chosen: For each option what the user named, if anything, and what is taken.
    """
    from flowsteer.cli.verbosity import tell

    if guessed:
        tell(guessed)
    for option, (named, taken) in chosen.items():
        if not named:
            tell(f"{option}: {taken} (--{option} names another)")


def told_type(kind: str, named: str | None) -> dict[str, object]:
    """What a result says of the type of its task.

    Args:
        kind: The type.
        named: The type that the user named, if any.
    """
    return {"type": kind, "type_guessed": named is None}


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


def caps_asked(
    calls: int | None, tokens: int | None, seconds: float | None, cost: float | None
) -> dict[str, float | None]:
    """The budget that options ask for, as `Caps` has it.

    Args:
        calls: `--max-calls`.
        tokens: `--max-tokens`.
        seconds: `--max-seconds`.
        cost: `--max-cost`.
    """
    return {"calls": calls, "tokens": tokens, "seconds": seconds, "cost": cost}


def with_sampling(
    setup: "Setup", director: int | None, executor: int | None, temperature: float | None = None
) -> "Setup":
    """The setup with limits on new tokens, as asked or as fits the model, and the temperature of its operators.

    Raises:
        ConfigError: A value does not fit.
    """
    from flowsteer.backends.models import reply_tokens
    from flowsteer.session import checked_setup

    if director is None and setup.director.startswith("llamacpp:"):
        director = SMALL_DIRECTOR_TOKENS
    if executor is None:
        executor = reply_tokens(setup.executor)
    asked: dict[str, dict[str, Any]] = {
        "director_sampling": {"max_tokens": director},
        "executor_sampling": {"max_tokens": executor, "temperature": temperature},
    }
    return checked_setup(setup, **{name: on_top(getattr(setup, name), values) for name, values in asked.items()})


def on_top(record: Any, asked: Mapping[str, object]) -> dict[str, object]:
    """The plain values of a record, with those on top that were asked for.

    Args:
        record: A dataclass.
        asked: Values by name; None for what was not asked for.
    """
    return asdict(record) | {name: value for name, value in asked.items() if value is not None}
