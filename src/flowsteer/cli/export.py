"""`flowsteer export`: a workflow as DSL, JSON, Mermaid, or a Python program that runs it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, print_json, say
from flowsteer.cli.inputs import is_folder, read_workflow
from flowsteer.cli.show import find_episode
from flowsteer.errors import ConfigError, RunError
from flowsteer.unicode import printable_json

if TYPE_CHECKING:
    from flowsteer.workflow.nodes import Workflow

PROGRAM = '''"""Runs one workflow with FlowSteer: python THIS_FILE "your question"."""

import sys

import flowsteer

WORKFLOW = flowsteer.workflow_from_json({workflow})
CONTEXT = {context}
SETUP = flowsteer.Setup(library={library}, sandbox={sandbox}, roster={roster})

if __name__ == "__main__":
    question = sys.argv[1] if len(sys.argv) > 1 else {question}
    result = flowsteer.run(WORKFLOW, question, type={kind}, context=CONTEXT, executor={executor}, setup=SETUP)
    print(result.answer)
'''


@guarded
def export(
    source: Annotated[str, typer.Argument(help="A run folder, DSL text, or a file with DSL or JSON.")],
    to: Annotated[Literal["dsl", "json", "mermaid", "python"], typer.Option("--to", help="What to write.")] = "dsl",
    episode: Annotated[str, typer.Option("--episode", help="Which episode of the run.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; standard output without it.", show_default=False)
    ] = None,
    json: o.Json = False,
) -> None:
    """Write a workflow as DSL, JSON, Mermaid or a Python program.

    The workflow is that of a recorded episode, or your own.

    \b
    Examples:
      flowsteer export runs/solve-20260101-120000 --to python --out workflow.py
      flowsteer export "Plan -> [Programmer, Custom] -> ScEnsemble" --to mermaid
    """  # noqa: D301 - \b keeps the lines of the examples apart
    tree, values = _read(source, episode)
    text = _render(tree, to, values)
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


def _read(source: str, episode: str) -> tuple["Workflow", dict[str, Any]]:
    """The workflow, and what the program needs to run it as it was run: the values of `PROGRAM` by name."""
    if not is_folder(source):
        asked = {"question": "What is 6 times 7?", "kind": "math", "context": "", "executor": o.DEFAULT}
        return _known(read_workflow(source), source), asked | {"library": "paper", "sandbox": "auto", "roster": {}}
    from flowsteer.runs.events import EpisodeEnded, EpisodeStarted
    from flowsteer.runs.folder import RunFolder

    record = RunFolder.read(Path(source))
    events = record.events(find_episode(record, episode))
    start = next((event for event in events if isinstance(event, EpisodeStarted)), None)
    end = next((event for event in events if isinstance(event, EpisodeEnded)), None)
    if start is None or end is None:
        raise RunError(f"the episode {episode!r} of {source} has no workflow", f"flowsteer show {source}")
    task, config = start.task, record.config
    return end.workflow, {
        "question": task.question,
        "kind": task.type,
        "context": task.context,
        "executor": start.executor,
        "library": config.get("library", "paper"),
        "sandbox": config.get("sandbox", "auto"),
        "roster": config.get("roster", {}),
    }


def _known(tree: "Workflow", source: str) -> "Workflow":
    """The workflow, if every operator of it is installed: a mistyped path is no workflow.

    Raises:
        ConfigError: An operator is in no library.
    """
    from flowsteer.operators.registry import library_names, load_library
    from flowsteer.workflow.nodes import steps

    operators = {name for library in library_names() for name in load_library(library).operators}
    unknown = {step.operator for step in steps(tree.nodes)} - operators
    if unknown:
        raise ConfigError(
            f"{source!r} is no folder and no file, and as a workflow it names operators that no library has: "
            f"{', '.join(sorted(unknown))}",
            "flowsteer operators lists what exists",
        )
    return tree


def _render(tree: "Workflow", to: str, values: dict[str, Any]) -> str:
    from flowsteer.workflow.drawing import to_mermaid
    from flowsteer.workflow.dsl import to_dsl
    from flowsteer.workflow.serial import workflow_to_json

    match to:
        case "dsl":
            return to_dsl(tree)
        case "json":
            return printable_json(workflow_to_json(tree))
        case "mermaid":
            return to_mermaid(tree).rstrip("\n")
        case _:
            filled = {"workflow": workflow_to_json(tree), **values}
            return PROGRAM.format(**{name: repr(value) for name, value in filled.items()}).rstrip("\n")
