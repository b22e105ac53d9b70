"""Does a Director learn when a real LLM runs the operators? SmolLM2 as executor, real questions, one table.

The settings are `smollm2_executor.toml`. Of each dataset 30 tasks are trained on and 20 are kept for the table; every
choice is made on the former. The stages:

1. Every chain of operators up to depth three runs on every training task, which fills the response cache.
2. `flowsteer train`: cold start, its test, training, the trained policy's test.
3. The best fixed workflow of each dataset is chosen on the training tasks, among all chains and `STRUCTURED`.
4. What needs no Director runs on the test tasks: `direct`, `FIXED` and the best fixed workflow.

Broken off, the same command goes on. It takes some 1,700 calls of SmolLM2, about a second of one core each. Its logits
differ in the last digit with what else is in the batch, so another cache is another draw of the experiment.

    python examples/smollm2_executor.py --data DIR [--run DIR] [--json FILE]

DIR holds squad_v2.jsonl and hotpotqa.jsonl.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flowsteer.datasets.base import Sample
from flowsteer.errors import FlowSteerError
from flowsteer.evaluation.baselines import DIRECT, with_baselines
from flowsteer.grading.connect import open_grader
from flowsteer.reporting.statistics import compare, estimate
from flowsteer.runs.events import EpisodeEnded, Graded, NodeRan
from flowsteer.runs.folder import RunFolder
from flowsteer.session import open_session
from flowsteer.training.config import TrainingConfig, load_training, setup_of
from flowsteer.training.data import load_tasks
from flowsteer.workflow.dsl import parse_dsl

SETTINGS = Path(__file__).with_suffix(".toml")
DEPTH = 3
AT_ONCE = 2
"""Tasks at once: as many as the embedded server decodes together."""

STRUCTURED = (
    "Custom -> Review ? Custom : done -> Format",
    "Custom -> Format -> Review ? Custom : done",
    "Custom -> (Review -> Custom) * 2 -> Format",
    "[Custom, Custom -> Custom] -> Review -> Review -> Format",
)
"""Workflows with a structure that the best fixed one is chosen among, besides the chains; the last opens the gate."""

FIXED = ("Custom", "Custom -> Format")
DIRECTORS = {
    "cold start": "before/T0",
    "cold start, T = 1": "before/T1",
    "trained": "after/T0",
    "trained, T = 1": "after/T1",
}

FIGURES = ("reward", "diversity", "gate_open", "valid", "finished", "turns", "operators", "padded", "repeated")

JSON = dict[str, Any]
Scores = dict[str, dict[str, list[JSON]]]
"""Of each system and dataset: a row for each task, in the order of the tasks."""


class Meter:
    """Seconds and new calls of the LLM by stage, also over several starts.

    Args:
        file: Where marks are kept; the stage of the last mark is under way.
        cache: The response cache: each call that was made is a row of it.
    """

    def __init__(self, file: Path, cache: Path) -> None:
        self._file, self._cache = file, cache
        self.mark("(stopped)")

    def mark(self, stage: str) -> None:
        """A stage begins, or goes on."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, "at": time.time(), "calls": self._calls()}) + "\n")

    def totals(self) -> dict[str, JSON]:
        """Seconds and calls of each stage."""
        marks = [json.loads(line) for line in self._file.read_text(encoding="utf-8").splitlines()]
        found: dict[str, JSON] = {}
        for mark, following in pairwise(marks):
            total = found.setdefault(mark["stage"], {"seconds": 0.0, "calls": 0})
            total["calls"] += following["calls"] - mark["calls"]
            if following["stage"] != "(stopped)":
                total["seconds"] += following["at"] - mark["at"]
        found.pop("(stopped)", None)
        return found

    def _calls(self) -> int:
        if not self._cache.exists():
            return 0
        with sqlite3.connect(self._cache) as database:
            tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'replies'").fetchone()[0]
            return int(database.execute("SELECT count(*) FROM replies").fetchone()[0]) if tables else 0


async def run_fixed(
    config: TrainingConfig, samples: Sequence[Sample], workflows: Sequence[str], file: Path, meter: Meter, stage: str
) -> Scores:
    """Scores of fixed workflows; those of a task are kept in the file as soon as it is done."""
    done = _kept(file)
    meter.mark(stage)
    async with AsyncExitStack() as stack:
        session = with_baselines(await stack.enter_async_context(open_session(setup_of(config))))
        grade = await stack.enter_async_context(open_grader())
        places = asyncio.Semaphore(AT_ONCE)

        async def one(sample: Sample) -> None:
            row: JSON = {"task": sample.task.id, "dataset": sample.task.dataset, "scores": {}}
            async with places:
                for dsl in workflows:
                    execution = await session.execute(parse_dsl(dsl), sample.task)
                    graded = await grade(sample, execution.draft.answer)
                    row["scores"][dsl] = _row(sample, graded.metrics, execution.draft.answer, execution.usage.calls)
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
            done[sample.task.id] = row
            meter.mark(stage)

        async with asyncio.TaskGroup() as group:
            for sample in samples:
                if sample.task.id not in done:
                    group.create_task(one(sample))
    found: Scores = {dsl: {} for dsl in workflows}
    for sample in samples:
        for dsl in workflows:
            found[dsl].setdefault(sample.task.dataset, []).append(done[sample.task.id]["scores"][dsl])
    return found


def _row(sample: Sample, metrics: Mapping[str, float], answer: str, requests: int) -> JSON:
    """One system on one task; SQuAD 2.0 takes an empty answer for "there is no answer", hence the last two."""
    return dict(metrics) | {
        "task": sample.task.id,
        "requests": requests,
        "empty": not answer,
        "answerable": any(sample.reference.answers),
    }


def _kept(file: Path) -> dict[str, JSON]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {row["task"]: row for row in map(json.loads, lines)}


def chains(operators: Sequence[str]) -> Iterator[str]:
    """Every chain up to the depth."""
    for depth in range(1, DEPTH + 1):
        yield from map(" -> ".join, product(operators, repeat=depth))


def trained(config: TrainingConfig, folder: Path, meter: Meter) -> JSON:
    """Train, or go on; what came of it."""
    from flowsteer.training.run import train

    if (folder / "result.json").exists():
        found: JSON = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        return found
    names = {"coldstart": "cold start", "training": "training"}

    def on_stage(stage: str) -> None:
        name = names.get(stage.partition(" ")[0])
        meter.mark(name or ("test after" if (folder / "before.json").exists() else "test before"))

    train(config, folder, (folder / "config.json").exists(), on_stage, lambda metrics: meter.mark("training"))
    return trained(config, folder, meter)


def directed(folder: Path, samples: Sequence[Sample]) -> tuple[Scores, JSON]:
    """Scores of the policies' test episodes, and what their workflows look like."""
    run, scores, shapes = RunFolder.read(folder), {}, {}
    for name, prefix in DIRECTORS.items():
        rows, drawn = {}, {}
        for sample in samples:
            episode = f"{prefix}/{sample.task.id}/0"
            events, summary = run.events(episode), run.entries[episode].summary
            ended = next(event for event in events if isinstance(event, EpisodeEnded))
            graded = next(event for event in events if isinstance(event, Graded))
            requests = sum(event.usage.calls for event in events if isinstance(event, NodeRan))
            row = _row(sample, graded.metrics, ended.answer, requests) | {"reward": summary.reward}
            rows.setdefault(sample.task.dataset, []).append(row)
            drawn.setdefault(sample.task.dataset, Counter())[ended.dsl] += 1
        scores[name] = rows
        shapes[name] = {dataset: counted.most_common(3) for dataset, counted in drawn.items()}
    return scores, shapes


def traffic(folder: Path) -> Counter[str]:
    """Node runs of the training episodes, and how many of them cost a request."""
    run, found = RunFolder.read(folder), Counter()
    for episode in run.entries:
        if episode.startswith("train/"):
            for event in run.events(episode):
                if isinstance(event, NodeRan):
                    found.update(
                        nodes=1, shared=event.memo, failed=event.failure is not None, requests=event.usage.calls
                    )
    return found


def figures(rows: dict[str, list[JSON]], against: dict[str, list[JSON]] | None, metric: str) -> JSON:
    """Mean with its interval, over both datasets and of each; the paired difference to another system."""
    strata = [[row[metric] for row in rows[dataset]] for dataset in sorted(rows)]
    found: JSON = {"all": _interval(estimate(strata))}
    for dataset, values in zip(sorted(rows), strata, strict=True):
        found[dataset] = _interval(estimate([values]))
    if against is not None:
        pairs = [
            [one[metric] - other[metric] for one, other in zip(rows[dataset], against[dataset], strict=True)]
            for dataset in sorted(rows)
        ]
        compared = compare(pairs)
        found["difference"] = _interval(compared.difference) | {"p": compared.p}
    return found


def _interval(found: Any) -> JSON:
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}


def best_fixed(tried: Scores) -> dict[str, str]:
    """The best workflow of each dataset by F1 on the training tasks; of equals the shortest.

    What never answers is none: on SQuAD 2.0 silence is right about all that cannot be answered.
    """
    tried = {
        dsl: rows for dsl, rows in tried.items() if not all(row["empty"] for part in rows.values() for row in part)
    }
    datasets = sorted(next(iter(tried.values())))

    def mean(dsl: str, dataset: str) -> float:
        return sum(row["f1"] for row in tried[dsl][dataset]) / len(tried[dsl][dataset])

    return {name: max(tried, key=lambda dsl: (round(mean(dsl, name), 9), -len(dsl))) for name in datasets}


def conclude(console: Console, systems: Scores, result: JSON) -> JSON:
    """The table, printed, and the same as JSON."""
    datasets = sorted(next(iter(systems.values())))
    table = Table(
        *("system", "F1, 95 %", "EM", *datasets, "answerable", "silent", "requests"),
        *("F1 − direct", "p", "F1 − cold start", "p"),
    )
    report: JSON = {}
    for name, rows in systems.items():
        f1, em = figures(rows, systems["direct"], "f1"), figures(rows, systems["direct"], "em")
        cold = figures(rows, systems["cold start"], "f1")["difference"]
        calls = figures(rows, None, "requests")["all"]["mean"]
        flat = [row for part in rows.values() for row in part]
        answerable = [row["f1"] for row in flat if row["answerable"]]
        report[name] = {"f1": f1, "em": em, "f1 against cold start": cold, "requests": calls, "rows": flat}
        report[name] |= {"f1 of answerable": sum(answerable) / len(answerable)}
        report[name] |= {"empty": sum(row["empty"] for row in flat) / len(flat)}
        parts = (_shown(f1[dataset]) for dataset in datasets)
        difference = f1["difference"]
        table.add_row(
            *(name, _shown(f1["all"]), f"{em['all']['mean']:.3f}", *parts),
            *(f"{report[name][figure]:.2f}" for figure in ("f1 of answerable", "empty", "requests")),
            *(_shown(difference), f"{difference['p']:.3f}", _shown(cold), f"{cold['p']:.3f}"),
        )
    console.print(table)
    for drawn in ("", ", T = 1"):
        rewards = figures(systems[f"trained{drawn}"], systems[f"cold start{drawn}"], "reward")
        report[f"trained{drawn}"]["reward"] = rewards
        console.print(f"reward of trained{drawn}:", _shown(rewards["all"]), "gain:", _shown(rewards["difference"]))
        for when in ("before", "after"):
            measured = result[when]["sampled"] if drawn else result[when]
            console.print(f"{when}{drawn}:", {key: measured[key] for key in FIGURES})
    return report


def _shown(found: JSON) -> str:
    ends = "" if found["low"] is None else f" [{found['low']:+.2f}, {found['high']:+.2f}]"
    return f"{found['mean']:.3f}{ends}"


async def fill(config: TrainingConfig, samples: Sequence[Sample], folder: Path, meter: Meter) -> Scores:
    """Every chain on every training task."""
    operators = config.executor.library.partition(":")[2].split(",")
    return await run_fixed(config, samples, list(chains(operators)), folder / "chains.jsonl", meter, "fill")


def main() -> int:
    """The whole experiment."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of squad_v2.jsonl and hotpotqa.jsonl")
    parser.add_argument("--run", type=Path, default=Path("runs/smollm2_executor"), help="where it is recorded")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="another setting; repeat")
    arguments = parser.parse_args()
    folder: Path = arguments.run
    folder.mkdir(parents=True, exist_ok=True)
    cache = folder / "cache.sqlite"
    try:
        config = load_training(SETTINGS, [f"data.data={arguments.data}", f"executor.cache={cache}", *arguments.set])
        report = experiment(config, folder, Meter(folder / "stages.jsonl", cache))
    except FlowSteerError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2), encoding="utf-8")
    return 0


def experiment(config: TrainingConfig, folder: Path, meter: Meter) -> JSON:
    """All stages."""
    console, tasks = Console(width=200), load_tasks(config.data, config.seed)
    tried = asyncio.run(fill(config, tasks.train, folder, meter))
    result = trained(config, folder / "train", meter)
    structured = folder / "structured.jsonl"
    tried |= asyncio.run(run_fixed(config, tasks.train, STRUCTURED, structured, meter, "fixed, training tasks"))
    best = best_fixed(tried)
    wanted = list(dict.fromkeys((DIRECT, *FIXED, *best.values())))
    fixed = asyncio.run(run_fixed(config, tasks.test, wanted, folder / "fixed.jsonl", meter, "fixed, test tasks"))
    meter.mark("done")
    systems, shapes = directed(folder / "train", tasks.test)
    named = {"direct": fixed[DIRECT]} | {dsl: fixed[dsl] for dsl in FIXED}
    named["best fixed"] = {dataset: fixed[dsl][dataset] for dataset, dsl in best.items()}
    report = conclude(console, named | systems, result)
    used, stages = traffic(folder / "train"), meter.totals()
    console.print("best fixed:", best)
    console.print("workflows:", shapes)
    console.print("training:", used, f"cache hit rate {1 - stages['training']['calls'] / max(1, used['requests']):.3f}")
    console.print("stages:", stages)
    return {"systems": report, "best": best, "workflows": shapes, "traffic": used, "stages": stages, "training": result}


if __name__ == "__main__":
    sys.exit(main())
