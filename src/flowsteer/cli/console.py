"""Where commands print: results to standard output, progress and errors to standard error.

All that a command prints comes through here or through `flowsteer.cli.terminal`: text from outside is made `printable`,
and a stream that cannot be written ends the command with one message.
"""

import functools
import json as json_module
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TextIO, TypeVar

import typer

from flowsteer.cli.exit_codes import FAULT
from flowsteer.errors import (
    BackendUnavailable,
    BudgetExceeded,
    ConfigError,
    FlowSteerError,
    RunWriteError,
    SandboxError,
)
from flowsteer.unicode import escaped, printable, printable_json

P = ParamSpec("P")
R = TypeVar("R")

SIGNALLED = 128
"""Exit codes of commands that a signal ended are this and the signal, as shells have them."""

BROKEN_PIPE = SIGNALLED + 13
"""The exit code of a command whose reader has gone; 13 is SIGPIPE, which Windows does not have."""


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end with one clear message and a non-zero exit code on any error a user can meet.

    SIGTERM and SIGHUP end it as Ctrl-C does. Notes added to an error on its way (PEP 678) are printed below it.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        told = print_error if kwargs.get("json") or kwargs.get("events") else _tell_no_program
        with _interruptible() as signals:
            try:
                _prepare_streams()
                result = command(*args, **kwargs)
                with output():
                    sys.stdout.flush()
            except FlowSteerError as error:
                fail(error)
                told(error.exit_code, error.message, _hint(error))
                raise typer.Exit(error.exit_code) from error
            except KeyboardInterrupt as error:
                note("interrupted")
                _print_notes(error)
                code = SIGNALLED + (signals[0] if signals else signal.SIGINT)
                told(code, "interrupted", _hint(error))
                raise typer.Exit(code) from None
            except BrokenPipeError:  # the reader, such as `head`, has gone: nothing is left to say, nor to say it to
                _discard_output()
                raise typer.Exit(BROKEN_PIPE) from None
            except OSError as error:  # the system, not this package: a file or a stream nearer to it had no message for
                fail(refused(error))
                code = SIGNALLED + signals[0] if signals else 1
                told(code, refused(error).message, "")
                raise typer.Exit(code) from error
            except typer.Exit:
                raise
            except Exception as error:  # a bug: programs are told, and it goes on as it was
                told(1, f"{type(error).__name__}: {error}", "this is a bug; the traceback is on standard error")
                raise
        return result

    return run


def _tell_no_program(code: int, message: str, hint: str) -> None:
    """The user asked for no JSON: what went wrong is told on standard error alone."""


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
    except (BackendUnavailable, SandboxError, BudgetExceeded, RunWriteError) as error:
        if folder.exists():
            error.add_note(kept)
        raise


def tell_faults(run: Path) -> None:
    """End with `FAULT`, after a line that says where to look, if code of an operator or a grader failed in a run.

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
        note("  episodes that are done stay as they are: with the code mended, start in another folder with --run")
        raise typer.Exit(FAULT)


def fail(error: FlowSteerError) -> None:
    """Say what went wrong, and what to type next."""
    note(f"error: {error.message}")
    if error.hint:
        note(f"  try: {error.hint}")
    _print_notes(error)


def refused(error: OSError) -> FlowSteerError:
    """What the system refused, as an error to tell."""
    return FlowSteerError(": ".join(map(str, filter(None, (error.strerror or str(error), error.filename)))))


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    text = printable_json(value, ascii_only="utf" not in (sys.stdout.encoding or "utf-8").lower())
    with output():
        print(text, flush=True)  # noqa: T201


def print_line(text: str, stream: TextIO | None = None) -> None:
    """A line of JSON on standard output, such as an event.

    Args:
        text: The JSON, in one line.
        stream: Standard output, if it has been redirected since.
    """
    stream = stream or sys.stdout
    if "utf" not in (stream.encoding or "utf-8").lower():
        text = json_module.dumps(json_module.loads(text))
    with output():
        print(escaped(text), file=stream, flush=True)


def print_error(code: int, message: str, hint: str) -> None:
    """An error on standard output, for programs: `{"error": {"code", "message", "hint"}}` in one line.

    Args:
        code: The exit code.
        message: What was found and what was expected.
        hint: What to do next.
    """
    with suppress(FlowSteerError, BrokenPipeError):
        print_line(json_module.dumps({"error": {"code": code, "message": message, "hint": hint}}, ensure_ascii=False))


def say(text: str) -> None:
    """A line of the result."""
    with output():
        print(printable(text), flush=True)  # noqa: T201


def note(text: str) -> None:
    """A line for people, beside the result; where it cannot be written, nobody is there to read it."""
    with suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def output() -> Iterator[None]:
    """Writing to standard output.

    Raises:
        FlowSteerError: It cannot be written, as on a full disk.
        BrokenPipeError: Its reader has gone.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_output()
        raise FlowSteerError(
            f"cannot write to standard output: {error.strerror}", "send it elsewhere: > FILE"
        ) from error


def _discard_output() -> None:
    """Let what was printed and could not be written go: Python would try again when it ends, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Open what the command was started without, and print what the stream's encoding lacks as escapes.

    A closed stream must not stay closed: the next file that is opened would take its number, and what anything prints
    would end up in that file.

    Raises:
        ConfigError: Standard output is closed, so that the result could not be given.
    """
    closed = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    if closed:
        raise ConfigError("standard output is closed", "send it somewhere: > FILE")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does at that moment, unless whoever started the command had them ignored.

    Yields:
        The signals that came.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        on_ctrl_c = signal.getsignal(signal.SIGINT)  # in an event loop: cancel its tasks
        if callable(on_ctrl_c):
            on_ctrl_c(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP
    ending = [number for number in known if signal.getsignal(number) == signal.SIG_DFL]
    before = {number: signal.signal(number, interrupt) for number in ending}
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and hasattr(
        signal, "pthread_sigmask"
    ):  # a script's background job: Ctrl-C still does not reach it
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heed_ctrl_c() -> None:
    """Let `kill -INT` end a server in a script's background, where `guarded` holds Ctrl-C back."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _print_notes(error: BaseException) -> None:
    for text in getattr(error, "__notes__", ()):
        note(text)


def _hint(error: BaseException) -> str:
    """What to do next, of an error and of the notes that were added to it."""
    return "\n".join(filter(None, (getattr(error, "hint", ""), *getattr(error, "__notes__", ()))))
