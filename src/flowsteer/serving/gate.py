"""What every request passes first: its host, its key, the length of its body; and what it is counted as."""

import asyncio
import hmac
import logging
from collections.abc import Callable
from time import perf_counter

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowsteer.serving.refusals import GONE, RequestRefused, refusal_of
from flowsteer.web.headers import number_in
from flowsteer.web.hosts import hostname, is_loopback

log = logging.getLogger(__name__)

OPEN = "/healthz"
"""The one path that wants no key."""

BODY_SECONDS = 30.0
"""Longest time a body may take to arrive."""

ENDPOINTS = ("/v1/chat/completions", "/v1/workflows", "/v1/episodes", "/v1/models", "/metrics", OPEN)
"""What requests are counted by; anything else is `other`."""


class Gate:
    """Stands before an app.

    Args:
        app: The app.
        key: What clients must show; empty for none.
        local: Whether only names of the loopback may stand in `Host`, since the server listens there alone: a page in
            a browser can have a name of its own resolve to 127.0.0.1.
        body_bytes: Longest body.
        answered: Counts a request: its endpoint, its status, its seconds.
    """

    def __init__(
        self, app: ASGIApp, key: str, local: bool, body_bytes: int, answered: Callable[[str, int, float], None]
    ) -> None:
        self._app, self._key, self._local, self._most, self._answered = app, key, local, body_bytes, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        started, status = perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._admit(scope["path"], Headers(scope=scope))
            await self._app(scope, await self._whole(Headers(scope=scope), receive), watched)
        except Exception as error:  # the boundary of a request: whatever went wrong, its client is told in one shape
            refused = refusal_of(error)
            if refused.status >= 500:
                log.error("a request to %s failed", scope["path"], exc_info=error)
            if not status and refused.status != GONE:
                await JSONResponse(refused.body, refused.status, refused.headers)(scope, receive, watched)
            status = status or refused.status
        finally:
            endpoint = next((path for path in ENDPOINTS if scope["path"].startswith(path)), "other")
            self._answered(endpoint, status or GONE, perf_counter() - started)

    def _admit(self, path: str, headers: Headers) -> None:
        """Refuse a request for another host, or without the key.

        Raises:
            RequestRefused: It is one.
        """
        if self._local and not is_loopback(hostname(headers.get("host", ""))):
            found = "this server answers to localhost and 127.0.0.1 alone"
            raise RequestRefused(403, "host_not_allowed", found, "ask for the address that it printed")
        if not self._key or path == OPEN:
            return
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(shown.strip().encode(), self._key.encode())
        if scheme.lower() != "bearer" or not right:
            found = "the key is wrong" if shown else "a key is needed"
            raise RequestRefused(401, "invalid_api_key", found, "Authorization: Bearer $FLOWSTEER_API_KEY")

    async def _whole(self, headers: Headers, receive: Receive) -> Receive:
        """The body, read to its end, to be received again in one piece.

        Raises:
            RequestRefused: It is too long, too slow, or the client went away.
        """
        length = number_in(headers.get("content-length", ""))
        if length is not None and length > self._most:
            raise self._too_long()
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RequestRefused(GONE, "gone", "the client went away")
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._most:
                        raise self._too_long()
        except TimeoutError:
            raise RequestRefused(408, "slow_body", f"the body took longer than {BODY_SECONDS:g} s") from None
        once: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return once.pop() if once else await receive()

        return again

    def _too_long(self) -> RequestRefused:
        found = f"the body is longer than {self._most:,} bytes"
        return RequestRefused(413, "body_too_large", found, "send less, or raise --max-body")
