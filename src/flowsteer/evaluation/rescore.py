"""Grade a run again from its recorded answers: nothing is run, and nothing that was recorded is changed.

Each pass is a file of its own, `scores/0001.jsonl` and so on, one line an episode, written whole or not at all. Reports
read a run through `scored_entries`, which puts the latest pass in the place of the grades recorded with the episodes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowsteer.datasets.base import Sample
from flowsteer.errors import RunError
from flowsteer.evaluation.episodes import JSON, GradeAnswer, graded
from flowsteer.evaluation.job_runner import lost_entries
from flowsteer.runs.folder import Entry, RunFolder

FOLDER = "scores"


@dataclass(frozen=True, slots=True)
class Change:
    """An episode whose score is another one now."""

    episode: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Rescored:
    """What grading again came to.

    Attributes:
        graded: Episodes graded.
        changes: Those whose score changed.
        missing: Episodes whose task is not among the samples, or has another content now; they keep their grade.
        path: The file of this pass.
    """

    graded: int
    changes: tuple[Change, ...]
    missing: tuple[str, ...]
    path: Path


async def rescore(path: Path, samples: Mapping[str, Sequence[Sample]], grade: GradeAnswer) -> Rescored:
    """Grade every recorded answer of a run again.

    Args:
        path: The run folder.
        samples: The samples of each dataset, by the name that episodes carry.
        grade: The grader.

    Raises:
        RunError: There is no run, or its folder cannot be written.
    """
    known = {(dataset, sample.task.id): sample for dataset, rows in samples.items() for sample in rows}
    changes: list[Change] = []
    missing: list[str] = []
    lines: list[str] = []
    for entry in scored_entries(RunFolder.read(path), with_lost=False):
        was = entry.summary
        sample = known.get((was["dataset"], was["task"]))
        if sample is None or sample.task.digest != was["digest"]:
            missing.append(entry.episode)
            continue
        now = graded(await grade(sample, was["answer"]))
        lines.append(json.dumps({"episode": entry.episode} | now, ensure_ascii=False))
        if now["score"] != was["score"]:
            changes.append(Change(entry.episode, was["score"], now["score"]))
    return Rescored(len(lines), tuple(changes), tuple(missing), _write_pass(path, lines))


def scored_entries(run: RunFolder, with_lost: bool = True) -> list[Entry]:
    """The episodes of a run, as reports count them: with their latest grades.

    Args:
        run: The run.
        with_lost: Whether to add episodes that infrastructure broke off; their summaries hold `error` and no figures.

    Raises:
        RunError: A pass of grades cannot be read.
    """
    grades: dict[str, JSON] = {}
    for file in sorted((run.path / FOLDER).glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                now = json.loads(line)
                grades[now.pop("episode")] = now
    entries = [
        replace(entry, summary=entry.summary | grades[entry.episode]) if entry.episode in grades else entry
        for entry in run.entries.values()
    ]
    return entries + lost_entries(run) if with_lost else entries


def _write_pass(path: Path, lines: list[str]) -> Path:
    folder = path / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        number = len(list(folder.glob("*.jsonl"))) + 1
        file = folder / f"{number:04}.jsonl"
        fresh = file.with_suffix(".tmp")
        fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        fresh.replace(file)
    except OSError as error:
        raise RunError(f"cannot write the grades of {path}: {error.strerror}") from error
    return file
