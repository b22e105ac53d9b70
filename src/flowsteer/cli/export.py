"""`flowsteer export`: a workflow as DSL, JSON, Mermaid, or a program that runs it."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json, say
from flowsteer.cli.inputs import is_folder, operators_of, read_workflow
from flowsteer.cli.show import find_episode
from flowsteer.errors import ConfigError
from flowsteer.unicode import printable_json

if TYPE_CHECKING:
    from flowsteer.exporting.reproduction import Reproduction
    from flowsteer.workflow.nodes import Workflow


@guarded
def export(
    source: Annotated[str, typer.Argument(help="A run folder, DSL text, a file with DSL or JSON, or library:NAME.")],
    number: Annotated[
        str, typer.Argument(metavar="[EPISODE]", help="Which episode of the run, as in show.", show_default=False)
    ] = "",
    to: Annotated[
        Literal["dsl", "json", "mermaid", "python", "langgraph"], typer.Option("--to", help="What to write.")
    ] = "dsl",
    episode: Annotated[
        str, typer.Option("--episode", help="Which episode of the run: its number, its id, or any part of that.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; standard output without it.", show_default=False)
    ] = None,
    json: o.Json = False,
) -> None:
    """Write a workflow as DSL, JSON, Mermaid, or a program in Python alone or with LangGraph.

    The workflow is that of a recorded episode, or your own. A program runs it as it was run.

    \b
    Examples:
      flowsteer export runs/solve-20260101-120000 --to python --out workflow.py
      flowsteer export "Plan -> [Programmer, Custom] -> ScEnsemble" --to mermaid
    """  # noqa: D301 - \b keeps the lines of the examples apart
    if number and episode:
        raise ConfigError(f"two episodes are named, {number!r} and {episode!r}", "name one")
    text = _render(_read(source, number or episode), to)
    if out is not None:
        _write(out, text)
    if json:
        print_json({"to": to, "text": text, "out": None if out is None else str(out)})
    elif out is None:
        say(text)


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}", "name another with --out FILE") from error


def _read(source: str, episode: str) -> "Reproduction":
    """The workflow, and what a program needs to run it as it was run."""
    from flowsteer.exporting.reproduction import Reproduction, reproduction

    if is_folder(source):
        from flowsteer.runs.folder import RunFolder

        record = RunFolder.read(Path(source))
        return reproduction(record, find_episode(record, episode, "export"))
    from flowsteer.session import Setup
    from flowsteer.task import Task

    setup = Setup(director="", library=operators_of(source))
    tree = _known(read_workflow(source), source)
    if episode:
        raise ConfigError(f"{source!r} is no run folder, so it has no episode {episode!r}", "leave the episode out")
    return Reproduction(tree, Task("What is 6 times 7?", "math"), o.with_sampling(setup, None, None))


def _known(tree: "Workflow", source: str) -> "Workflow":
    """The workflow, if every operator of it is installed: a mistyped path is no workflow.

    Raises:
        ConfigError: An operator is in no library.
    """
    from flowsteer.operators.registry import library_names, load_library
    from flowsteer.workflow.nodes import steps

    operators: set[str] = set()
    for library in library_names():
        with suppress(ConfigError):  # one that is not set up here, such as mcp without servers
            operators |= load_library(library).operators.keys()
    unknown = {step.operator for step in steps(tree.nodes)} - operators
    if unknown:
        raise ConfigError(
            f"{source!r} is no folder and no file, and as a workflow it names operators that no library has: "
            f"{', '.join(sorted(unknown))}",
            "flowsteer operators lists what exists",
        )
    return tree


def _render(reproduced: "Reproduction", to: str) -> str:
    from flowsteer.workflow.drawing import to_mermaid
    from flowsteer.workflow.dsl import to_dsl
    from flowsteer.workflow.serial import workflow_to_json

    tree = reproduced.workflow
    match to:
        case "dsl":
            return to_dsl(tree)
        case "json":
            return printable_json(workflow_to_json(tree))
        case "mermaid":
            return to_mermaid(tree).rstrip("\n")
        case "langgraph":
            from flowsteer.exporting.langgraph_program import langgraph_program

            return langgraph_program(reproduced).rstrip("\n")
        case _:
            from flowsteer.exporting.python_program import python_program

            return python_program(reproduced).rstrip("\n")
