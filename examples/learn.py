"""A tiny Director learns on this machine: cold start, CWRPO on the simulated executor, and what came of it.

The policy (0.6 million parameters) sees the type and coarse features of a task, never its question. What is compared on
held-out tasks it did not train on: the Director before and after, the best single operator, and a workflow
written by hand for each type of task by somebody who knows the simulator's table.

    python examples/learn.py [--run DIR]
"""

import argparse
import asyncio
import sys
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table

from flowsteer.backends.simulated_profiles import PROFILES, Profile
from flowsteer.cli.folders import new_run_folder
from flowsteer.cli.for_programs import ForPrograms
from flowsteer.cli.learned import curves, progress, tables, workflows
from flowsteer.cli.live import WIDTH
from flowsteer.datasets.base import Sample
from flowsteer.errors import FlowSteerError
from flowsteer.evaluation.by_hand import by_hand
from flowsteer.grading.connect import open_grader
from flowsteer.session import open_session
from flowsteer.training.config import TrainingConfig, load_training, setup_of
from flowsteer.training.data import load_tasks
from flowsteer.training.run import TrainingResult, train
from flowsteer.workflow import parse_dsl

FILE = Path(__file__).with_name("demo.toml")


async def fixed_scores(config: TrainingConfig) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Accuracy by type on the held-out tasks: of each operator alone, and of the workflow written by hand."""
    tasks = load_tasks(config.data, config.seed).test
    kinds = sorted({sample.task.type for sample in tasks})
    async with open_session(setup_of(config)) as session, open_grader() as grade:

        async def accuracy(dsl: str, kind: str) -> float:
            async def score(sample: Sample) -> float | None:
                done = await session.execute(parse_dsl(dsl), sample.task)
                return (await grade(sample, done.draft.answer)).score

            scores = await asyncio.gather(*(score(sample) for sample in tasks if sample.task.type == kind))
            return mean(value for value in scores if value is not None)

        single = {name: {kind: await accuracy(name, kind) for kind in kinds} for name in session.library.categories}
        hand = by_hand(config.executor.backend)
        return single, {kind: await accuracy(hand[kind], kind) for kind in kinds}


def profile_of(config: TrainingConfig) -> Profile:
    """The table of the simulated executor that a run trains on."""
    return PROFILES[config.executor.backend.partition(":")[2].partition("#")[0]]


def compared(result: TrainingResult, single: dict[str, dict[str, float]], by_hand: dict[str, float]) -> Table:
    """Accuracy by type of task."""
    table = Table("accuracy, greedy", "cold start", "trained", "best single operator", "written by hand")
    for kind, score in by_hand.items():
        best = max(single, key=lambda name: single[name][kind])
        before, after = (f"{figures['by_type'].get(kind, 0.0):.2f}" for figures in (result.before, result.after))
        table.add_row(kind, before, after, f"{single[best][kind]:.2f} ({best})", f"{score:.2f}")
    return table


def main() -> None:
    """Train, test, compare."""
    parser = argparse.ArgumentParser(description="A tiny Director learns on this machine.")
    parser.add_argument("--run", type=Path, help="the run folder; one that was broken off is gone on with")
    folder = parser.parse_args().run or new_run_folder("demo")
    console, config = Console(width=max(Console().width, WIDTH)), load_training(FILE)
    console.rule("[bold]a Director learns")
    console.print(
        f"executor {config.executor.backend}#{profile_of(config).digest}, made up and fixed;"
        f" {config.update.steps} steps of {config.update.batch} episodes; what was added to the paper's method"
        f" stands in {FILE.name}; into {folder}"
    )
    try:
        with progress(config.update.steps, True, ForPrograms()) as (on_stage, on_step):
            result = train(config, folder, resume=(folder / "config.json").exists(), on_stage=on_stage, on_step=on_step)
    except KeyboardInterrupt:
        sys.exit(f"what is done is kept: python examples/learn.py --run {folder}")
    for table in (curves(folder / "metrics.jsonl"), *tables(result)[:2]):
        console.print(table)
    console.print(compared(result, *asyncio.run(fixed_scores(config))))
    for title, figures in (("before", result.before), ("after", result.after)):
        console.print(workflows(f"most frequent workflow {title} training, greedy", figures["workflows"]))
    spent = result.seconds
    console.print(
        f"cold start {spent['coldstart']:.0f} s, training {spent['training']:.0f} s,"
        f" validation {spent['validation']:.0f} s, tests {spent['test']:.0f} s."
        f' Use it: flowsteer solve "…" --director {folder}'
    )


if __name__ == "__main__":
    try:
        main()
    except FlowSteerError as error:
        sys.exit(f"error: {error.message}\n  try: {error.hint}")
