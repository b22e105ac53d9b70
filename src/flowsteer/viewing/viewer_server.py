"""The viewer's server from its settings to its end."""

import secrets
from collections.abc import Callable
from pathlib import Path

from flowsteer.viewing.runs_below import find_runs
from flowsteer.viewing.token_gate import TokenGate
from flowsteer.viewing.viewer_app import Viewer, make_viewer_app
from flowsteer.web.listening import address, listening, run_app

HOST = "127.0.0.1"


async def view_runs(root: Path, port: int, ready: Callable[[str], None], cache: Path) -> None:
    """Show the runs in a folder and below it until cancelled.

    Args:
        root: A run folder, or one that holds some.
        port: Port; 0 for any free one.
        ready: Gets the address, with the token in it, once it answers.
        cache: Folder of the runs' stores.

    Raises:
        RunError: There is no such folder.
        ConfigError: The port is taken.
    """
    find_runs(root)
    token = secrets.token_urlsafe(24)
    with listening(HOST, port) as listener:
        url = address(listener)
        viewer = Viewer(root, cache)

        async def stop() -> None:
            viewer.closing.set()

        app = TokenGate(make_viewer_app(viewer), token, listener.getsockname()[1])
        await run_app(app, listener, lambda: ready(f"{url}/?token={token}"), stop)
