"""Grades given later: each pass over a run is a file of its own, `scores/0001.jsonl` and so on, one line an episode.

A pass is written whole or not at all, and nothing that was recorded is changed: a run is read through `regraded`. A
grade counts for the answer that it was given to: where an episode was played again, it is passed over.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowsteer.errors import RunError
from flowsteer.runs.events import Graded
from flowsteer.runs.files import JSON, read_lines, write_lines
from flowsteer.runs.index import Entry
from flowsteer.runs.summary import EpisodeSummary

FOLDER = "scores"


def write_grades(run: Path, grades: Mapping[str, tuple[EpisodeSummary, Graded]]) -> Path:
    """Write one pass of grades.

    Args:
        run: The run folder.
        grades: By episode, what was graded and its grade.

    Returns:
        The file of this pass.

    Raises:
        RunError: The folder cannot be written.
    """
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        passes = [int(file.stem) for file in folder.glob("*.jsonl") if file.stem.isdecimal()]
        file = folder / f"{max(passes, default=0) + 1:04}.jsonl"
        write_lines(
            file,
            (
                {
                    "episode": episode,
                    "answer": answered(summary),
                    "score": grade.score,
                    "metrics": grade.metrics,
                    "reason": grade.reason,
                }
                for episode, (summary, grade) in grades.items()
            ),
        )
    except OSError as error:
        raise RunError(f"cannot write the grades of {run}: {error.strerror}") from error
    return file


def regraded(run: Path, entries: Iterable[Entry]) -> list[Entry]:
    """The entries of a run, each with the latest grade that was given to its answer.

    Args:
        run: The run folder.
        entries: As they were recorded.

    Raises:
        RunError: A pass cannot be read.
    """
    latest: dict[str, JSON] = {}
    for file in sorted((run / FOLDER).glob("*.jsonl")):
        for line in read_lines(file):
            latest[_checked(line, file, run)["episode"]] = line
    return [_with_grade(entry, latest.get(entry.episode)) for entry in entries]


def _with_grade(entry: Entry, grade: JSON | None) -> Entry:
    told = entry.summary
    if grade is None or grade.get("answer", answered(told)) != answered(told):  # older passes do not say which answer
        return entry
    return replace(entry, summary=replace(told, score=grade["score"], metrics=grade["metrics"], reason=grade["reason"]))


def answered(summary: EpisodeSummary) -> str:
    """Digest of the task and the answer that are graded."""
    return hashlib.sha256(f"{summary.digest}\n{summary.answer}".encode(errors="surrogatepass")).hexdigest()[:16]


def _checked(line: JSON, file: Path, run: Path) -> JSON:
    """A line of a pass.

    Raises:
        RunError: It is damaged.
    """
    metrics = line.get("metrics")
    whole = (
        isinstance(line.get("episode"), str)
        and (line.get("score", "") is None or _is_number(line.get("score")))
        and isinstance(metrics, dict)
        and all(map(_is_number, metrics.values()))
        and isinstance(line.get("reason"), str)
    )
    if not whole:
        raise RunError(
            f"{file} is damaged: {str(line)[:80]} is no grade", f"flowsteer score {run} grades again; move it away"
        )
    return line


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
