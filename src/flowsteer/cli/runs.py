"""`flowsteer runs`: run folders as a whole, and `runs pack`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json, say
from flowsteer.cli.manage_runs import list_runs, prune, rm, show_run
from flowsteer.cli.verbosity import with_verbosity

app = typer.Typer(help="List, show, remove and pack run folders.", no_args_is_help=True, rich_markup_mode=None)


for name, command in (("list", list_runs), ("show", show_run), ("rm", rm), ("prune", prune)):
    app.command(name)(with_verbosity(command))


@app.command()
@with_verbosity
@guarded
def pack(
    run: Annotated[Path, o.run_argument("Run folder.", "RUN")],
    to: Annotated[Path | None, typer.Option("--to", help="File; RUN.replies.jsonl.gz without it.")] = None,
    json: o.Json = False,
) -> None:
    """Write all replies of a run's models into one file, to share and to replay without the models.

    The file holds no question and no answer of a dataset: requests stand in it as digests.

    \b
    Examples:
      flowsteer runs pack runs/mine --to mine.jsonl.gz
      flowsteer eval gsm8k --system cot --executor recorded:mine.jsonl.gz
      flowsteer eval gsm8k --system cot --executor "recorded:mine.jsonl.gz#openai:gpt-5-mini?live"   # asks for the rest
    """  # noqa: D301 - \b keeps the lines of the examples apart
    from flowsteer.backends.packed import pack as write
    from flowsteer.runs.folder import RunFolder

    file = to or run.with_name(f"{run.absolute().name}.replies.jsonl.gz")
    packed = write(RunFolder.read(run).replies, file)
    if json:
        print_json({"file": str(file)} | asdict(packed))
        return
    say(f"{file}: {packed.replies} replies, {packed.bytes / 1e6:,.1f} MB")
    several = len(packed.models) > 1
    for model in packed.models:
        say(f"    {model.spec}, served as {model.served}")
        note(f"  try: --executor recorded:{file}{f'#{model.spec}' if several else ''}")
