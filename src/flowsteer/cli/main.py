"""The command line: `flowsteer COMMAND`. Commands import what they need when they run, so help is instant."""

from typing import Annotated

import typer

from flowsteer.cli import models
from flowsteer.cli.catalog import backends, operators
from flowsteer.cli.doctor import doctor
from flowsteer.cli.evaluate import evaluate, report, score, swap
from flowsteer.cli.execute import run
from flowsteer.cli.export import export
from flowsteer.cli.grade import grade, validate
from flowsteer.cli.show import show
from flowsteer.cli.solve import solve
from flowsteer.cli.study import study
from flowsteer.cli.train import train

app = typer.Typer(
    name="flowsteer",
    help="Build agentic workflows on an executable canvas: by a language model, by hand, or by a policy you train.",
    no_args_is_help=True,
    rich_markup_mode=None,  # drawing boxes would double what help costs
    add_completion=False,
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


app.command("eval")(evaluate)
for command in (
    solve,
    run,
    show,
    export,
    train,
    study,
    report,
    score,
    swap,
    validate,
    grade,
    operators,
    backends,
    doctor,
):
    app.command()(command)
app.add_typer(models.app, name="models")


def main() -> None:
    """Entry point of the `flowsteer` command."""
    app()


if __name__ == "__main__":
    main()
