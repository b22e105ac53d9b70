"""What a user names on the command line, read in: question, context, workflow."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flowsteer.errors import ConfigError, WorkflowError
from flowsteer.unicode import refuse_unsound

if TYPE_CHECKING:
    from flowsteer.task import Task, TaskType
    from flowsteer.workflow.nodes import Workflow

WORKFLOW_FILES = (".json", ".dsl", ".txt")


def read_task(question: str, kind: "TaskType | None", context: Path | None) -> "tuple[Task, str]":
    """The task a user typed, and a note on its type for the user; the note is empty if the user named it.

    Args:
        question: The question, or `-` for standard input.
        kind: Its type; None to guess it.
        context: File with passages to answer from.

    Raises:
        ConfigError: The question is empty or too long, or the context cannot be read.
    """
    from flowsteer.guessed_type import guessed_type
    from flowsteer.session import checked_question
    from flowsteer.task import Task

    passages = "" if context is None else read_text(context, "context")
    text = checked_question(_standard_input() if question == "-" else question)
    if kind is not None:
        return Task(text, kind, passages), ""
    guess = guessed_type(text, passages)
    note = f"type: {guess.type} (guessed, since {guess.why}; --type qa|code|math to say it)"
    return Task(text, guess.type, passages), note


def read_workflow(source: str) -> "Workflow":
    """A workflow from DSL text (`dsl:` or `fixed:` may stand before it), JSON text, a file of either, or the library.

    Raises:
        ConfigError: The file cannot be read, or the library has no such workflow.
        WorkflowError: What it holds is no workflow.
    """
    from flowsteer.workflow.dsl import parse_dsl

    if source.startswith("library:"):
        from flowsteer.evaluation.saved_workflows import find_saved

        return find_saved(source).workflow
    source = re.sub(r"^(dsl|fixed):", "", source)
    is_file = source.endswith(WORKFLOW_FILES)
    text = (read_text(Path(source), "workflow") if is_file else source).strip()
    refuse_unsound([text], "the workflow")
    if source.endswith(".json") or text.startswith("{"):
        return _from_json(text)
    return parse_dsl(text)


def operators_of(source: str) -> str:
    """The operator library of a workflow that was mined; the usual one for any other.

    Raises:
        ConfigError: The workflow library has no such workflow.
    """
    from flowsteer.evaluation.saved_workflows import SCHEME, find_saved

    return find_saved(source).operators if source.startswith(SCHEME) else "paper"


def is_folder(source: str) -> bool:
    """Whether what may also be a workflow is a folder."""
    try:
        return Path(source).is_dir()
    except OSError:  # longer than a name can be
        return False


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Raises:
        ConfigError: It is missing, is not UTF-8, or may not be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"cannot read the {what} {path}: byte {error.start} is not UTF-8", "give a text file in UTF-8"
        ) from error


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise ConfigError(f"standard input is not UTF-8 (byte {error.start})", "give text in UTF-8") from error


def _from_json(text: str) -> "Workflow":
    import json

    from flowsteer.workflow.serial import workflow_from_json

    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WorkflowError(
            f"the workflow is not JSON: {error}", "flowsteer export RUN --to json writes one"
        ) from error
    refuse_unsound([json.dumps(plain, ensure_ascii=False)], "the workflow")
    return workflow_from_json(plain)
