"""What each operator is worth with a real model: alone, and behind each of two drafts.

Alone: how often a solver's own answer is right. Behind a draft: what becomes of answers that were right and of those
that were wrong (spoilt, mended); for a check, how many faults it finds and how many false alarms it raises. With
`--replies FILE` every reply is kept, so a run that was stopped goes on where it was.

    python benchmarks/operators.py --executor llamacpp:qwen2.5-coder-1.5b --data FOLDER --replies FILE gsm8k humaneval
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flowsteer.backends.base import SamplingSettings
from flowsteer.datasets.base import Sample
from flowsteer.datasets.registry import load_samples
from flowsteer.errors import GraderError
from flowsteer.evaluation.baselines import with_baselines
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.grading.connect import GradeAnswer, open_grader
from flowsteer.session import Setup, open_session
from flowsteer.task import TaskType
from flowsteer.usage import NO_USAGE, Usage
from flowsteer.workflow.dsl import parse_dsl

ALONE = ("DirectAnswer", "Custom", "AnswerGenerate", "Programmer")
DRAFTS: dict[TaskType, tuple[str, str]] = {
    "math": ("Custom", "Programmer"),
    "qa": ("Custom", "AnswerGenerate"),
    "code": ("Custom", "Programmer"),
}
BEHIND: dict[TaskType, tuple[str, ...]] = {
    "math": ("Format", "Verify ? Revise : done", "Review ? Revise : done"),
    "qa": ("Format", "Verify ? Revise : done", "Review ? Revise : done"),
    "code": ("Test", "Review ? Revise : done"),
}
CHECKS = ("Verify", "Review")
"""Operators whose faults found and false alarms are counted; Test repairs before it says what it found."""


@dataclass(slots=True)
class Row:
    """What one workflow did on the tasks of one dataset.

    Attributes:
        before: Whether each draft was right; None where nothing stands before the operator.
        after: Whether each answer was right at the end.
        alarms: Whether the check raised a fault; empty where the operator is no check.
        usage: What the operator cost; the draft before it is not counted.
    """

    before: list[bool | None] = field(default_factory=list)
    after: list[bool] = field(default_factory=list)
    alarms: list[bool] = field(default_factory=list)
    usage: Usage = NO_USAGE

    def cells(self) -> list[str]:
        """Accuracy before and after, what was mended and spoilt, faults found, false alarms, calls, tokens."""
        pairs = list(zip(self.before, self.after, strict=True))
        wrong = [after for before, after in pairs if before is False]
        right = [not after for before, after in pairs if before]
        checked = list(zip(self.before, self.alarms, strict=False))
        found = [alarm for before, alarm in checked if before is False]
        false = [alarm for before, alarm in checked if before]
        known = [before for before in self.before if before is not None]
        count = max(len(self.after), 1)
        shares = [_share(part) for part in (known, self.after, wrong, right, found, false)]
        return [*shares, f"{self.usage.calls / count:.1f}", f"{self.usage.completion_tokens / count:.0f}"]


def _share(hits: Sequence[bool]) -> str:
    return f"{sum(hits)}/{len(hits)}" if hits else ""


async def right(grade: GradeAnswer, sample: Sample, answer: str) -> bool:
    """Whether an answer is right; one in words, whether its token F1 is a half or more."""
    found = await grade(sample, answer)
    if found.score is None:
        raise GraderError(f"{sample.task.id}: {found.reason}")
    return found.score >= 0.5


async def measured(executor: Executor, grade: GradeAnswer, sample: Sample, draft: str, rest: str, row: Row) -> None:
    """Run one workflow on one task, and add what came of it."""
    ran = await executor.run(parse_dsl(f"{draft} -> {rest}" if draft else rest), sample.task)
    nodes = ran.ran
    row.before.append(await right(grade, sample, nodes[0].wrote.answer) if draft else None)
    row.after.append(await right(grade, sample, ran.draft.answer))
    own = nodes[1:] if draft else nodes
    if draft and own[0].operator in CHECKS:
        verdict = own[0].wrote.verdict
        row.alarms.append(verdict is not None and not verdict.passed)
    for node in own:
        row.usage += node.usage


def plan(kind: TaskType, only: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of draft and operator that are measured on tasks of a type."""
    pairs = [("", name) for name in ALONE] + [(draft, rest) for draft in DRAFTS[kind] for rest in BEHIND[kind]]
    return [pair for pair in pairs if not only or pair[1].split()[0] in only]


async def measure(asked: argparse.Namespace) -> None:
    """Measure all pairs on all datasets, and print a table after each dataset."""
    sampling = SamplingSettings(max_tokens=asked.tokens)
    setup = Setup(executor=asked.executor, director="", cache=asked.replies, executor_sampling=sampling)
    async with open_session(setup) as plain, open_grader() as grade:
        session = with_baselines(plain)
        for dataset in asked.datasets:
            samples = load_samples(dataset, n=asked.tasks, seed=asked.seed, data=asked.data)
            pairs = plan(samples[0].task.type, asked.only)
            rows = {pair: Row() for pair in pairs}
            for sample in samples:
                executor = session.executor(Memo())
                for (draft, rest), row in rows.items():
                    await measured(executor, grade, sample, draft, rest, row)
            Console(width=120).print(table(f"{asked.executor}, {dataset}, {len(samples)} tasks", rows))


def table(title: str, rows: dict[tuple[str, str], Row]) -> Table:
    """The table of one dataset; it is as wide as it must be, wherever it is printed."""
    columns = ("before", "after", "mended", "spoilt", "found", "false", "calls", "tokens")
    made = Table("draft", "operator", *columns, title=title)
    for (draft, rest), row in rows.items():
        made.add_row(draft, rest.removesuffix(" : done"), *row.cells())
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What each operator is worth, by type of task.")
    parser.add_argument("datasets", nargs="*", default=["simulated:math", "simulated:qa", "simulated:code"])
    parser.add_argument("--executor", default="simulated:typed", help="the LLM of the operators")
    parser.add_argument("--data", type=Path, help="folder of NAME.jsonl files")
    parser.add_argument("--tasks", type=int, default=8, help="tasks of each dataset")
    parser.add_argument("--seed", type=int, default=0, help="which tasks")
    parser.add_argument("--tokens", type=int, default=400, help="longest reply")
    parser.add_argument("--only", nargs="*", default=[], help="only these operators, such as Custom Format Verify")
    parser.add_argument("--replies", type=Path, default=None, help="file that keeps every reply")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
