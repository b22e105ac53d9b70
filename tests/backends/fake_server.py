"""A small HTTP server on the loopback that speaks chat completions, well or badly, as a test tells it to."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

Behaviour = Callable[[asyncio.StreamWriter, dict[str, Any]], Awaitable[None]]


class FakeServer:
    """Answers chat requests by the behaviours in `script`, then by `then`.

    Attributes:
        models: What `GET /models` lists, as (id, owned_by).
        listing: What answers `GET /models` instead.
        seen: The body of every chat request, in order.
        headers: The headers of every request, in order.
        most_at_once: Most chat requests that were open at one time.
        open: Chat requests open now.
    """

    def __init__(self, *script: Behaviour, models: list[tuple[str, str]] | None = None) -> None:
        self.models = [("tiny", "someone")] if models is None else models
        self.listing: Behaviour | None = None
        self.script = deque(script)
        self.then: Behaviour = say("fine")
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.open = self.most_at_once = 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> "FakeServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def until(self, open_requests: int) -> None:
        """Wait until so many chat requests are open."""
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: self.open == open_requests)

    async def _count(self, by: int) -> None:
        async with self._changed:
            self.open += by
            self.most_at_once = max(self.most_at_once, self.open)
            self._changed.notify_all()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def spec(self) -> str:
        return f"{self.url}#tiny"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in rest)}
            self.headers.append(headers)
            content = await reader.readexactly(int(headers.get("content-length", 0)))
            if line.startswith("GET"):
                await self._list(writer)
            else:
                await self._chat(reader, writer, json.loads(content))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _list(self, writer: asyncio.StreamWriter) -> None:
        if self.listing is not None:
            await self.listing(writer, {})
            return
        if self.models == [("", "")]:
            await status(404, "no list here")(writer, {})
            return
        data = [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in self.models]
        await send(writer, 200, json.dumps({"object": "list", "data": data}))

    async def _chat(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        self.seen.append(body)
        await self._count(1)
        answer = asyncio.ensure_future((self.script.popleft() if self.script else self.then)(writer, body))
        gone = asyncio.ensure_future(reader.read())  # ends when the client hangs up
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._count(-1)
            answer.cancel()
            gone.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)


NO_LIST = [("", "")]


async def send(writer: asyncio.StreamWriter, code: int, content: str, *headers: str, length: int | None = None) -> None:
    kind = "application/json"
    lines = [f"HTTP/1.1 {code} X", f"content-type: {kind}", f"content-length: {length or len(content.encode())}"]
    writer.write("\r\n".join([*lines, "connection: close", *headers, "", content]).encode())
    await writer.drain()


def completion(text: str, **changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text} | changes.pop("message", {})
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {"index": 0, "message": message, "finish_reason": changes.pop("finish", "stop")}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "tiny-1",
        "choices": [choice],
        "usage": usage,
    } | changes


def say(text: str, **changes: Any) -> Behaviour:
    """Answer well, streamed or not as asked."""

    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        if body.get("stream"):
            await stream(text)(writer, body)
        else:
            await send(writer, 200, json.dumps(completion(text, **changes)))

    return behave


def stream(text: str, *, cut: bool = False, usage: bool = True, reasoning: str = "") -> Behaviour:
    """Answer in pieces of one character; `cut` stops before the end."""

    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        base = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "tiny-1"}
        deltas = [{"reasoning_content": piece} for piece in reasoning] + [{"content": piece} for piece in text]
        chunks = [base | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        if not cut:
            chunks.append(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            if usage:
                chunks.append(base | {"choices": [], "usage": completion("")["usage"]})
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for chunk in chunks:
            writer.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await writer.drain()
        if not cut:
            writer.write(b"data: [DONE]\n\n")
            await writer.drain()

    return behave


def status(status_code: int, message: str = "no", *headers: str, **fields: str) -> Behaviour:
    """Answer with an error."""

    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        await send(writer, status_code, json.dumps({"error": {"message": message} | fields}), *headers)

    return behave


def raw(content: bytes, code: int = 200, kind: str = "application/json", *headers: str) -> Behaviour:
    """Answer with these very bytes."""

    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        lines = [f"HTTP/1.1 {code} X", f"content-type: {kind}", f"content-length: {len(content)}", "connection: close"]
        writer.write("\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + content)
        await writer.drain()

    return behave


async def cut_json(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    """Whole by its length, half a document by its content."""
    whole = json.dumps(completion("fine"))
    await send(writer, 200, whole[: len(whole) // 2])


async def die(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    """Break the connection in the middle of an answer."""
    await send(writer, 200, '{"id": ', length=5000)
    writer.transport.abort()


async def hang(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    await asyncio.Event().wait()


def after(event: asyncio.Event, behaviour: Behaviour) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        await event.wait()
        await behaviour(writer, body)

    return behave
