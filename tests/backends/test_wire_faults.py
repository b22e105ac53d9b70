"""Whatever a server sends: a reply that can be written down, or an error of this package, in bounded time."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, completion, hang, raw, status
from hypothesis import given
from hypothesis import strategies as st
from wire_strategies import ANY_JSON, BODIES, DONE, chunk, event

from flowsteer.backends.base import Message, Reply, Request, Sampling
from flowsteer.backends.connect import Backends
from flowsteer.backends.limits import Limits
from flowsteer.errors import BackendRejected, BackendUnavailable, ConfigError, FlowSteerError
from flowsteer.runs.events import TurnTaken
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary

QUICK = Limits(retries=1, backoff_seconds=0.001, call_seconds=5)
ASK = Request((Message("user", "Capital of France?"),), Sampling(max_tokens=9))


def written(reply: Reply, path: Path) -> None:
    """Write a reply into a run folder and read it back."""
    with RunFolder.create(path, {}) as folder:
        if "e" not in folder.entries:
            writer = folder.begin("e")
            writer.emit(TurnTaken(1, reply.text, reply.reasoning, reply.usage, 0.0))
            served = {"b:": reply.model}
            writer.commit(EpisodeSummary(system="x", dataset="", type="qa", task="", served=served, answer=reply.text))
        (turn,) = folder.events("e")
    assert isinstance(turn, TurnTaken)
    assert (turn.text, turn.reasoning) == (reply.text, reply.reasoning)


HEADERS = st.sampled_from(
    [
        "retry-after: 0",
        "retry-after: nan",
        "retry-after: \xff",
        "content-encoding: gzip",
        "location: http://a..b/",
        "x: y",
    ]
)
KINDS = st.sampled_from(
    ["application/json", "text/event-stream", "text/html; charset=hex", "x/y; charset=undefined", ""]
)


@given(
    BODIES,
    st.sampled_from([200] * 6 + [204, 302, 400, 401, 404, 422, 429, 500, 503, 999]),
    KINDS,
    HEADERS,
    st.booleans(),
)
def test_whatever_a_server_sends_is_a_reply_or_an_error_of_this_package(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, code: int, kind: str, header: str, streamed: bool
):
    async def talk() -> None:
        async with FakeServer() as server, Backends(limits={"http": QUICK}, stream=streamed) as backends:
            server.then = raw(body, code, kind, header)
            started = time.monotonic()
            try:
                reply = await (await backends.get(server.spec)).complete(ASK)
            except FlowSteerError as error:
                (error.message + error.hint).encode()
            else:
                written(reply, tmp_path_factory.mktemp("run"))
            assert time.monotonic() - started < 20

    asyncio.run(talk())


@given(
    BODIES | ANY_JSON.map(json.dumps).map(str.encode),
    st.sampled_from([200] * 4 + [301, 400, 403, 404, 405, 500, 503, 999]),
    KINDS,
)
def test_whatever_a_server_makes_of_its_model_list_it_is_asked(body: bytes, code: int, kind: str):
    async def talk() -> None:
        async with FakeServer() as server, Backends(limits={"http": QUICK}) as backends:
            server.listing = raw(body, code, kind)
            try:
                backend = await backends.get(server.spec)
            except ConfigError:  # a list that is whole and does not hold the model
                assert code == 200
            else:
                assert (await backend.complete(ASK)).text == "fine"

    asyncio.run(talk())


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    monkeypatch.delenv("FLOWSTEER_API_KEY", raising=False)
    async with FakeServer() as fake:
        yield fake


async def complete(server: FakeServer, limits: Limits = QUICK, **options: bool) -> Reply:
    async with Backends(limits={"http": limits}, **options) as backends:
        return await (await backends.get(server.spec)).complete(ASK)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_server_answers_in_the_form_that_was_not_asked_for(server: FakeServer, streamed: bool):
    whole, stream = json.dumps(completion("Paris")), event(chunk({"content": "Paris"})) + DONE
    server.then = raw((whole if streamed else stream).encode(), kind="text/plain")
    assert (await complete(server, stream=streamed)).text == "Paris"


async def test_a_stream_that_stays_open_after_its_end_is_not_waited_for(server: FakeServer):
    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        writer.write((event(chunk({"content": "Paris"})) + DONE).encode())
        await writer.drain()
        await asyncio.Event().wait()

    server.then = behave
    assert (await asyncio.wait_for(complete(server, stream=True), 3)).text == "Paris"


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("rest", ["", 'data: {"usage": {"prompt'])
async def test_what_breaks_or_stays_out_behind_the_end_of_a_reply_is_not_missed(
    server: FakeServer, cut: bool, rest: str
):
    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        whole = (event(chunk({"content": "Paris"}, "stop")) + rest).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%s\r\n" % (len(whole), whole))
        await writer.drain()
        if not cut:
            await asyncio.Event().wait()

    server.then = behave
    assert (await complete(server, replace(QUICK, rest_seconds=0.05), stream=True)).text == "Paris"
    assert len(server.seen) == 1


async def test_a_character_cut_into_packets_or_into_halves_is_one(server: FakeServer):
    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        halves = event(chunk({"content": "x\ud835"})) + event(chunk({"content": "\udc00y"}))
        plain = "data: " + json.dumps(chunk({"content": "\u20ac\u2028"}), ensure_ascii=False) + "\n\n"
        for byte in (halves + plain + DONE).encode():
            writer.write(bytes([byte]))
            await writer.drain()

    server.then = behave
    assert (await complete(server, stream=True)).text == "x\U0001d400y\u20ac\u2028"


async def test_a_byte_that_is_no_text_costs_a_character_only(server: FakeServer):
    server.then = raw(json.dumps(completion("Paris?")).encode().replace(b"?", b"\xff"))
    assert (await complete(server)).text == "Paris\ufffd"


async def test_a_server_that_loads_its_model_is_waited_for(server: FakeServer):
    loading = status(503, "Loading model")
    server.script += [loading] * 20
    assert (await complete(server, replace(QUICK, retries=0))).text == "fine"
    server.then = server.listing = loading
    with pytest.raises(BackendUnavailable, match=r"still not ready after 0\.1 s: 503 Loading model"):
        await complete(server, replace(QUICK, start_seconds=0.1))


async def test_a_wait_that_is_longer_than_any_run_is_told(server: FakeServer):
    server.then = status(429, "quota of the day", "retry-after: 86400")
    with pytest.raises(BackendUnavailable, match="quota of the day; it asks to wait 86400 s"):
        await complete(server)


async def test_a_redirection_that_drops_the_request_is_told_and_one_that_keeps_it_is_followed(server: FakeServer):
    server.script.append(raw(b"", 307, "text/plain", f"location: {server.url}/chat/completions"))
    assert (await complete(server)).text == "fine"
    server.then = raw(b"", 302, "text/plain", f"location: {server.url}/models?key=secret")
    with pytest.raises(
        BackendUnavailable, match=r"redirection to http://127\.0\.0\.1:.*/v1/models, which drops"
    ) as error:
        await complete(server)
    assert "secret" not in str(error.value)


async def test_an_error_in_a_good_answer_is_final_where_its_code_is(server: FakeServer):
    server.then = raw(json.dumps({"error": {"message": "prompt is too long", "code": 400}}).encode())
    with pytest.raises(BackendRejected, match="prompt is too long"):
        await complete(server)
    assert len(server.seen) == 1
    server.then = raw(json.dumps({"error": {"message": "no", "code": 401}}).encode())
    with pytest.raises(BackendUnavailable, match="FLOWSTEER_API_KEY"):
        await complete(server)


@pytest.mark.parametrize(
    "listing",
    [
        raw(b'[{"id": "tiny"}]'),
        raw(b'{"data": null}'),
        raw(b'{"data": [{"name": "tiny"}]}'),
        raw(b"<html>hi</html>", kind="text/html"),
        status(400),
        status(403),
        status(500),
        raw(b'{"error": "?"}', 500, "text/plain; charset=hex"),
    ],
)
async def test_a_model_list_in_any_shape_stops_no_run(server: FakeServer, listing):
    server.listing = listing
    assert (await complete(server)).text == "fine"


async def test_a_model_list_that_never_comes_stops_no_run(server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("flowsteer.backends.openai._LIST_SECONDS", 0.05)
    server.listing = hang
    assert (await complete(server)).text == "fine"
