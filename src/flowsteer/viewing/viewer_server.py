"""The viewer's server from its settings to its end."""

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from pathlib import Path

from flowsteer.viewing.seat import Seat
from flowsteer.viewing.token_gate import TokenGate
from flowsteer.viewing.viewer_app import Viewer, make_viewer_app
from flowsteer.web.listening import address, listening, run_app

HOST = "127.0.0.1"


async def view_runs(
    root: Path, port: int, ready: Callable[[str], None], cache: Path, seats: Mapping[str, Seat] | None = None
) -> None:
    """Show the runs in a folder and below it until cancelled; the folder may be made later.

    Args:
        root: A run folder, or one that holds some.
        port: Port; 0 for any free one.
        ready: Gets the address, with the token in it, once it answers.
        cache: Folder of the runs' stores.
        seats: Seats of episodes that this process plays elsewhere, by episode.

    Raises:
        ConfigError: The port is taken.
    """
    token = secrets.token_urlsafe(24)
    with listening(HOST, port) as listener:
        url = address(listener)
        viewer = Viewer(root, cache, seats)

        async def stop() -> None:
            viewer.closing.set()
            await viewer.branching.close()

        app = TokenGate(make_viewer_app(viewer), token, listener.getsockname()[1])
        await run_app(app, listener, lambda: ready(f"{url}/?token={token}"), stop)


@contextmanager
def viewer_beside(root: Path, cache: Path, seats: Mapping[str, Seat] | None = None) -> Iterator[str]:
    """A viewer in a thread of its own, beside a command that writes the run; its address, with the token in it.

    Raises:
        ConfigError: It cannot listen.
    """
    started: Future[str] = Future()
    stop: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - it is this one
        stop.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        await view_runs(root, 0, started.set_result, cache, seats)

    def work() -> None:
        try:
            asyncio.run(serve())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # whatever it is: somebody waits for the address
            if started.done():
                raise
            started.set_exception(error)
        finally:
            stop.cancel()  # if it never came so far

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield started.result()
    finally:
        with suppress(RuntimeError, CancelledError):  # it has ended by itself, or never began
            stop.result()()
        thread.join()
