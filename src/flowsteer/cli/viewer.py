"""`flowsteer view`: runs in the browser."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsteer.cli.collector import calm
from flowsteer.cli.console import guarded, heed_ctrl_c, note, say
from flowsteer.errors import ConfigError, RunError
from flowsteer.suggestions import nearest

if TYPE_CHECKING:
    from flowsteer.viewing.seat import Seat

STORES = "viewer"
"""Folder, beside the pulled models, of what the lists of runs are made of."""


@guarded
def view(
    run: Annotated[Path, typer.Argument(help="Run folder, or a folder that holds some.")] = Path("runs"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Look at runs in the browser until Ctrl-C; a run that is being written is shown as it grows.

    Prints its address, with the token that opens it, when it is ready. Only this machine can reach it.
    """
    import asyncio

    check_view_extra()
    check_folder(run)
    from flowsteer.backends.models import home
    from flowsteer.viewing.runs_below import find_runs
    from flowsteer.viewing.viewer_server import view_runs

    heed_ctrl_c()
    calm()

    def ready(address: str) -> None:
        say(address)
        if not find_runs(run):
            note(f"{run} holds no run yet; those that are made in it will be shown")
        if not no_browser:
            open_browser(address)

    asyncio.run(view_runs(run, port, ready, home() / STORES))


@contextmanager
def shown(run: Path, wanted: bool, seats: "Mapping[str, Seat] | None" = None) -> Iterator[None]:
    """Show a run in the browser while it is being written, and then until Ctrl-C if a person is at the terminal.

    Args:
        run: The run folder; it may be made later.
        wanted: Whether to show it.
        seats: Seats of its episodes that the browser may take.

    Raises:
        ConfigError: The extra is not installed.
    """
    if not wanted:
        yield
        return
    check_view_extra()
    from flowsteer.backends.models import home
    from flowsteer.viewing.viewer_server import viewer_beside

    with viewer_beside(run, home() / STORES, seats) as address:
        note(address)
        if sys.stderr.isatty():
            open_browser(address)
        yield
        if sys.stderr.isatty():
            note("the viewer stays until Ctrl-C")
            with suppress(KeyboardInterrupt):
                threading.Event().wait()


def check_folder(run: Path) -> None:
    """What is looked at is a folder.

    Args:
        run: What the user named.

    Raises:
        RunError: It is a file, or not there.
    """
    if run.is_dir():
        return
    if run.exists():
        raise RunError(f"{run} is a file; a run is a folder", f"flowsteer view {run.parent}")
    beside = [path.name for path in run.parent.iterdir() if path.is_dir()] if run.parent.is_dir() else []
    meant = nearest(run.name, beside)
    raise RunError(
        f"there is no folder {run}",
        f"flowsteer view {run.parent / meant}"
        if meant
        else "name a run folder, or one that holds some; solve, eval and train make them",
    )


def check_view_extra() -> None:
    """The server is an extra.

    Raises:
        ConfigError: It is not installed.
    """
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"the viewer needs {', '.join(missing)}", "pip install 'flowsteer[view]'")


def open_browser(address: str) -> None:
    """Open the user's browser in a thread: some of them answer late, or write to the terminal.

    All users of a machine can read command lines, so the browser is given a file, which only this user can read, that
    leads to the address.

    Args:
        address: The address, with the token in it.
    """
    import atexit
    import html
    import shutil
    import tempfile
    import webbrowser

    folder = Path(tempfile.mkdtemp(prefix="flowsteer-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    page = folder / "open.html"
    page.touch(mode=0o600)
    page.write_text(f'<meta http-equiv="refresh" content="0; url={html.escape(address)}">', encoding="utf-8")
    threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()
