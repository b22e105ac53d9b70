"""What an evaluation would do: tasks, systems, calls, and what would be fetched. Nothing is connected or downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowsteer.datasets.hub import SOURCES
from flowsteer.datasets.registry import ENDLESS_DEFAULT, find_dataset, generated
from flowsteer.evaluation.baselines import HAND_MADE
from flowsteer.evaluation.design import Designer, FixedBest
from flowsteer.evaluation.evaluation_config import EvaluationConfig
from flowsteer.evaluation.one_turn import OneTurnSystem
from flowsteer.evaluation.search import Search
from flowsteer.evaluation.specs import parse_systems
from flowsteer.evaluation.systems import DirectorSystem, System, WorkflowSystem
from flowsteer.evaluation.task_sets import label_of, needed_for_validation, samples_of
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Conditional, Loop, Sequence, Step, Workflow, child_sequences

MOST_CALLS = {"Programmer": 3, "Test": 6, "Verify": 4}
"""Most LLM calls that one run of an operator makes, where it is not `USUAL`: retries and repairs included."""

USUAL = 2
"""Most calls of any other operator of the paper's library: one, and one retry."""


@dataclass(frozen=True, slots=True)
class PlannedDataset:
    """A dataset of the evaluation.

    Attributes:
        name: Its name in the run.
        tasks: Tasks tested on, at most; None if that is not known before the data is fetched.
        validation: Validation tasks.
        source: Where they are from, such as `hub: openai/gsm8k (test)`, a file, or `generated`.
        fetched: Whether that means a download.
    """

    name: str
    tasks: int | None
    validation: int
    source: str
    fetched: bool


@dataclass(frozen=True, slots=True)
class PlannedSystem:
    """A system of the evaluation.

    Attributes:
        name: Its spec.
        episode_calls: Most LLM calls of one episode; None where a Director designs, whose workflows have no bound.
        choice_calls: Most LLM calls to choose a workflow for one dataset; None without a bound.
    """

    name: str
    episode_calls: int | None
    choice_calls: int | None = 0


@dataclass(frozen=True, slots=True)
class DryRun:
    """What an evaluation would do.

    Attributes:
        datasets: The datasets.
        systems: The systems.
        episodes: Episodes in all; None if a dataset's size is not known yet.
        calls: Most LLM calls in all by design; None without a bound.
        cap: Calls that the budget allows; None for no such limit.
    """

    datasets: tuple[PlannedDataset, ...]
    systems: tuple[PlannedSystem, ...]
    episodes: int | None
    calls: int | None
    cap: int | None

    def lines(self) -> Iterator[str]:
        """The plan in words, line by line."""
        for row in self.datasets:
            more = f" + {row.validation} to choose by" if row.validation else ""
            verb = "would be fetched from" if row.fetched else "from"
            yield f"{row.name}: {_count(row.tasks)} tasks{more}, {verb} {row.source}"
        for system in self.systems:
            choice = f", {_bound(system.choice_calls)} to choose a workflow" if system.choice_calls != 0 else ""
            yield f"{system.name}: {_bound(system.episode_calls)} an episode{choice}"
        capped = f"; the budget allows {self.cap:,}" if self.cap is not None else ""
        yield f"{_count(self.episodes)} episodes: {_bound(self.calls)}{capped}"


def dry_run(config: EvaluationConfig) -> DryRun:
    """Work out what an evaluation would do.

    Raises:
        ConfigError: A dataset or system is unknown, or a local file is absent.
    """
    systems = parse_systems(config.systems, config.without)
    needed = needed_for_validation(systems)
    datasets = tuple(_dataset(name, needed, config) for name in config.datasets)
    planned = tuple(_system(system) for system in systems)
    sizes = [row.tasks for row in datasets]
    tasks = None if None in sizes else sum(size for size in sizes if size is not None)
    episodes = None if tasks is None else tasks * len(systems) * config.epochs
    calls = None if tasks is None else _total(planned, tasks * config.epochs, len(datasets))
    return DryRun(datasets, planned, episodes, calls, config.caps.calls)


def most_calls(workflow: Workflow) -> int:
    """Most LLM calls of one run of a workflow of the paper's operators: every loop to its end, every branch dearest.

    >>> most_calls(parse_dsl("Custom -> (Review -> Revise) * 2"))
    10
    """
    return _most(workflow.nodes)


def _most(nodes: Sequence) -> int:
    total = 0
    for node in nodes:
        match node:
            case Step(operator=name):
                total += MOST_CALLS.get(name, USUAL)
            case Loop(body=body, count=count):
                total += count * _most(body)
            case Conditional(check=check, if_fail=if_fail, if_pass=if_pass):
                total += _most((check,)) + max(_most(if_fail), _most(if_pass))
            case _:
                total += sum(map(_most, child_sequences(node)))
    return total


def _system(system: System | Designer) -> PlannedSystem:
    hand_made = [most_calls(parse_dsl(text)) for text in HAND_MADE]
    match system:
        case WorkflowSystem(name=name, workflow=workflow):
            return PlannedSystem(name, most_calls(workflow))
        case FixedBest(name=name, tasks=tasks):
            return PlannedSystem(name, max(hand_made), tasks * sum(hand_made))
        case Search() | DirectorSystem() | OneTurnSystem():
            return PlannedSystem(system.name, None, None if isinstance(system, Search) else 0)
        case _:
            raise TypeError(f"no bound is known for {type(system).__name__}")


def _total(systems: tuple[PlannedSystem, ...], tasks: int, datasets: int) -> int | None:
    total = 0
    for system in systems:
        if system.episode_calls is None or system.choice_calls is None:
            return None
        total += system.episode_calls * tasks + system.choice_calls * datasets
    return total


def _dataset(name: str, needed: int, config: EvaluationConfig) -> PlannedDataset:
    label = label_of(name)
    if generated(name):
        find_dataset(name)
        return PlannedDataset(label, config.limit or ENDLESS_DEFAULT, needed, "a generator", fetched=False)
    if name.endswith(".jsonl") or config.data is not None:
        test, validation = samples_of(name, needed, config)
        where = name if name.endswith(".jsonl") else str(Path(str(config.data)) / f"{name}.jsonl")
        return PlannedDataset(label, len(test), len(validation), where, fetched=False)
    source = SOURCES.get(find_dataset(name).name, {}).get(config.split)
    where = f"the hub, {source.repository} ({source.split})" if source else "its own source"
    return PlannedDataset(label, config.limit, needed, where, fetched=True)


def _count(value: int | None) -> str:
    return "an unknown number of" if value is None else f"{value:,}"


def _bound(calls: int | None) -> str:
    return "calls without a known bound" if calls is None else f"at most {calls:,} calls"
