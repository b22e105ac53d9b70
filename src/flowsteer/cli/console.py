"""Where commands print: results to standard output, progress and errors to standard error."""

import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer

from flowsteer.errors import BackendUnavailable, BudgetExceeded, FlowSteerError, SandboxError

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED, READER_GONE = 128 + 2, 128 + 13
"""Exit codes after Ctrl-C, and when who reads the output has gone, as shells have them (128 and the signal)."""


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end with one clear message and a non-zero exit code on any error a user can meet.

    Notes added to an error on its way (PEP 678) are printed below it.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _label_warnings()
        try:
            result = command(*args, **kwargs)
            sys.stdout.flush()  # while a reader that has gone can still be told from an error
        except FlowSteerError as error:
            fail(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            note("interrupted")
            _print_notes(error)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader, such as `head`, has gone: nothing is left to say, nor to say it to
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(READER_GONE) from None
        return result

    return run


@contextmanager
def resumable(folder: Path, flag: str = "") -> Iterator[None]:
    """Say how to go on when a run is broken off.

    Args:
        folder: The run folder.
        flag: What the command needs, besides the folder, to go on.
    """
    kept = f"what is done is kept: run the same command with --run {folder}{f' {flag}' if flag else ''} to go on"
    try:
        yield
    except KeyboardInterrupt:
        note(kept)
        raise
    except (BackendUnavailable, SandboxError, BudgetExceeded) as error:
        if folder.exists():
            error.add_note(kept)
        raise


def tell_faults(run: Path) -> None:
    """End with 1, after a line that says where to look, if code of an operator or a grader failed in a run.

    Args:
        run: A run folder, or a folder that holds some.

    Raises:
        typer.Exit: There are such faults.
    """
    from flowsteer.runs.failure import UNEXPECTED
    from flowsteer.runs.folder import RunFolder

    faults = [
        (folder.parent, episode)
        for folder in sorted(run.rglob("index.jsonl"))
        for episode, entry in RunFolder.read(folder.parent).entries.items()
        if entry.summary.failures.get(UNEXPECTED)
    ]
    if faults:
        folder, episode = faults[0]
        note(f"code of an operator or a grader failed in {len(faults)} episodes; the first: {episode}")
        note(f"  where: flowsteer show {folder} {shlex.quote(episode)}")
        raise typer.Exit(1)


def fail(error: FlowSteerError) -> None:
    """Say what went wrong, and what to type next."""
    note(f"error: {error.message}")
    if error.hint:
        note(f"  try: {error.hint}")
    _print_notes(error)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    import json

    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201


def note(text: str) -> None:
    """A line for people, beside the result."""
    print(text, file=sys.stderr)  # noqa: T201


def _print_notes(error: BaseException) -> None:
    for text in getattr(error, "__notes__", ()):
        note(text)


def _label_warnings() -> None:
    """Warnings of the package, which go to standard error anyway, say that they are."""
    import logging

    if logging.lastResort is not None:
        logging.lastResort.setFormatter(logging.Formatter("warning: %(message)s"))
