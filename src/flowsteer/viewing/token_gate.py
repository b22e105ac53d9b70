"""What every request to the viewer passes first: its host, its origin, its token; and the headers of every answer."""

import hmac
from collections.abc import Iterable
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowsteer.runs.event_json import JSON
from flowsteer.web.headers import number_in

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a page may load and run: the bundle alone, whatever a model wrote into it."""

HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}

POSTED = "x-flowsteer"
"""A header that a form of another page cannot send."""

MOST_BYTES = 200_000
"""Longest body of a request."""


class TokenGate:
    """Stands before the viewer's app.

    Args:
        app: The app.
        token: What a reader must show.
        port: The port that is listened at.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._cookie = f"flowsteer_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        fresh = scope["path"] == "/" and any(map(self._is_right, query.get("token", [])))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
                if fresh:
                    headers.append("set-cookie", f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict")
            await send(message)

        refused = self._refusal(scope, Headers(scope=scope), fresh)
        # What stands in a path is read piece by piece: an id may hold an escaped slash.
        quoted = {**scope, "path": scope["raw_path"].decode("latin-1").partition("?")[0]}
        await (self._app if refused is None else refused)(quoted, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers, fresh: bool) -> JSONResponse | None:
        """Why a request is not answered; None if it is."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            return problem(403, "this viewer answers to its own address alone", "open the address that it printed")
        if origin is not None and origin != f"http://{host}":
            return problem(403, "another page asked for this", "open the address that the viewer printed")
        if scope["path"].startswith("/assets/"):
            return None
        if not (fresh or any(map(self._is_right, self._shown(headers)))):
            return problem(401, "the token is missing or wrong", "open the whole address that the viewer printed")
        if scope["method"] == "POST":
            if headers.get(POSTED) != "1":
                return problem(403, "a POST needs the header X-FlowSteer: 1", "add it")
            length = number_in(headers.get("content-length", ""))
            if length is None or length > MOST_BYTES:
                return problem(413, f"a POST takes at most {MOST_BYTES:,} bytes, and says how many", "send less")
        return None

    def _shown(self, headers: Headers) -> Iterable[str]:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            yield shown.strip()
        # Other programs of this machine set cookies, too, as they like: one that is odd hides none behind it.
        for cookie in headers.get("cookie", "").split(";"):
            name, _, value = cookie.partition("=")
            if name.strip() == self._cookie:
                yield value.strip()

    def _is_right(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(), self._token.encode())


def problem(status: int, message: str, hint: str = "") -> JSONResponse:
    """An answer that says what went wrong: see `ErrorPage`."""
    body: JSON = {"error": {"message": message, "hint": hint}}
    return JSONResponse(body, status)
