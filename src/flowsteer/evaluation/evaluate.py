"""An evaluation from its configuration to its last episode: the one function behind `flowsteer eval`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from flowsteer.backends.base import Backend
from flowsteer.backends.ledger import resume_account
from flowsteer.errors import BudgetExceeded, ConfigError, FlowSteerError, RunError
from flowsteer.evaluation.ablations import OPTION
from flowsteer.evaluation.design import Designer
from flowsteer.evaluation.evaluation_config import OUTSIDE, EvaluationConfig, make_config, settings_of, setup_of
from flowsteer.evaluation.job_runner import TRIALS, LocalEngine, jobs_of, run_jobs, spent_before
from flowsteer.evaluation.progress import OnProgress, Progress, quietly
from flowsteer.evaluation.specs import named_specs, parse_systems
from flowsteer.evaluation.systems import System
from flowsteer.evaluation.task_sets import TaskSets, label_of, load_tasks
from flowsteer.evaluation.validation import FolderBench, design_all
from flowsteer.grading.connect import GradeAnswer, open_grader
from flowsteer.runs.files import read_json, write_json
from flowsteer.runs.folder import Listener, RunFolder, unheard
from flowsteer.session import Session, open_session
from flowsteer.settings import to_json

PLAN = "plan.json"
"""The configuration of the latest start, and under `BEFORE` which episodes earlier starts asked for.

It says which episodes the run is to hold, and where their tasks are from.
"""

BEFORE = "before"

NAMED = "system/"
"""Notes that begin so say what a user's own name of a system stands for."""


async def evaluate(
    config: EvaluationConfig,
    path: Path,
    on_progress: OnProgress = quietly,
    extra: Mapping[str, Backend] | None = None,
    fail_fast: bool = False,
    listener: Listener = unheard,
) -> Progress:
    """Run an evaluation into a folder, or go on with it.

    Args:
        config: The evaluation.
        path: The run folder. One that holds episodes of the same settings is resumed, and extended by systems, tasks
            and epochs that are new.
        on_progress: Called at the start and after each episode.
        extra: Backends made elsewhere, by the spec that names them; not for `ray`.
        fail_fast: Whether a fault of an operator's or a grader's own code ends the run; not for `ray`. Without it the
            run goes on, and the fault is in the record of its episode.
        listener: Gets every event that is written down; under `ray` when its episode is over.

    Returns:
        The final counts; `stopped` says why if the budget, or too many errors, ended it early.

    Raises:
        ConfigError: A setting, a name or a dataset does not fit; found before the first episode.
        RunError: The folder belongs to another run, or holds one of the datasets by another split.
        BackendUnavailable: A backend cannot be reached at the start, or is lost while a workflow is being chosen.
        SandboxError: The sandbox asked for is not there.
    """
    systems = parse_systems(config.systems, config.without)
    tasks = load_tasks(config, systems)
    with RunFolder.create(path, settings_of(config), listener) as folder:
        _refuse_other_split(path, config)
        async with _connected(config, systems, folder, extra) as session, open_grader() as grade:
            keep_names(folder, config.systems)
            write_plan(path, config)
            resume_account(session.budget, path, spent_before(folder))
            try:
                chosen = await _choose(systems, tasks, config, folder, session, grade)
            except BudgetExceeded as error:
                return _stopped(folder, len(systems) * config.epochs * sum(map(len, tasks.test.values())), error)
            jobs = list(jobs_of(chosen, tasks.test, config.epochs, config.seed))
            if config.engine == "local":
                engine = LocalEngine(session, folder, grade, config.concurrency, fail_fast)
                return await run_jobs(jobs, engine, folder, on_progress)
            budget, llama = session.budget, any(spec.startswith("llamacpp:") for spec in session.served)
        from flowsteer.evaluation.ray_engine import ray_engine

        async with ray_engine(setup_of(config), budget, folder, config.workers, config.concurrency, llama) as remote:
            return await run_jobs(jobs, remote, folder, on_progress)


@asynccontextmanager
async def _connected(
    config: EvaluationConfig,
    systems: Sequence[System | Designer],
    folder: RunFolder,
    extra: Mapping[str, Backend] | None,
) -> AsyncIterator[Session]:
    """A session in which every system can work; a new folder goes again where one cannot.

    Raises:
        ConfigError: A name does not fit.
        BackendUnavailable: A backend cannot be reached.
        SandboxError: The sandbox asked for is not there.
    """
    async with AsyncExitStack() as stack:
        try:
            session = await stack.enter_async_context(open_session(setup_of(config), extra))
            for system in systems:
                await system.check(session)
        except FlowSteerError:
            folder.discard_if_new()
            raise
        yield session


async def _choose(
    systems: Sequence[System | Designer],
    tasks: TaskSets,
    config: EvaluationConfig,
    folder: RunFolder,
    session: Session,
    grade: GradeAnswer,
) -> dict[str, list[System]]:
    """The systems for each dataset; designers choose theirs in a run folder of their own, paid from the same budget."""
    ready = [system for system in systems if isinstance(system, System)]
    if len(ready) == len(systems):
        return dict.fromkeys(tasks.test, ready)
    with RunFolder.create(folder.path / TRIALS, settings_of(config)) as trials:
        engine = LocalEngine(session, trials, grade, config.concurrency)
        return {
            dataset: await design_all(
                systems, FolderBench(session, dataset, samples, trials, engine), folder, tasks.test[dataset]
            )
            for dataset, samples in tasks.validation.items()
        }


def keep_names(folder: RunFolder, specs: Sequence[str]) -> None:
    """Keep what the user's own names stand for: in one run, a name means one system.

    Args:
        folder: The run.
        specs: The systems as the user named them.

    Raises:
        RunError: A name stood for another system when the run was begun.
    """
    latest = _names_in_plan(folder.path)  # should the notes be lost
    for name, spec in named_specs(specs).items():
        note = f"{NAMED}{name}"
        before = folder.notes.get(note, {}).get("spec", latest.get(name, spec))
        if before != spec:
            raise RunError(
                f"in {folder.path} {name} is the system {before}, not {spec}", f"give it another name: my-{name}={spec}"
            )
        if note not in folder.notes:
            folder.note(note, {"spec": spec})


def _names_in_plan(path: Path) -> dict[str, str]:
    """What the user's own names stood for at the latest start; nothing if no plan tells it."""
    plan = read_json(path / PLAN)
    systems = plan.get("systems") if isinstance(plan, dict) else None
    return named_specs(one for one in systems if isinstance(one, str)) if isinstance(systems, list) else {}


def spec_of(folder: RunFolder, name: str) -> str:
    """The spec of a system by its name in a run: the same, unless the user gave the name."""
    own, option, dropped = name.partition(OPTION)
    spec: str = folder.notes.get(f"{NAMED}{own}", {}).get("spec", own)
    return f"{spec}{option}{dropped}"


def _stopped(folder: RunFolder, total: int, error: BudgetExceeded) -> Progress:
    """The counts of a run whose budget did not last for choosing workflows: what earlier starts have done."""
    progress = Progress(total, stopped=error.message)
    for entry in folder.entries.values():
        progress.book(entry.summary, resumed=True)
    return progress


def _refuse_other_split(path: Path, config: EvaluationConfig) -> None:
    """Refuse to test on two splits of a dataset in one run: a report would pool them under one name.

    Raises:
        RunError: An earlier start asked for another split of one of the datasets.
    """
    labels = set(map(label_of, config.datasets))
    for earlier in earlier_starts(path):
        shared = [name for name in map(label_of, earlier.datasets) if name in labels]
        if shared and earlier.split != config.split:
            raise RunError(
                f"{path} holds {shared[0]} by the split {earlier.split}, not {config.split}",
                "use the same split to go on with it, or another folder: --run DIR",
            )


def write_plan(path: Path, config: EvaluationConfig) -> None:
    """Keep the configuration of this start beside its episodes, and what earlier starts asked for."""
    now = _asked(config)
    before = [asked for earlier in earlier_starts(path) if (asked := _asked(earlier)) != now]
    write_json(path / PLAN, to_json(config) | {BEFORE: before})


def _asked(config: EvaluationConfig) -> dict[str, Any]:
    """What of a configuration says which episodes there are."""
    return {name: value for name, value in to_json(config).items() if name in OUTSIDE}


def earlier_starts(path: Path) -> tuple[EvaluationConfig, ...]:
    """`read_plans`, before this start is kept: nothing for a new run, or where what was kept is no plan."""
    try:
        return read_plans(path)
    except (RunError, ConfigError):
        return ()


def read_plan(path: Path) -> EvaluationConfig:
    """The configuration with which a run was last started; errors are those of `read_plans`."""
    return read_plans(path)[0]


def read_plans(path: Path) -> tuple[EvaluationConfig, ...]:
    """The configurations with which a run was started, the latest first.

    Starts that asked for the same episodes are one. Of earlier ones only that is kept; the rest is the latest one's.

    Raises:
        RunError: The folder holds no evaluation.
        ConfigError: Its plan is of another version.
    """
    plain = read_json(path / PLAN)
    if plain is None:
        raise RunError(
            f"{path} holds no evaluation: no references are known for its answers",
            "flowsteer eval … --run DIR makes one",
        )
    where = str(path / PLAN)
    before = plain.pop(BEFORE, []) if isinstance(plain, dict) else None
    if not isinstance(before, list) or not all(isinstance(asked, dict) for asked in before):
        raise ConfigError(f"{where} holds no settings of an evaluation", "the command that made the run writes it anew")
    return tuple(make_config(plain | asked, where) for asked in ({}, *before))
