"""Where commands print: results to standard output, progress and errors to standard error."""

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import typer

from flowsteer.errors import FlowSteerError

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end with one clear message and a non-zero exit code on any error a user can meet."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except FlowSteerError as error:
            fail(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)  # noqa: T201
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            sys.stderr.close()  # the reader, such as `head`, has gone: nothing is left to say, nor to say it to
            raise typer.Exit(0) from None

    return run


def fail(error: FlowSteerError) -> None:
    """Say what went wrong, and what to type next."""
    print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(f"  try: {error.hint}", file=sys.stderr)  # noqa: T201


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201


def note(text: str) -> None:
    """A line for people, beside the result."""
    print(text, file=sys.stderr)  # noqa: T201
