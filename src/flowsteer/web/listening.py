"""A server from its socket to its end, in an event loop that somebody else runs and may cancel."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from flowsteer.errors import ConfigError

LAST_SECONDS = 5
"""Longest time that readers have for what is left when the server stops."""


@contextmanager
def listening(host: str, port: int) -> Any:
    """A socket that listens.

    Args:
        host: Name or address.
        port: Port; 0 for any free one.

    Raises:
        ConfigError: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]  # some versions of Python say the address again
        raise ConfigError(f"cannot listen at {host}, port {port}: {why}", "--port 0 takes a free one") from error
    with listener:
        yield listener


def address(listener: socket.socket) -> str:
    """The URL of what listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def run_app(
    app: ASGIApp, listener: socket.socket, ready: Callable[[], None], stop: Callable[[], Awaitable[None]]
) -> None:
    """Answer until cancelled; then break off what is in flight, and let the clients be told.

    Args:
        app: What answers.
        listener: Where.
        ready: Called once it answers.
        stop: Breaks off what is in flight.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    server = _Server(config, ready)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    finally:
        await stop()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the event loop, and says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Any:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()
