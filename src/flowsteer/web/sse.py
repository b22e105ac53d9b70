"""Server-sent events: a response that goes on while its reader is there."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

QUIET_SECONDS = 15.0
"""After so long without an event a comment is sent: proxies cut connections on which nothing moves."""


def sse(data: Any, event: str = "", number: int | str | None = None) -> bytes:
    r"""One event.

    Args:
        data: JSON values, or a text to send as it is.
        event: Its kind; none by default.
        number: Its id, from which a reader that was cut off can go on.

    >>> sse({"a": "é"}, "turn", 3)
    b'id: 3\nevent: turn\ndata: {"a": "\xc3\xa9"}\n\n'
    """
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    head = ("" if number is None else f"id: {number}\n") + (f"event: {event}\n" if event else "")
    return f"{head}data: {text}\n\n".encode()


class SseResponse(Response):
    """Sends what a generator makes; when the client goes, the generator is closed at once.

    Args:
        content: Makes the events.
        headers: Further headers.
    """

    def __init__(self, content: AsyncGenerator[bytes, None], headers: Mapping[str, str] | None = None) -> None:
        own = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(headers=own | dict(headers or {}), media_type="text/event-stream")
        del self.headers["content-length"]
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        moved, sending = asyncio.Event(), asyncio.Lock()

        async def write(body: bytes, more: bool = True) -> None:
            moved.set()
            async with sending:
                await send({"type": "http.response.body", "body": body, "more_body": more})

        async def pump() -> None:
            try:
                async for part in self._content:
                    await write(part)
            finally:
                await self._content.aclose()
            await write(b"", more=False)

        async def comment() -> None:
            while True:
                moved.clear()
                try:
                    async with asyncio.timeout(QUIET_SECONDS):  # `wait_for` can lose a cancellation (Python 3.11)
                        await moved.wait()
                except TimeoutError:
                    await write(b": still at work\n\n")

        pumping = asyncio.create_task(pump())
        others = [asyncio.create_task(comment()), asyncio.create_task(_gone(receive))]
        try:
            await asyncio.wait({pumping, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pumping, *others):
                task.cancel()
            await asyncio.gather(pumping, *others, return_exceptions=True)
        if not pumping.cancelled():
            pumping.result()


async def until(request: Request, awaited: Coroutine[Any, Any, object]) -> bool:
    """Wait for something, as long as the client is there.

    Args:
        request: The client's request, whose body has been read.
        awaited: What is waited for; cancelled when the client goes.

    Returns:
        Whether it has come.
    """
    gone, waiting = asyncio.create_task(_gone(request.receive)), asyncio.create_task(awaited)
    try:
        await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()
    finally:
        gone.cancel()
        waiting.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
