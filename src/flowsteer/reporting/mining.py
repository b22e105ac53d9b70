"""Mines the workflows of run folders: one entry a shape, type and dataset, with what it came to."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

from flowsteer.evaluation.saved_workflows import SavedWorkflow
from flowsteer.operators.registry import load_library
from flowsteer.reporting.statistics import estimate
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.workflow.dsl import parse_dsl, to_dsl
from flowsteer.workflow.nodes import steps


@dataclass(frozen=True, slots=True, order=True)
class _Shape:
    type: str
    dataset: str
    operators: str
    dsl: str

    @property
    def name(self) -> str:
        of = re.sub(r"[^a-z0-9]+", "-", f"{self.type}-{self.dataset}".lower()).strip("-")
        return f"{of}-{hashlib.sha256(f'{self.operators} {self.dsl}'.encode()).hexdigest()[:6]}"


@dataclass(slots=True)
class _Seen:
    scores: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tokens: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    unscorable: int = 0

    def see(self, summary: EpisodeSummary) -> None:
        if summary.score is None:
            self.unscorable += 1
            return
        self.scores[summary.task].append(summary.score)
        self.tokens.append(summary.executor_tokens)
        self.seconds.append(summary.seconds)

    def saved(self, shape: _Shape) -> SavedWorkflow:
        every = [score for scores in self.scores.values() for score in scores]
        found = estimate([[fmean(scores) for scores in self.scores.values()]])
        return SavedWorkflow(
            name=shape.name,
            type=shape.type,
            dataset=shape.dataset,
            operators=shape.operators,
            dsl=shape.dsl,
            n=len(every),
            tasks=len(self.scores),
            wins=sum(score >= 1 for score in every),
            accuracy=found.mean,
            low=found.low,
            high=found.high,
            unscorable=self.unscorable,
            tokens=fmean(self.tokens),
            seconds=fmean(self.seconds),
        )


def mine(runs: Iterable[RunFolder], most: int | None = None) -> tuple[SavedWorkflow, ...]:
    """The workflows of some runs, by type and dataset, those with the best lower end of their interval first.

    Episodes that are not graded, that broke off, or whose workflow is empty, say nothing of a shape. So do the
    baselines that are no workflow of the run's operator library (`direct`).

    Args:
        runs: The runs, open.
        most: How many to keep of each type and dataset; all for None.

    Raises:
        ConfigError: A run's operator library is not installed.
    """
    seen: dict[_Shape, _Seen] = defaultdict(_Seen)
    for run in runs:
        for shape, summary in _episodes(run):
            seen[shape].see(summary)
    kept: dict[tuple[str, str], list[SavedWorkflow]] = defaultdict(list)
    for shape in sorted(seen):
        if seen[shape].scores:
            kept[shape.type, shape.dataset].append(seen[shape].saved(shape))
    return tuple(each for key in sorted(kept) for each in sorted(kept[key], key=_rank)[:most])


def _rank(saved: SavedWorkflow) -> tuple[float, float, float, str]:
    low = saved.accuracy if saved.low is None else saved.low
    return -low, -saved.accuracy, saved.tokens, saved.name


def _episodes(run: RunFolder) -> Iterator[tuple[_Shape, EpisodeSummary]]:
    operators = _operators(run)
    known = load_library(operators).operators.keys()
    shapes: dict[str, str] = {}
    for entry in run.graded():
        summary = entry.summary
        if not summary.dsl or summary.lost is not None:
            continue
        if summary.dsl not in shapes:
            tree = parse_dsl(summary.dsl)
            shapes[summary.dsl] = to_dsl(tree) if {step.operator for step in steps(tree.nodes)} <= known else ""
        if shapes[summary.dsl]:
            yield _Shape(summary.type, summary.dataset, operators, shapes[summary.dsl]), summary


def _operators(run: RunFolder) -> str:
    """The operator library of a run; one of training names it among the executor's settings."""
    executor = run.config.get("executor")
    named = executor.get("library") if isinstance(executor, dict) else run.config.get("library")
    return str(named or "paper")
