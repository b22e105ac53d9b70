"""`flowsteer library`: workflows mined from runs, to be named and used without a Director."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json

if TYPE_CHECKING:
    from flowsteer.evaluation.saved_workflows import SavedWorkflow


@guarded
def library(
    runs: Annotated[list[Path] | None, o.run_argument("Run folders to mine.", "[RUN]...")] = None,
    kind: Annotated[o.TaskKind | None, typer.Option("--type", help="List those for this type alone.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="List those for this dataset alone.")] = None,
    most: Annotated[
        int, typer.Option("--most", min=1, help="Workflows to keep of each type and dataset, the best first.")
    ] = 20,
    json: o.Json = False,
) -> None:
    """Mine workflows from run folders, or list those that were mined.

    With run folders it writes the library anew: workflows.json, or the file that FLOWSTEER_LIBRARY names.
    The best has the highest lower end of its interval. What is listed can be named wherever a system or a workflow can.

    \b
    Examples:
      flowsteer library runs/eval-*
      flowsteer run library:math-gsm8k-3f2a91 "What is 6 times 7?" --type math
      flowsteer serve --system library:math-gsm8k-3f2a91
    """  # noqa: D301 - \b keeps the lines of the examples apart
    from flowsteer.evaluation.saved_workflows import library_file, read_saved, write_saved

    path = library_file()
    if runs:
        from flowsteer.reporting.mining import mine
        from flowsteer.runs.folder import RunFolder

        write_saved(path, [str(run) for run in runs], mine(map(RunFolder.read, runs), most))
    wanted = [
        saved
        for saved in read_saved(path)
        if (kind is None or saved.type == kind) and (dataset is None or saved.dataset == dataset)
    ]
    if json:
        print_json({"file": str(path), "workflows": [asdict(saved) for saved in wanted]})
        return
    _print(wanted, path)


def _print(wanted: "list[SavedWorkflow]", path: Path) -> None:
    from rich.table import Table

    from flowsteer.cli.terminal import Terminal

    table = Table("name", "wins", "accuracy", "tokens", "s", "workflow", title=f"{path}: {len(wanted)} workflows")
    for saved in wanted:
        low, high = ("?" if end is None else f"{end:.2f}" for end in (saved.low, saved.high))
        accuracy = f"{saved.accuracy:.2f} [{low}, {high}]"
        wins, seconds = f"{saved.wins} of {saved.n}", f"{saved.seconds:.1f}"
        table.add_row(saved.name, wins, accuracy, f"{saved.tokens:,.0f}", seconds, saved.dsl)
    Terminal().print(table)
    if wanted:
        note(f"  try: flowsteer run library:{wanted[0].name} QUESTION --type {wanted[0].type}")
