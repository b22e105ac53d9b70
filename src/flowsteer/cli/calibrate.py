"""`flowsteer calibrate`: what operators are worth with a real LLM, as a world in which a Director learns in minutes."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsteer.cli import options as o
from flowsteer.cli.collector import calm
from flowsteer.cli.console import guarded, note, print_json, resumable, say
from flowsteer.cli.evaluate import Concurrency, Data, conclude, counts_of, evaluation_bar, keep_replies
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.shell_completion import dataset_names
from flowsteer.cli.verbosity import tell

if TYPE_CHECKING:
    from flowsteer.calibration.calibration import Calibration
    from flowsteer.evaluation.evaluation_config import EvaluationConfig
    from flowsteer.evaluation.progress import Progress

TASKS = 24
"""Tasks of each dataset unless told otherwise: a solver's accuracy is then known to within about 0.17."""

PARTS = ("solvers", "chains")
"""The evaluations of a calibration, in the order in which they are run."""


@guarded
def calibrate(
    datasets: Annotated[list[str], typer.Argument(help="Datasets.", autocompletion=dataset_names)],
    executor: o.ExecutorSpec = None,
    data: Data = None,
    tasks: Annotated[int, typer.Option("--tasks", min=1, help="Tasks of each dataset.")] = TASKS,
    name: Annotated[str, typer.Option("--name", help="Name of the profile; the folder's name without it.")] = "",
    run: o.RunDir = None,
    json: o.Json = False,
    executor_tokens: o.ExecutorTokens = None,
    sandbox: o.SandboxTier = "auto",
    seed: o.Seed = 0,
    concurrency: Concurrency = 4,
    max_calls: o.MaxCalls = None,
    max_tokens: o.MaxTokens = None,
    max_seconds: o.MaxSeconds = None,
    max_cost: o.MaxCost = None,
) -> None:
    """Measure what operators are worth with an LLM, and write it down as a profile of the simulated executor.

    Runs each solver alone on a few tasks of each type, and a designed set of workflows on a third of them. Counts what
    each operator does, and says how well the profile predicts workflows that it was not made from. `--executor
    simulated:RUN/profile.json` then plays that LLM.
    Run the same command with the same --run again to go on where it stopped.
    """
    import asyncio

    from flowsteer.calibration.calibration import SOLVER_SYSTEMS, designed, refuse_other_run
    from flowsteer.calibration.calibration import calibrate as fit_profile
    from flowsteer.evaluation.evaluation_config import make_config
    from flowsteer.runs.folder import RunFolder

    chosen = o.chosen_executor(executor)
    plain: dict[str, Any] = {
        "datasets": datasets,
        "systems": list(SOLVER_SYSTEMS),
        "data": data,
        "executor": chosen,
        "sandbox": sandbox,
        "seed": seed,
        "limit": tasks,
        "concurrency": concurrency,
        "caps": o.caps_asked(max_calls, max_tokens, max_seconds, max_cost),
    }
    if executor_tokens is not None:
        plain["executor_sampling"] = {"max_tokens": executor_tokens}
    folder = run or new_run_folder("calibrate")
    refuse_other_run(folder)
    config = keep_replies(make_config(plain), folder, no_cache=False, no_requests=False)
    o.tell_chosen(executor=(executor, chosen))
    calm()
    with resumable(folder):
        parts = list(_run(designed(config), folder))
    found = None
    if RunFolder.read(folder).entries:
        found = asyncio.run(fit_profile(folder, name or folder.name, config))
    if json:
        print_json(_for_programs(found, parts, folder))
    elif found is not None:
        _tell(found, folder)
    conclude(folder, *parts)


def _run(parts: Sequence["EvaluationConfig"], folder: Path) -> "Iterator[Progress]":
    """Run one evaluation after the other; none after one that was stopped."""
    import asyncio

    from flowsteer.evaluation.evaluate import evaluate

    for part in parts:
        with evaluation_bar() as show:
            progress = asyncio.run(evaluate(part, folder, show))
        yield progress
        if progress.stopped:
            return


def _for_programs(calibration: "Calibration | None", parts: "Sequence[Progress]", folder: Path) -> dict[str, Any]:
    """What was found, and how far each part is: None for one that has not begun."""
    from flowsteer.calibration.calibration import to_json

    counts = dict(zip_longest(PARTS, map(counts_of, parts)))
    found = {"profile": None} if calibration is None else to_json(calibration)
    return {"run": str(folder), "progress": counts, **found}


def _tell(calibration: "Calibration", folder: Path) -> None:
    from flowsteer.calibration.calibration import FILE
    from flowsteer.calibration.fitting import TYPES
    from flowsteer.cli.calibration_tables import operator_table, prediction_table
    from flowsteer.cli.terminal import Terminal

    console = Terminal()
    console.print(operator_table(calibration))
    console.print(prediction_table(calibration))
    for words, fitted in (("that it was fitted to", True), ("that it was not fitted to", False)):
        missed = calibration.missed(fitted)
        told = "none of them has been run yet" if missed is None else f"missed by {missed:.3f} on average"
        say(f"accuracy of workflows {words}: {told}")
    if without := [kind for kind in TYPES if not calibration.fit.tasks.get(kind)]:
        note(f"no tasks of {' and '.join(without)} were run: what the profile says of them is drawn from the others")
    tell(f"profile: {folder / FILE}; use it as --executor simulated:{folder / FILE}")
