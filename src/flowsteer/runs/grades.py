"""Grades given later: each pass over a run is a file of its own, `scores/0001.jsonl` and so on, one line an episode.

A pass is written whole or not at all, and nothing that was recorded is changed: a run is read through `latest_grades`.
"""

from collections.abc import Mapping
from pathlib import Path

from flowsteer.errors import RunError
from flowsteer.runs.events import Graded
from flowsteer.runs.files import read_lines, write_lines

FOLDER = "scores"


def write_grades(run: Path, grades: Mapping[str, Graded]) -> Path:
    """Write one pass of grades.

    Args:
        run: The run folder.
        grades: The grades by episode.

    Returns:
        The file of this pass.

    Raises:
        RunError: The folder cannot be written.
    """
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        file = folder / f"{len(list(folder.glob('*.jsonl'))) + 1:04}.jsonl"
        write_lines(
            file,
            (
                {"episode": episode, "score": grade.score, "metrics": grade.metrics, "reason": grade.reason}
                for episode, grade in grades.items()
            ),
        )
    except OSError as error:
        raise RunError(f"cannot write the grades of {run}: {error.strerror}") from error
    return file


def latest_grades(run: Path) -> dict[str, Graded]:
    """The latest grade of each episode that was graded again.

    Args:
        run: The run folder.

    Raises:
        RunError: A pass cannot be read.
    """
    grades: dict[str, Graded] = {}
    for file in sorted((run / FOLDER).glob("*.jsonl")):
        try:
            grades |= {line.pop("episode"): Graded(**line) for line in read_lines(file)}
        except (KeyError, TypeError) as error:
            raise RunError(
                f"{file} is damaged: {error}", f"flowsteer score {run} grades again; move it away"
            ) from error
    return grades
