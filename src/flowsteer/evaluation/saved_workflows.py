"""Workflows that were mined from runs and kept in a file, so that they can be named and used without a Director."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from flowsteer.errors import ConfigError
from flowsteer.runs.files import read_json, write_json
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Workflow

VARIABLE, DEFAULT_FILE = "FLOWSTEER_LIBRARY", "workflows.json"
"""Where the library is: the file that the variable names, else this one in the current folder."""

SCHEME = "library:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWorkflow:
    """One shape of workflow and how it did on the tasks of one type and dataset.

    Attributes:
        name: What it is called; the end is a digest of operators and shape, so a name always means the same workflow.
        type: Type of the tasks.
        dataset: Their dataset; empty for users' own questions.
        operators: The operator library it was made of.
        dsl: The shape. Instructions are left out, since a Director wrote them for one task.
        n: Graded episodes.
        tasks: Different tasks among them.
        wins: Episodes with the full score.
        accuracy: Mean score; episodes of one task are averaged first.
        low: Lower end of its 95 % interval; None where the scores cannot tell.
        high: Its upper end.
        unscorable: Episodes that the grader could not decide; they are in no mean.
        tokens: Mean tokens of an episode's operators.
        seconds: Mean seconds of an episode.
    """

    name: str
    type: str
    dataset: str
    operators: str
    dsl: str
    n: int
    tasks: int
    wins: int
    accuracy: float
    low: float | None
    high: float | None
    unscorable: int
    tokens: float
    seconds: float

    @property
    def workflow(self) -> Workflow:
        """The workflow."""
        return parse_dsl(self.dsl)


def library_file() -> Path:
    """Where the library is."""
    return Path(os.environ.get(VARIABLE) or DEFAULT_FILE)


def write_saved(path: Path, runs: Sequence[str], workflows: Sequence[SavedWorkflow]) -> None:
    """Write a library; what it held is replaced.

    Args:
        path: The file.
        runs: The run folders that were mined.
        workflows: What was found.

    Raises:
        RunWriteError: It cannot be written.
    """
    write_json(path, {"format": 1, "runs": list(runs), "workflows": [asdict(each) for each in workflows]})


def read_saved(path: Path) -> tuple[SavedWorkflow, ...]:
    """All workflows of a library, the best of a type and dataset first.

    Raises:
        ConfigError: There is none, or the file is none.
        RunError: The file is damaged.
    """
    plain: Any = read_json(path)
    if plain is None:
        raise ConfigError(f"there is no workflow library {path}", "flowsteer library RUN… mines one from run folders")
    try:
        names = [field.name for field in fields(SavedWorkflow)]
        return tuple(SavedWorkflow(**{name: each[name] for name in names}) for each in plain["workflows"])
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no workflow library", "flowsteer library RUN… writes it anew") from error


def find_saved(name: str) -> SavedWorkflow:
    """The workflow of a name, or of the beginning of one if it fits one alone.

    Args:
        name: With `library:` before it or without.

    Raises:
        ConfigError: There is no library, none fits, or several fit.
        RunError: The file is damaged.
    """
    path, wanted = library_file(), name.removeprefix(SCHEME)
    known = read_saved(path)
    fits = [each for each in known if each.name == wanted] or [each for each in known if each.name.startswith(wanted)]
    if len(fits) == 1:
        return fits[0]
    found = f"{len(fits)} workflows begin with {wanted!r}" if fits else f"there is no workflow {wanted!r}"
    some = ", ".join(each.name for each in (fits or known)[:5]) or "none"
    raise ConfigError(f"{path}: {found}; for example: {some}", "flowsteer library lists them")
