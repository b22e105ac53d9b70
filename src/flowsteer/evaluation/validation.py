"""The validation bench: workflows scored on tasks that are not in the test, kept in a run folder of their own.

It is a folder `validation` inside the run's. Its episodes are named by the workflow's content, so two designers that
try the same workflow share them, and a run that is broken off in a search goes on where it was.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from flowsteer.datasets.base import Sample
from flowsteer.errors import BackendUnavailable, BudgetExceeded, GraderError
from flowsteer.evaluation.design import JSON, Bench, Designer, Trial
from flowsteer.evaluation.episodes import Job
from flowsteer.evaluation.job_runner import JobEngine, run_jobs
from flowsteer.evaluation.systems import System, WorkflowSystem
from flowsteer.runs.folder import RunFolder
from flowsteer.session import Session
from flowsteer.task import Task
from flowsteer.workflow.nodes import Workflow
from flowsteer.workflow.serial import workflow_to_json

FOLDER = "validation"


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


async def design_all(systems: Sequence[System | Designer], bench: Bench) -> list[System]:
    """The systems for one dataset: those that run as they are, and what designers make of it.

    Args:
        systems: Systems and designers, in the order of the report.
        bench: The dataset's bench.

    Raises:
        BackendUnavailable: A backend is gone.
        BudgetExceeded: The budget is spent.
        GraderError: No validation task could be scored.
    """
    return [
        WorkflowSystem(system.name, await system.design(bench)) if isinstance(system, Designer) else system
        for system in systems
    ]


def _digest(workflow: Workflow) -> str:
    return hashlib.sha256(json.dumps(workflow_to_json(workflow), sort_keys=True).encode()).hexdigest()[:16]
