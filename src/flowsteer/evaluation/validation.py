"""The validation bench: workflows scored on tasks that are not in the test, kept in a run folder of their own.

It is a folder `validation` inside the run's. Its episodes are named by the workflow's content, so two designers that
try the same workflow share them, and a run that is broken off in a search goes on where it was. What a designer chose
for a dataset is noted there: in one run its name means one workflow, however often the run is extended.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from flowsteer.datasets.base import Sample
from flowsteer.errors import BackendUnavailable, BudgetExceeded, ConfigError, GraderError
from flowsteer.evaluation.design import JSON, Designer, Trial
from flowsteer.evaluation.episodes import Job
from flowsteer.evaluation.job_runner import JobEngine, run_jobs
from flowsteer.evaluation.systems import System, WorkflowSystem
from flowsteer.runs.events import EpisodeEnded
from flowsteer.runs.folder import RunFolder
from flowsteer.session import Session
from flowsteer.task import Task
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.serial import workflow_from_json, workflow_to_json


@dataclass(frozen=True, slots=True)
class FolderBench:
    """A `Bench` whose trials are episodes of a run folder.

    Attributes:
        session: What is connected.
        dataset: The dataset's name.
        samples: The validation samples.
        folder: Where trials and notes are kept.
        engine: Where trials run.
    """

    session: Session
    dataset: str
    samples: Sequence[Sample]
    folder: RunFolder
    engine: JobEngine

    @property
    def tasks(self) -> Sequence[Task]:
        """The validation tasks."""
        return [sample.task for sample in self.samples]

    async def score(self, workflow: Workflow) -> Trial:
        """See `Bench.score`."""
        system = WorkflowSystem(f"workflow:{_digest(workflow)}", workflow)
        jobs = [Job(system, self.dataset, sample, 0, self.session.setup.seed) for sample in self.samples]
        progress = await run_jobs(jobs, self.engine, self.folder)
        if progress.errors:
            raise BackendUnavailable(
                f"validation on {self.dataset} broke off: {progress.error}", "run it again to go on"
            )
        if progress.stopped:
            raise BudgetExceeded(progress.stopped, "raise the budget to go on; what has been done is kept")
        summaries = [self.folder.entries[job.id].summary for job in jobs]
        scores = [summary.score for summary in summaries if summary.score is not None]
        if not scores:
            raise GraderError(f"no validation task of {self.dataset} could be scored: {summaries[0].reason}")
        return Trial(workflow, fmean(scores), sum(summary.calls for summary in summaries))

    def recall(self, note: str) -> JSON | None:
        """See `Bench.recall`."""
        return self.folder.notes.get(note)

    def keep(self, note: str, content: JSON) -> None:
        """See `Bench.keep`."""
        self.folder.note(note, content)


async def design_all(
    systems: Sequence[System | Designer], bench: FolderBench, run: RunFolder, tested: Sequence[Sample]
) -> list[System]:
    """The systems for one dataset: those that run as they are, and what designers make of it.

    Args:
        systems: Systems and designers, in the order of the report.
        bench: The dataset's bench.
        run: The run whose bench it is.
        tested: The samples that the systems will be tested on.

    Raises:
        ConfigError: The run has validated on some of them.
        BackendUnavailable: A backend is gone.
        BudgetExceeded: The budget is spent.
        GraderError: No validation task could be scored.
    """
    _refuse_validated(bench, tested)
    return [
        WorkflowSystem(system.name, await _choice(system, bench, run)) if isinstance(system, Designer) else system
        for system in systems
    ]


def _refuse_validated(bench: FolderBench, tested: Sequence[Sample]) -> None:
    """Refuse to test on what the run has validated on, with another size or split, or in a former version."""
    entries = (entry.summary for entry in bench.folder.entries.values())
    validated = {summary.digest for summary in entries if summary.dataset == bench.dataset}
    shared = [place for place, sample in enumerate(tested) if sample.task.digest in validated]
    if shared:
        raise ConfigError(
            f"{len(shared)} tasks of {bench.dataset} that are to be tested on were validation tasks of this run, "
            f"such as {tested[shared[0]].task.id}",
            (f"--limit {shared[0]}, or " if shared[0] else "") + "begin another run: --run DIR",
        )


async def _choice(designer: Designer, bench: FolderBench, run: RunFolder) -> Workflow:
    """The workflow that a designer chose in this run, or now chooses."""
    note = f"{designer.name}/{bench.dataset}/choice"
    noted = bench.recall(note)
    if noted is not None:
        return workflow_from_json(noted)
    chosen = _played(designer.name, bench.dataset, run) or await designer.design(bench)
    bench.keep(note, workflow_to_json(chosen))
    return chosen


def _played(system: str, dataset: str, run: RunFolder) -> Workflow | None:
    """The workflow of a system's first episode on a dataset; runs of former versions noted no choice."""
    for episode in run.entries:
        if episode.startswith(f"{system}/{dataset}/"):
            return next(event.workflow for event in run.events(episode) if isinstance(event, EpisodeEnded))
    return None


def _digest(workflow: Workflow) -> str:
    return hashlib.sha256(json.dumps(workflow_to_json(workflow), sort_keys=True).encode()).hexdigest()[:16]
