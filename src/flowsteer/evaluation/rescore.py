"""Grade a run again from its recorded answers: nothing is run, and nothing that was recorded is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowsteer.datasets.base import Sample
from flowsteer.grading.connect import GradeAnswer
from flowsteer.runs.events import Graded
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.grades import write_grades
from flowsteer.runs.index import Entry
from flowsteer.runs.summary import EpisodeSummary


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
    grades: dict[str, tuple[EpisodeSummary, Graded]] = {}
    for entry in RunFolder.read(path).graded():
        was = entry.summary
        sample = known.get((was.dataset, was.task))
        if sample is None or sample.task.digest != was.digest:
            missing.append(entry.episode)
            continue
        given = await grade(sample, was.answer)
        grades[entry.episode] = was, Graded(given.score, dict(given.metrics), given.reason)
        if given.score != was.score:
            changes.append(Change(entry.episode, was.score, given.score))
    return Rescored(len(grades), tuple(changes), tuple(missing), write_grades(path, grades))


def scored_entries(run: RunFolder) -> list[Entry]:
    """The episodes of a run, as reports count them: with their latest grades, and those that broke off.

    Raises:
        RunError: A pass of grades cannot be read.
    """
    return run.graded() + run.lost()
