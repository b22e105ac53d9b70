"""How much a command says beside its result, and where its log goes: options that all commands share."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flowsteer.cli.console import fail, note, print_error
from flowsteer.errors import ConfigError
from flowsteer.unicode import printable

TREE = "flowsteer"
"""The logger above all loggers of the package."""

Level = Literal["debug", "info", "warning", "error"]
_FILE_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def is_quiet() -> bool:
    """Whether the user wants the result alone."""
    return _quiet.get()


def tell(text: str) -> None:
    """A line beside the result that `--quiet` leaves out."""
    if not is_quiet():
        note(text)


def _options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone; no progress.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, on standard error.")] = False,
    log_level: Annotated[Level | None, typer.Option("--log-level", help="Log from this level on.")] = None,
    log_file: Annotated[Path | None, typer.Option("--log-file", help="Add the log to this file, too.")] = None,
) -> None:
    """The options, as typer reads them."""


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options `--quiet`, `--verbose`, `--log-level` and `--log-file`."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        chosen = {name: kwargs.pop(name) for name in _options.__annotations__ if name in kwargs}
        try:
            speaking = _speaking(**chosen)
        except ConfigError as error:
            fail(error)
            if kwargs.get("json") or kwargs.get("events"):
                print_error(error.exit_code, error.message, error.hint)
            raise typer.Exit(error.exit_code) from error
        with speaking:
            command(*args, **kwargs)

    own, more = inspect.signature(command), inspect.signature(_options)
    parameters = [*own.parameters.values(), *more.parameters.values()]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **_options.__annotations__}
    return run


class _Lines(logging.Formatter):
    """Log lines that cannot steer a terminal; on standard error they begin with their level."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _StandardError(logging.Handler):
    """Writes to whatever standard error is at the moment: a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        note(f"{record.levelname.lower()}: {self.format(record)}")


def _speaking(
    quiet: bool = False, verbose: bool = False, log_level: Level | None = None, log_file: Path | None = None
) -> AbstractContextManager[None]:
    """What to hold while a command runs.

    Raises:
        ConfigError: The options do not go together, or the file cannot be written.
    """
    if quiet and verbose:
        raise ConfigError("--quiet and --verbose ask for opposites", "give one of them")
    level = (log_level or ("info" if verbose else "error" if quiet else "warning")).upper()
    on_screen, handlers = _StandardError(level), list[logging.Handler]()
    on_screen.setFormatter(_Lines("%(message)s"))
    handlers.append(on_screen)
    if log_file is not None:
        try:
            in_file = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write the log {log_file}: {error.strerror}", "name another file") from error
        in_file.setFormatter(_Lines(_FILE_FORMAT))
        in_file.setLevel((log_level or "info").upper())
        handlers.append(in_file)
    return _logging(quiet, handlers)


@contextmanager
def _logging(quiet: bool, handlers: list[logging.Handler]) -> Iterator[None]:
    tree = logging.getLogger(TREE)
    before, token = tree.level, _quiet.set(quiet)
    tree.setLevel(min(handler.level for handler in handlers))
    if logging.lastResort is not None:  # what other packages warn of
        logging.lastResort.setFormatter(_Lines("warning: %(message)s"))
    for handler in handlers:
        tree.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            tree.removeHandler(handler)
            handler.close()
        tree.setLevel(before)
        _quiet.reset(token)
