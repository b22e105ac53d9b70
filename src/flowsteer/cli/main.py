"""The command line: `flowsteer COMMAND`. Commands import what they need when they run, so help is instant."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flowsteer.cli import models, runs, user_settings
from flowsteer.cli.autopsy import autopsy
from flowsteer.cli.calibrate import calibrate
from flowsteer.cli.catalog import backends, operators
from flowsteer.cli.config import FROM_ENV, config
from flowsteer.cli.console import fail, note, output, print_error
from flowsteer.cli.doctor import doctor
from flowsteer.cli.evaluate import evaluate, report, score, swap
from flowsteer.cli.execute import run
from flowsteer.cli.exit_codes import help_text
from flowsteer.cli.export import export
from flowsteer.cli.grade import grade, validate
from flowsteer.cli.init import init
from flowsteer.cli.library import library
from flowsteer.cli.serve import serve
from flowsteer.cli.show import show
from flowsteer.cli.solve import solve
from flowsteer.cli.study import study
from flowsteer.cli.train import train
from flowsteer.cli.verbosity import with_verbosity
from flowsteer.cli.viewer import view
from flowsteer.errors import FlowSteerError
from flowsteer.unicode import printable


class Commands(TyperGroup):
    """The commands; what is wrong with a command line is said without the control characters that may stand in it.

    A program that asks for JSON gets that, too, as an object on standard output.
    """

    _for_program = False

    def main(self, args: Any = None, *others: Any, **options: Any) -> Any:
        """See `click.Command.main`."""
        self._for_program = not {"--json", "--events"}.isdisjoint(sys.argv[1:] if args is None else args)
        return super().main(args, *others, **options)

    def make_context(self, *args: Any, **options: Any) -> Any:
        """See `click.Command.make_context`."""
        with _told_errors(self._for_program):
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """See `click.Group.invoke`; what the user has set for all commands is read here, when there is one to run."""
        try:
            settings = user_settings.read_settings()
            ctx.default_map = user_settings.option_defaults(settings, self.commands)
            ctx.meta[FROM_ENV] = ctx.with_resource(user_settings.variables(settings))
            with _told_errors(self._for_program):
                return super().invoke(ctx)
        except FlowSteerError as error:  # of the settings, or of an argument that was read before its command began
            fail(error)
            if self._for_program:
                print_error(error.exit_code, error.message, error.hint)
            raise typer.Exit(error.exit_code) from error


@contextmanager
def _told_errors(for_program: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the parser's own and ours alike: each goes on as it was
        if isinstance(message := getattr(error, "message", None), str):
            error.message = printable(message)  # type: ignore[attr-defined]
            if for_program and hasattr(error, "format_message"):
                print_error(2, error.format_message(), "--help lists what a command takes")
        raise


app = typer.Typer(
    name="flowsteer",
    cls=Commands,
    help="Build agentic workflows on an executable canvas: by a language model, by hand, or by a policy you train.",
    no_args_is_help=True,
    epilog=help_text(),
    rich_markup_mode=None,  # drawing boxes would double what help costs
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"flowsteer {version('flowsteer')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("eval")(with_verbosity(evaluate))
app.command()(with_verbosity(calibrate))
for command in (
    solve,
    run,
    show,
    export,
    train,
    autopsy,
    study,
    report,
    score,
    swap,
    validate,
    grade,
    serve,
    view,
    library,
    operators,
    backends,
    init,
    config,
    doctor,
):
    app.command()(with_verbosity(command))
app.add_typer(models.app, name="models")
app.add_typer(runs.app, name="runs")


def main() -> None:
    """Entry point of the `flowsteer` command. What comes out as an exception is a bug: its traceback is shown."""
    try:
        with output():
            app()
    except FlowSteerError as error:  # only help is printed by what is no command
        fail(error)
        raise SystemExit(error.exit_code) from None
    except Exception:  # noqa: BLE001 - the end of the program; an exception may quote what would steer the terminal
        from traceback import format_exc

        note(format_exc().rstrip())
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
