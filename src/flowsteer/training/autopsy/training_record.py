"""The folder of a training run, sorted: rollouts by step and group, tests, metrics, and what is not there."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError
from flowsteer.runs.events import EpisodeStarted
from flowsteer.runs.files import read_json, read_lines
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.workflow.nodes import Category

JSON = dict[str, Any]

BEFORE, AFTER = "before", "after"

_ROLLOUT = re.compile(r"train/(\d+)/(\d+)/.*/\d+", re.DOTALL)
_TEST = re.compile(r"(before|after|test)/T0/", re.DOTALL)
"""Greedy tests; a study tests what it trained under the name `test`."""


@dataclass(frozen=True, slots=True)
class TrainingEpisode:
    """An episode that was trained on.

    Attributes:
        episode: Its id, `train/STEP/ROW/TASK/NUMBER`.
        step: The update that it was played for, from 1.
        group: What the ids of those it was compared with begin with.
        summary: What is told of it.
    """

    episode: str
    step: int
    group: str
    summary: EpisodeSummary


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What a training run left.

    Attributes:
        folder: Its folder.
        settings: What it was asked to do; of a study's runs, as far as it differs from the defaults.
        episodes: Those that were trained on, in the order in which they finished; lost ones are left out.
        tests: Greedy episodes on the test tasks, `before` and `after`.
        metrics: Lines of `metrics.jsonl`.
        before: What stands in `before.json`.
        after: What stands in `after.json`.
        coldstart: What stands in `coldstart.json`.
        finished: Whether the run came to its end.
    """

    folder: RunFolder
    settings: JSON
    episodes: Sequence[TrainingEpisode]
    tests: Mapping[str, Sequence[EpisodeSummary]]
    metrics: Sequence[JSON]
    before: JSON
    after: JSON
    coldstart: JSON
    finished: bool

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        return max([line["step"] for line in self.metrics] + [one.step for one in self.episodes], default=0)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not recorded, and what can therefore not be told."""
        names = {name.partition("/")[0] for line in self.metrics for name in line}
        absent = {
            "metrics.jsonl: no step is recorded, so nothing is told over time": not self.metrics,
            "metrics.jsonl has no signal/…, which later versions write: the terms' variances are not told": (
                bool(self.metrics) and "signal" not in names
            ),
            "metrics.jsonl has no types/…, which later versions write: gates are not told by type": (
                bool(self.metrics) and "types" not in names
            ),
            "no training episode is recorded, as in the runs of a study: features of workflows, rejections and groups "
            "are not told": not self.episodes,
            "no greedy test before training is recorded: nothing is told of the start": not self.tests[BEFORE],
            "no greedy test after training is recorded: nothing is told of the end": not self.tests[AFTER],
            "coldstart.json is not there: whether the start could write every kind of action is not told": (
                not self.coldstart
            ),
        }
        return tuple(said for said, holds in absent.items() if holds)

    def categories(self) -> Mapping[str, Category]:
        """Each operator's category, as the canvas of an episode had them; empty if none is recorded."""
        for episode in self.folder.entries:
            with suppress(RunError):  # a damaged one; the next has them, too
                for event in self.folder.events(episode, (EpisodeStarted,)):
                    if isinstance(event, EpisodeStarted) and event.settings is not None:
                        return event.settings.rules.categories
        return {}


def read_training(path: Path) -> TrainingRecord:
    """Read the folder of a training run; it may be under way.

    Raises:
        RunError: It is no run folder, or that of another command.
    """
    folder = RunFolder.read(path)
    command = folder.config.get("command")
    if command != "train":
        raise RunError(
            f"{path} is no training run: it was made by {f'flowsteer {command}' if command else 'something else'}",
            "name the run folder of a flowsteer train, or of one cell of a flowsteer study",
        )
    tests: dict[str, list[EpisodeSummary]] = {BEFORE: [], AFTER: []}
    episodes: list[TrainingEpisode] = []
    for episode, entry in folder.entries.items():
        if entry.summary.lost is not None:
            continue
        if rollout := _ROLLOUT.fullmatch(episode):
            step, row = rollout.groups()
            episodes.append(TrainingEpisode(episode, int(step), f"train/{step}/{row}/", entry.summary))
        elif test := _TEST.match(episode):
            tests[BEFORE if test[1] == "before" else AFTER].append(entry.summary)
    before, after, coldstart, result = (
        _object(path / f"{name}.json") for name in ("before", "after", "coldstart", "result")
    )
    metrics = [line for line in read_lines(path / "metrics.jsonl") if isinstance(line.get("step"), int)]
    return TrainingRecord(
        folder, folder.config, episodes, tests, metrics, before, after, coldstart, bool(after or result)
    )


def _object(file: Path) -> JSON:
    found = read_json(file)
    return found if isinstance(found, dict) else {}
