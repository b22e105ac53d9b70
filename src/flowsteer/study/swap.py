"""The designed workflows of a run, run again under another executor: what is left of a design when the LLM changes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from flowsteer.backends.base import Backend
from flowsteer.backends.ledger import resume_account
from flowsteer.datasets.base import Sample
from flowsteer.errors import ConfigError, FlowSteerError
from flowsteer.evaluation.episodes import Job
from flowsteer.evaluation.evaluate import read_plans, spec_of, write_plan
from flowsteer.evaluation.evaluation_config import EvaluationConfig, settings_of, setup_of
from flowsteer.evaluation.job_runner import LocalEngine, run_jobs, spent_before
from flowsteer.evaluation.progress import OnProgress, Progress, quietly
from flowsteer.evaluation.rescore import scored_entries
from flowsteer.evaluation.specs import parse_system
from flowsteer.evaluation.systems import WorkflowSystem
from flowsteer.evaluation.task_sets import load_tested
from flowsteer.grading.connect import open_grader
from flowsteer.reporting.statistics import Comparison, compare
from flowsteer.runs.events import Emit, EpisodeEnded
from flowsteer.runs.folder import REPLIES, RunFolder
from flowsteer.runs.index import Entry
from flowsteer.runs.request_store import FILE as REQUESTS
from flowsteer.session import Session, open_session
from flowsteer.task import Task


@dataclass(frozen=True, slots=True)
class Swapped:
    """One system under two executors.

    Attributes:
        system: The system that designed the workflows.
        pairs: Episodes that have a score under both.
        before: Mean score under the first executor, over the pairs and as the difference is taken: over the epochs of
            each task, then the tasks of each dataset, then datasets.
        after: Mean score under the other.
        comparison: The paired difference, after minus before, over tasks.
    """

    system: str
    pairs: int
    before: float
    after: float
    comparison: Comparison


async def swap(
    source: Path,
    target: Path,
    executor: str,
    on_progress: OnProgress = quietly,
    extra: Mapping[str, Backend] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> tuple[Progress, list[Swapped]]:
    """Run the final workflow of every episode of a run again, under another executor.

    No Director works and no workflow is chosen again. The new folder is a run like any other, whose episodes have the
    ids of those they repeat; it is resumed like any other. It keeps replies and requests if the source does; the
    source is only read. If nothing can be run, a new folder goes again.

    Args:
        source: The run whose workflows are taken.
        target: The folder of the new run.
        executor: Spec of the other LLM.
        on_progress: Called at the start and after each episode.
        extra: Backends made elsewhere, by the spec that names them.
        changes: Settings that do not decide results, such as `caps` or `concurrency`.

    Raises:
        RunError: The source holds no evaluation, or the target belongs to another run, such as the source itself.
        ConfigError: A dataset cannot be loaded, or its tasks are not those of the run any more.
        BackendUnavailable: The executor cannot be reached.
    """
    plans = _plans(source, target, executor, changes or {})
    run, config = RunFolder.read(source), plans[0]
    jobs = _jobs(run, load_tested(plans))
    with RunFolder.create(target, settings_of(config) | {"command": "swap", "workflows": str(source)}) as folder:
        try:
            async with open_session(setup_of(config), extra) as session, open_grader() as grade:
                for plan in reversed(plans):
                    write_plan(target, plan)
                resume_account(session.budget, target, spent_before(folder))
                engine = LocalEngine(session, folder, grade, config.concurrency)
                progress = await run_jobs(jobs, engine, folder, on_progress)
        except FlowSteerError:
            folder.discard_if_new()
            raise
        return progress, compare_runs(scored_entries(run), scored_entries(folder))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A `System` that runs, for each episode, the final workflow that a run recorded for it.

    Attributes:
        name: The system that designed the workflows.
        source: The run.
        temperature: At which the system's operators draw; None for the run's own.
    """

    name: str
    source: RunFolder
    temperature: float | None = None

    async def check(self, session: Session) -> None:
        """See `System.check`; a recorded workflow has run before."""

    async def run(self, session: Session, task: Task, emit: Emit, episode: str, seed: int) -> EpisodeEnded:
        """See `System.run`."""
        ended = next(event for event in self.source.events(episode) if isinstance(event, EpisodeEnded))
        return await WorkflowSystem(self.name, ended.workflow, self.temperature).run(session, task, emit, episode, seed)


class _Pair(NamedTuple):
    """The scores of one episode under the two executors."""

    dataset: str
    task: str
    before: float
    after: float


def compare_runs(before: Iterable[Entry], after: Iterable[Entry]) -> list[Swapped]:
    """Pair the episodes of two runs by their ids, system by system.

    Args:
        before: Episodes of the one run.
        after: Episodes of the other; only those with a score in both are compared.
    """
    first = {entry.episode: entry.summary for entry in before}
    found: dict[str, list[_Pair]] = {}
    for entry in after:
        one, other = first.get(entry.episode), entry.summary
        if one is not None and one.score is not None and other.score is not None:
            found.setdefault(other.system, []).append(_Pair(one.dataset, one.task, one.score, other.score))
    return [_swapped(system, pairs) for system, pairs in found.items()]


def _swapped(system: str, pairs: list[_Pair]) -> Swapped:
    found: dict[str, dict[str, list[_Pair]]] = {}
    for pair in pairs:
        found.setdefault(pair.dataset, {}).setdefault(pair.task, []).append(pair)

    def by_dataset(of: Callable[[_Pair], float]) -> list[list[float]]:
        return [[fmean(map(of, epochs)) for epochs in tasks.values()] for tasks in found.values()]

    before, after = (fmean(map(fmean, by_dataset(of))) for of in (attrgetter("before"), attrgetter("after")))
    return Swapped(system, len(pairs), before, after, compare(by_dataset(lambda pair: pair.after - pair.before)))


def _plans(source: Path, target: Path, executor: str, changes: Mapping[str, Any]) -> list[EvaluationConfig]:
    """What the source was started with, changed; what it keeps of its backends, the target keeps in its own folder."""
    plans = read_plans(source)
    own = {"cache": target / REPLIES, "requests": (target / REQUESTS).absolute()}
    kept = {name: path for name, path in own.items() if getattr(plans[0], name) is not None}
    return [replace(plan, **{"executor": executor, **kept, **changes}) for plan in plans]


def _jobs(run: RunFolder, tasks: Mapping[str, Sequence[Sample]]) -> list[Job]:
    """An episode for each one recorded, on the same task."""
    samples = {(name, sample.task.id): sample for name, rows in tasks.items() for sample in rows}
    systems: dict[str, Recorded] = {}
    jobs: list[Job] = []
    for entry in run.entries.values():
        was = entry.summary
        sample = samples.get((was.dataset, was.task))
        if sample is None or sample.task.digest != was.digest:
            raise ConfigError(
                f"the task {was.task} of {was.dataset} is not in the data as it is now",
                "a swap needs the very tasks that the run was made with",
            )
        system = systems.setdefault(was.system, _recorded(was.system, run))
        jobs.append(Job(system, was.dataset, sample, was.epoch, was.seed))
    return jobs


def _recorded(name: str, run: RunFolder) -> Recorded:
    designer = parse_system(spec_of(run, name))
    return Recorded(name, run, designer.temperature if isinstance(designer, WorkflowSystem) else None)
