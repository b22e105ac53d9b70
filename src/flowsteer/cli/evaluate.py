"""`flowsteer eval`: systems side by side on the same tasks; `report`, `score` and `swap` look at a run again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowsteer.cli import options as o
from flowsteer.cli.collector import calm
from flowsteer.cli.console import guarded, note, print_json, resumable, say, tell_faults
from flowsteer.cli.evaluation_options import read_options
from flowsteer.cli.exit_codes import INCOMPLETE
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.for_programs import ForPrograms
from flowsteer.cli.progress_display import progress_display
from flowsteer.cli.shell_completion import dataset_names
from flowsteer.cli.tracked import Track, at_times, figures_of, followed
from flowsteer.cli.verbosity import tell
from flowsteer.cli.viewer import shown
from flowsteer.errors import ConfigError

if TYPE_CHECKING:
    from flowsteer.evaluation.evaluation_config import EvaluationConfig
    from flowsteer.evaluation.progress import Progress
    from flowsteer.runs.folder import Listener

Data = Annotated[Path | None, typer.Option("--data", help="Folder of NAME.jsonl files to read instead of downloading.")]
JobEngine = Annotated[Literal["local", "ray"], typer.Option("--engine", help="Where episodes run.")]
Concurrency = Annotated[int, typer.Option("--concurrency", min=1, help="Episodes at once.")]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", help="Ablation of director systems: canvas, multi-turn, prompts, agent; repeat."),
]
Datasets = Annotated[
    list[str], typer.Argument(help="Datasets, or one TOML file that says it all.", autocompletion=dataset_names)
]
Systems = Annotated[
    list[str] | None,
    typer.Option(
        "--system",
        help="direct, cot, sc:N, refine, fixed:DSL (or dsl:DSL), library:NAME, fixed:best, search, director:SPEC; each "
        "also as NAME=SPEC; repeat.",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Most tasks of each dataset.")]
Epochs = Annotated[int, typer.Option("--epochs", min=1, help="Times each task is run.")]
Split = Annotated[str, typer.Option("--split", help="Split to test on.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as max_steps=12.")
]
EvaluationRun = Annotated[Path, o.run_argument("Run folder of an evaluation.")]


@guarded
def evaluate(
    context: typer.Context,
    datasets: Datasets,
    system: Systems = None,
    data: Data = None,
    executor: o.ExecutorSpec = None,
    limit: Limit = None,
    run: o.RunDir = None,
    json: o.Json = False,
    events: o.Events = False,
    library: o.LibraryName = "paper",
    sandbox: o.SandboxTier = "auto",
    backend: o.NodeBackends = None,
    two_step: o.TwoStep = False,
    layout: o.Layout = "conversation",
    constrained: o.Constrained = None,
    director_tokens: o.DirectorTokens = None,
    executor_tokens: o.ExecutorTokens = None,
    temperature: o.Temperature = None,
    without: Without = None,
    epochs: Epochs = 1,
    split: Split = "test",
    seed: o.Seed = 0,
    engine: JobEngine = "local",
    concurrency: Concurrency = 8,
    max_turns: o.MaxTurns = None,
    min_steps: o.MinSteps = None,
    max_steps: o.MaxSteps = None,
    finish: o.FinishRule = None,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_seconds: o.MaxSeconds = None,
    max_cost: o.MaxCost = None,
    settings: Overrides = None,
    no_cache: o.NoCache = False,
    no_requests: o.NoRequests = False,
    fail_fast: o.FailFast = False,
    view: o.View = False,
    trace: o.Trace = False,
    report_to: o.ReportTo = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Compare systems on the same tasks, with intervals, cost and a report in which every figure leads to its episodes.

    Run the same command with the same --run again to go on where it stopped.
    """
    from flowsteer.evaluation.evaluation_config import make_config

    chosen = o.chosen_executor(executor)
    where, plain, overrides = read_options(context)  # most of the options above are read there
    config = make_config({"executor": chosen} | plain, where, overrides)
    if "executor" not in plain and config.executor == chosen:
        o.tell_chosen(executor=(None, chosen))
    programs = ForPrograms(json, events)
    if dry_run:
        _dry_run(config, programs)
        return
    _refuse_fail_fast(fail_fast, config)
    folder = run or new_run_folder("eval")
    with shown(folder, view), followed(folder, trace, report_to, programs.listener(), config) as (hear, track):
        _evaluate(keep_replies(config, folder, no_cache, no_requests), folder, programs, hear, fail_fast, track)


def _refuse_fail_fast(fail_fast: bool, config: "EvaluationConfig") -> None:
    if fail_fast and config.engine == "ray":
        raise ConfigError("--fail-fast stops episodes of this process, and ray has others", "add --engine local")


def keep_replies(config: "EvaluationConfig", folder: Path, no_cache: bool, no_requests: bool) -> "EvaluationConfig":
    """The evaluation with replies and requests kept in its folder, unless they are kept elsewhere or not at all."""
    from flowsteer.runs.folder import REPLIES
    from flowsteer.runs.request_store import FILE

    if config.cache is None and not no_cache:
        config = replace(config, cache=folder / REPLIES)
    if config.requests is None and not no_requests:
        config = replace(config, requests=(folder / FILE).absolute())
    return config


def _evaluate(
    config: "EvaluationConfig", folder: Path, asked: ForPrograms, hear: "Listener", fail_fast: bool, track: Track
) -> None:
    import asyncio

    from flowsteer.evaluation.evaluate import evaluate as run_evaluation

    calm()
    send, follow = asked.teller("progress"), at_times(track)

    def told(progress: "Progress") -> None:
        show(progress)
        send(counts_of(progress))
        follow(progress)

    with resumable(folder), evaluation_bar() as show:
        progress = asyncio.run(run_evaluation(config, folder, told, fail_fast=fail_fast, listener=hear))
    _conclude(folder, progress, asked, track)


def counts_of(progress: "Progress") -> dict[str, Any]:
    """What a program is told of how far an evaluation is."""
    return {
        "total": progress.total,
        "done": progress.done,
        "errors": progress.errors,
        "stopped": progress.stopped,
    }


def _conclude(folder: Path, progress: "Progress", asked: ForPrograms, track: Track) -> None:
    """Write the report, print the table, send its figures, and end as `conclude` does."""
    from flowsteer.reporting.report import write_figures
    from flowsteer.reporting.summary import to_json
    from flowsteer.reporting.table import table_text
    from flowsteer.runs.folder import RunFolder
    from flowsteer.viewing.report_file import write_report_page

    summary = write_figures(RunFolder.read(folder), folder / "report")
    page = write_report_page(folder, folder / "report")
    track(figures_of(summary), progress.done)
    if asked:
        counts = counts_of(progress)
        asked.result({"run": str(folder), "report": str(page), "progress": counts, **to_json(summary)})
    else:
        say(table_text(summary))
        tell(f"report: {page}")
    conclude(folder, progress)


def conclude(folder: Path, *parts: "Progress") -> None:
    """End a command that ran episodes: with `INCOMPLETE`, and why, if some are missing, else as `tell_faults` does.

    Args:
        folder: Where they are recorded.
        parts: How far it came, evaluation by evaluation.

    Raises:
        typer.Exit: Episodes are missing, or code of an operator or a grader failed.
    """
    behind = [part for part in parts if part.partial]
    for part in behind:
        note(f"{part.done} of {part.total} episodes: {part.stopped or part.error or 'episodes are missing'}")
    if behind:
        note(f"run the same command again with --run {folder} to go on")
        raise typer.Exit(INCOMPLETE)
    tell_faults(folder)


def _dry_run(config: "EvaluationConfig", asked: ForPrograms) -> None:
    from dataclasses import asdict

    from flowsteer.evaluation.evaluation_plan import dry_run

    plan = dry_run(config)
    if asked:
        asked.result(asdict(plan))
    else:
        say("\n".join(plan.lines()))


@guarded
def report(
    run: EvaluationRun,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; RUN/report without it.")] = None,
    episode: Annotated[str, typer.Option("--episode", help="Write a page of this episode only.")] = "",
    json: o.Json = False,
) -> None:
    """Write the report of a run again: the viewer as a file to share, Markdown and JSON."""
    from flowsteer.reporting.report import write_figures
    from flowsteer.reporting.summary import to_json
    from flowsteer.runs.folder import RunFolder
    from flowsteer.viewing.report_file import write_episode_page, write_report_page

    folder, told = out or run / "report", dict[str, Any]()
    if episode:
        page = write_episode_page(run, folder, episode)
        told["episode"] = episode
    else:
        told |= to_json(write_figures(RunFolder.read(run), folder))
        page = write_report_page(run, folder)
    if json:
        print_json({"run": str(run), "report": str(page), **told})
    else:
        say(str(page))


@guarded
def score(run: EvaluationRun, json: o.Json = False) -> None:
    """Grade the recorded answers of a run again; nothing is run."""
    import asyncio

    from flowsteer.evaluation.evaluate import read_plans
    from flowsteer.evaluation.rescore import rescore
    from flowsteer.evaluation.task_sets import load_tested
    from flowsteer.grading.connect import open_grader

    async def again() -> Any:
        async with open_grader() as grade:
            return await rescore(run, load_tested(read_plans(run)), grade)

    result = asyncio.run(again())
    changes = [{"episode": c.episode, "before": c.before, "after": c.after} for c in result.changes]
    if json:
        print_json({"graded": result.graded, "changes": changes, "missing": list(result.missing)})
        return
    say(f"{result.graded} graded again, {len(changes)} changed, {len(result.missing)} without their task")
    for change in changes:
        say(f"  {change['episode']}: {change['before']} → {change['after']}")


@guarded
def swap(
    run: EvaluationRun,
    executor: Annotated[str, typer.Option("--executor", help="The other LLM.")],
    to: Annotated[Path | None, typer.Option("--run", help="Folder of the new run.")] = None,
    concurrency: Concurrency = 8,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_seconds: o.MaxSeconds = None,
    max_cost: o.MaxCost = None,
    json: o.Json = False,
) -> None:
    """Run the workflows that a run designed under another executor, and compare.

    Its budget is that of the run, as far as no other is given. Run the same command with the same --run again to go on
    where it stopped.
    """
    import asyncio

    from flowsteer.backends.budget import Caps
    from flowsteer.evaluation.evaluate import read_plan
    from flowsteer.settings import check
    from flowsteer.study.swap import swap as run_swap

    folder = to or new_run_folder("swap")
    caps = o.on_top(read_plan(run).caps, o.caps_asked(max_calls, max_tokens, max_seconds, max_cost))
    changes = {"concurrency": concurrency, "caps": check(Caps, caps, "the budget")}
    with resumable(folder), evaluation_bar() as show:
        progress, pairs = asyncio.run(run_swap(run, folder, executor, show, changes=changes))
    rows = [
        {
            "system": pair.system,
            "pairs": pair.pairs,
            "before": pair.before,
            "after": pair.after,
            "difference": pair.comparison.difference.mean,
            "p": pair.comparison.p,
        }
        for pair in pairs
    ]
    if json:
        print_json({"run": str(folder), **counts_of(progress), "systems": rows})
    else:
        for row in rows:
            say(
                f"{row['system']}: {row['before']:.3f} → {row['after']:.3f} "
                f"(difference {row['difference']:+.3f}, p = {row['p']:.3f}, {row['pairs']} pairs)"
            )
    conclude(folder, progress)


@contextmanager
def evaluation_bar() -> Iterator[Callable[["Progress"], None]]:
    """Progress with rate, time to go, scores and cost so far."""
    with progress_display() as display:

        def show(progress: "Progress") -> None:
            scores = "  ".join(f"{name} {value:.2f}" for name, value in progress.accuracy.items())
            cost = "cost unknown" if progress.cost is None else f"${progress.cost:.4f}"
            display(progress.done, progress.total, f"{progress.rate:.2f}/s  {cost}  {scores}")

        yield show
