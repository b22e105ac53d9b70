"""`flowsteer calibrate`: run the designed workflows, fit a profile to their record, and test its predictions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from math import ceil
from pathlib import Path
from typing import Any

from flowsteer.calibration.counted_steps import CountedStep, distinct, observed
from flowsteer.calibration.design_of_runs import CHAINS, FITTED, HELD_OUT, PART, SOLVERS
from flowsteer.calibration.fitting import TYPES, Fit, fit
from flowsteer.calibration.prediction import RIGHT, Prediction, predict
from flowsteer.calibration.rates import Rate
from flowsteer.datasets.base import Sample
from flowsteer.errors import RunError
from flowsteer.evaluation.evaluate import earlier_starts
from flowsteer.evaluation.evaluation_config import EvaluationConfig, setup_of
from flowsteer.evaluation.task_sets import load_tasks
from flowsteer.grading.connect import GradeAnswer, open_grader
from flowsteer.operators.registry import load_library
from flowsteer.runs.events import NodeRan
from flowsteer.runs.files import write_json
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.session import open_session
from flowsteer.task import TaskType

FILE = "profile.json"
FIXED = "fixed:"
SOLVER_SYSTEMS = tuple(f"{FIXED}{text}" for text in SOLVERS)
CHAIN_SYSTEMS = tuple(f"{FIXED}{text}" for text in (*CHAINS, *HELD_OUT))
"""The designed workflows, as systems of an evaluation."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A profile, what it was fitted to, and how far it can be trusted.

    Attributes:
        fit: The profile and the counts behind it.
        executor: Spec of the LLM.
        datasets: What the tasks are from.
        predictions: Accuracy of every designed workflow, measured and predicted.
    """

    fit: Fit
    executor: str
    datasets: tuple[str, ...]
    predictions: tuple[Prediction, ...]

    def missed(self, fitted: bool) -> float | None:
        """The mean absolute error of the predictions, for workflows that were fitted or for those that were not.

        None where none of them has been run yet.
        """
        errors = [abs(one.missed) for one in self.predictions if one.fitted is fitted]
        return sum(errors) / len(errors) if errors else None


def designed(config: EvaluationConfig) -> tuple[EvaluationConfig, EvaluationConfig]:
    """The two evaluations of a calibration, for one run folder: solvers on all tasks, chains on the first part of them.

    Args:
        config: That of the solvers; `limit` is the number of tasks of each dataset.
    """
    return config, replace(config, systems=CHAIN_SYSTEMS, limit=ceil((config.limit or 1) / PART))


def refuse_other_run(path: Path) -> None:
    """Refuse to calibrate in the folder of another evaluation: its episodes would be taken for those of a calibration.

    Raises:
        RunError: There is an evaluation, and no start of it asked for designed workflows alone.
    """
    starts = earlier_starts(path)
    if starts and not any({*start.systems} <= {*SOLVER_SYSTEMS, *CHAIN_SYSTEMS} for start in starts):
        raise RunError(f"{path} holds an evaluation and no calibration", "name another folder: --run DIR")


async def calibrate(path: Path, name: str, config: EvaluationConfig) -> Calibration:
    """Fit a profile to the designed runs of a folder, test it on the held-out ones, and write it beside them.

    Args:
        path: The run folder of the evaluations of `designed`. One that stopped early is fitted as far as it came.
        name: The profile's name.
        config: The tasks: that of the solvers.

    Raises:
        RunError: The folder holds no such evaluation, or no finished episode of one.
    """
    run = RunFolder.read(path)
    samples = _by_digest(load_tasks(config).test)
    async with open_grader() as grade, open_session(replace(setup_of(config), executor="simulated:")) as session:
        seen = [one for one in _observations(run) if one.task in samples]  # there may have been more tasks before
        if not seen:
            raise RunError(
                f"{path} holds no finished episode of a designed workflow", "flowsteer calibrate … --run DIR"
            )
        right = await _graded(seen, samples, grade)
        found = fit(name, seen, right)
        measured = _measured(run)
        kinds = sorted({kind for _, kind in measured})
        texts = list(dict.fromkeys(text for text, _ in measured))
        predicted = await predict(found.profile, texts, kinds, session.library, session.sandbox, grade)
    predictions = (Prediction(*key, rate, predicted[key], key[0] in FITTED) for key, rate in measured.items())
    calibration = Calibration(found, config.executor, config.datasets, tuple(predictions))
    write_json(path / FILE, to_json(calibration))
    return calibration


def to_json(calibration: Calibration) -> dict[str, Any]:
    """A calibration as JSON values; the simulated executor reads its `profile`."""
    found = calibration.fit
    return {
        "profile": asdict(found.profile),
        "hash": found.profile.digest,
        "executor": calibration.executor,
        "datasets": list(calibration.datasets),
        "tasks": dict(found.tasks),
        "seconds": {name: dict(row) for name, row in found.seconds.items()},
        "rates": {
            table: {name: {kind: _rate(rate) for kind, rate in row.items()} for name, row in rates.items()}
            for table, rates in found.rates.items()
        },
        "predictions": [
            {
                "workflow": one.workflow,
                "type": one.type,
                "fitted": one.fitted,
                "predicted": one.predicted,
                "measured": _rate(one.measured),
            }
            for one in calibration.predictions
        ],
    }


def _type(summary: EpisodeSummary) -> TaskType:
    """The type of an episode's task, which the index keeps as a text."""
    return next(kind for kind in TYPES if kind == summary.type)


def _rate(rate: Rate) -> dict[str, float]:
    low, high = rate.interval()
    return {"hits": rate.hits, "count": rate.count, "low": round(low, 3), "high": round(high, 3)}


def _by_digest(samples: Mapping[str, Sequence[Sample]]) -> Mapping[str, Sample]:
    return {sample.task.digest: sample for sample in chain.from_iterable(samples.values())}


def _observations(run: RunFolder) -> list[CountedStep]:
    """Every step of the fitted workflows' runs, each once."""
    library = load_library("paper")
    seen: list[CountedStep] = []
    for entry in run.graded():
        one = entry.summary
        if one.system.removeprefix(FIXED) in FITTED:
            ran = [event for event in run.events(entry.episode, {NodeRan}) if isinstance(event, NodeRan)]
            seen += observed(one.digest, _type(one), ran, library)
    return distinct(seen)


async def _graded(
    seen: Sequence[CountedStep], samples: Mapping[str, Sample], grade: GradeAnswer
) -> Callable[[str, str], bool]:
    """Whether an answer to a task is right; each is graded once."""
    known: dict[tuple[str, str], bool] = {}
    for one in seen:
        for answer in one.answers:
            key = one.task, answer
            if key not in known:
                known[key] = bool(answer) and ((await grade(samples[one.task], answer)).score or 0.0) >= RIGHT
    return lambda task, answer: known[task, answer]


def _measured(run: RunFolder) -> dict[tuple[str, TaskType], Rate]:
    """How often each designed workflow was right, by workflow and type; what could not be graded is left out."""
    found: dict[tuple[str, TaskType], Rate] = {}
    for entry in run.graded():
        one, text = entry.summary, entry.summary.system.removeprefix(FIXED)
        if one.score is not None and text in (*FITTED, *HELD_OUT):
            key = text, _type(one)
            found[key] = found.get(key, Rate()) + Rate.of([one.score >= RIGHT])
    return found
