"""The right answers to a run's tasks, where its settings let them be loaded on this machine."""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowsteer.datasets.base import Sample
from flowsteer.datasets.registry import generated
from flowsteer.errors import FlowSteerError
from flowsteer.runs.event_json import JSON

if TYPE_CHECKING:
    from flowsteer.evaluation.evaluation_config import EvaluationConfig

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Dataset and task, by the names that episodes carry."""


class RightAnswers:
    """The right answers of a run; loaded once, when they are first asked for.

    Nothing is downloaded: datasets that are made here, and files of this machine, have answers; others have none.

    Args:
        run: The run folder.
        config: What the run was asked to do.
    """

    def __init__(self, run: Path, config: JSON) -> None:
        self._run, self._config = run, config
        self._lock = threading.Lock()
        self._known: Mapping[Key, Sample] | None = None

    def of(self, dataset: str, task: str, digest: str) -> tuple[str, ...] | None:
        """The right answers to a task; None where they are not at hand, or the task has another content now.

        Args:
            dataset: Name of its dataset in the run.
            task: Its id.
            digest: Digest of its content.
        """
        with self._lock:
            if self._known is None:
                self._known = {(name, one.task.id): one for name, one in _samples(self._run, self._config)}
        sample = self._known.get((dataset, task))
        if sample is None or (digest and sample.task.digest != digest):
            return None
        reference = sample.reference
        return reference.answers or ((reference.solution,) if reference.solution else None)


def _samples(run: Path, config: JSON) -> list[tuple[str, Sample]]:
    try:
        match config.get("command"):
            case "eval":
                return list(_of_evaluation(run))
            case "train":
                return list(_of_training(config))
    except (FlowSteerError, OSError) as error:
        _log.warning("%s: no right answers are shown: %s", run, error)
    return []


def _of_evaluation(run: Path) -> Iterator[tuple[str, Sample]]:
    """Those of every start; the latest, which comes last, says where data is now."""
    from flowsteer.evaluation.evaluate import read_plans

    latest, *before = read_plans(run)
    for plan in before:
        with suppress(FlowSteerError):
            yield from _of_start(plan)
    yield from _of_start(latest)


def _of_start(plan: "EvaluationConfig") -> Iterator[tuple[str, Sample]]:
    from flowsteer.evaluation.specs import parse_systems
    from flowsteer.evaluation.task_sets import label_of, needed_for_validation, samples_of

    needed = needed_for_validation(parse_systems(plan.systems, plan.without))
    for name in plan.datasets:
        if _is_here(name, plan.data):
            yield from ((label_of(name), one) for part in samples_of(name, needed, plan) for one in part)


def _of_training(config: JSON) -> Iterator[tuple[str, Sample]]:
    from flowsteer.settings import check
    from flowsteer.training.data import DataSettings, load_tasks

    data = check(DataSettings, config.get("data", {}), "data")
    if all(_is_here(name, data.data) for name in data.datasets):
        splits = load_tasks(data, config.get("seed", 0))
        yield from _named((*splits.train, *splits.validation, *splits.test))


def _named(samples: Iterable[Sample]) -> Iterator[tuple[str, Sample]]:
    return ((sample.task.dataset, sample) for sample in samples)


def _is_here(name: str, data: Path | None) -> bool:
    return generated(name) or name.endswith(".jsonl") or data is not None
