"""What it takes to run the workflow of a recorded episode again as it was run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowsteer.backends.base import SamplingSettings
from flowsteer.errors import FlowSteerError, RunError
from flowsteer.evaluation.evaluate import spec_of
from flowsteer.evaluation.specs import parse_system
from flowsteer.evaluation.systems import WorkflowSystem
from flowsteer.operators.registry import load_library
from flowsteer.runs.events import EditApplied, EpisodeEnded, EpisodeStarted, Voted
from flowsteer.runs.folder import RunFolder
from flowsteer.session import Setup, vote_seed
from flowsteer.settings import check
from flowsteer.task import Task
from flowsteer.workflow.nodes import Workflow, steps


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A workflow, a task, and the setup that ran the one on the other.

    Attributes:
        workflow: The workflow.
        task: The task.
        setup: Executor, operators, sandbox, backends of single nodes, sampling, seed and time limit; no Director.
        flaw: Why a program cannot do it again; empty if it can.
    """

    workflow: Workflow
    task: Task
    setup: Setup
    flaw: str = ""

    def refuse_flaw(self) -> None:
        """Refuse what a program cannot do.

        Raises:
            RunError: There is a flaw.
        """
        if self.flaw:
            raise RunError(f"no program can do this episode again: {self.flaw}", "--to json keeps the workflow")


def reproduction(folder: RunFolder, episode: str) -> Reproduction:
    """What ran in an episode of any kind of run; of one that is not finished, the workflow as it stands.

    Args:
        folder: The run.
        episode: The episode's id.

    Raises:
        RunError: The record does not hold it.
    """
    finished = episode in folder.entries
    events = folder.events(episode, (EpisodeStarted, Voted, EpisodeEnded if finished else EditApplied))
    started = next((event for event in events if isinstance(event, EpisodeStarted)), None)
    ended = next((event for event in reversed(events) if isinstance(event, EpisodeEnded | EditApplied)), None)
    if started is None or ended is None:
        raise RunError(f"the episode {episode!r} of {folder.path} has no workflow", f"flowsteer show {folder.path}")
    named = _settings(folder.config)
    if finished:
        system, seed = folder.entries[episode].summary.system, folder.entries[episode].summary.seed
    else:  # its id begins with its system, of which those that draw at a temperature of their own have no slash
        system, seed = episode.partition("/")[0], int(folder.config.get("seed", 0))
    own = _temperature(folder, system)
    drawn = named.pop("sampling") | ({} if own is None else {"temperature": own})
    sampling = check(SamplingSettings, drawn, "the record")
    vote = next((event.taken for event in events if isinstance(event, Voted)), 0)
    setup = Setup(
        director="", executor=started.executor, executor_sampling=sampling, seed=vote_seed(seed, vote), **named
    )
    flaw = (
        "its record does not say which of its votes was taken" if vote < 0 else _not_in(setup.library, ended.workflow)
    )
    return Reproduction(ended.workflow, started.task, setup, flaw)


def _temperature(folder: RunFolder, system: str) -> float | None:
    """At which the operators of a system drew, if not at the run's own: a solve and a training have no such system."""
    try:
        ran = parse_system(spec_of(folder, system))
    except FlowSteerError:
        return None
    return ran.temperature if isinstance(ran, WorkflowSystem) else None


def _not_in(library: str, workflow: Workflow) -> str:
    """What of a workflow a library does not have: a baseline's own operator, which evaluations alone have."""
    names = {step.operator for step in steps(workflow.nodes)} - load_library(library).operators.keys()
    return f"{', '.join(sorted(names))} is no operator of the library {library}" if names else ""


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's configuration says of how operators run; that of a training has a table for it."""
    table = config["executor"] if isinstance(config.get("executor"), dict) else config
    sampling = table.get("executor_sampling") or table.get("sampling") or {}
    kept = {name: table[name] for name in ("library", "sandbox", "node_seconds") if name in table}
    return kept | {"sampling": dict(sampling), "roster": dict(table.get("roster") or {})}
