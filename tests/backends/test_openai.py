"""The OpenAI client against a real HTTP server that behaves well and badly."""

import asyncio
import email.utils
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fake_server import FakeServer, after, cut_json, die, hang, say, status, stream

from flowsteer.backends import presets
from flowsteer.backends.base import Features, Message, Request, Sampling
from flowsteer.backends.budget import Budget, Caps
from flowsteer.backends.budgeted import BudgetedBackend
from flowsteer.backends.connect import Backends
from flowsteer.backends.limits import Limits
from flowsteer.backends.prices import Price
from flowsteer.errors import BackendRejected, BackendUnavailable, ContextExceeded

KEY = "sk-test-0123456789"
QUICK = Limits(retries=3, backoff_seconds=0.001, call_seconds=5)
ASK = Request((Message("system", "Be brief."), Message("user", "Hello?")), Sampling(max_tokens=9))


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    monkeypatch.setenv("FLOWSTEER_API_KEY", KEY)
    async with FakeServer() as fake:
        yield fake


def pool(limits: Limits = QUICK, **options: bool) -> Backends:
    return Backends(limits={"http": limits, "vllm": limits, "openai": limits}, **options)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_reply_its_usage_and_model(server: FakeServer, streamed: bool):
    async with pool(stream=streamed) as backends:
        reply = await (await backends.get(server.spec)).complete(ASK)
    assert (reply.text, reply.finish, reply.model, reply.reasoning) == ("fine", "stop", "tiny-1", "")
    assert (reply.usage.calls, reply.usage.prompt_tokens, reply.usage.completion_tokens) == (1, 7, 3)
    assert 0 < reply.usage.seconds < 5
    assert server.seen[0]["messages"][1] == {"role": "user", "content": "Hello?"}
    assert server.seen[0]["max_tokens"] == 9
    assert bool(server.seen[0].get("stream")) is streamed


@pytest.mark.parametrize("streamed", [False, True])
async def test_thinking_in_its_own_field_is_apart_and_think_tags_stay(server: FakeServer, streamed: bool):
    text = "<think>hm</think>yes"
    server.script.append(
        stream(text, reasoning="because") if streamed else say(text, message={"reasoning_content": "because"})
    )
    async with pool(stream=streamed) as backends:
        reply = await (await backends.get(server.spec)).complete(ASK)
    assert (reply.text, reply.reasoning) == (text, "because")


@pytest.mark.parametrize(
    ("fault", "streamed"),
    [
        (status(500), False),
        (status(503), True),
        (status(429, "slow down", "retry-after: 0.05"), False),
        (status(408), False),
        (status(409), False),
        (cut_json, False),
        (die, False),
        (die, True),
        (stream("fi", cut=True), True),
        (say("", choices=[]), False),
        (say("half", finish="insufficient_system_resource"), False),
    ],
)
async def test_a_passing_fault_is_tried_again(server: FakeServer, fault, streamed: bool):
    server.script.append(fault)
    async with pool(stream=streamed) as backends:
        reply = await (await backends.get(server.spec)).complete(ASK)
    assert reply.text == "fine"
    assert len(server.seen) == 2


async def test_retry_after_as_seconds_and_as_a_date_is_waited_for(server: FakeServer):
    wake = int(time.time()) + 2  # a date has whole seconds
    date = email.utils.formatdate(wake, usegmt=True)
    async with pool() as backends:
        backend = await backends.get(server.spec)
        server.script.append(status(429, "wait", f"retry-after: {date}"))
        await backend.complete(ASK)
        assert wake - 0.01 <= time.time() < wake + 3
        server.script.append(status(429, "wait", "retry-after: 0.3"))
        started = time.monotonic()
        await backend.complete(ASK)
        assert 0.3 <= time.monotonic() - started < 3


async def test_a_fault_that_stays_ends_as_unavailable_with_its_history(server: FakeServer):
    server.then = status(500, "on fire")
    async with pool() as backends:
        backend = await backends.get(server.spec)
        with pytest.raises(BackendUnavailable, match=r"4 attempt\(s\): 500 on fire; 500 on fire;"):
            await backend.complete(ASK)
    assert len(server.seen) == 4


async def test_a_server_that_dies_is_unavailable(server: FakeServer):
    async with pool() as backends:
        backend = await backends.get(server.spec)
        server.then = die
        await server.__aexit__()
        with pytest.raises(BackendUnavailable, match=f"127.0.0.1:{server.port}"):
            await backend.complete(ASK)


async def test_a_slow_server_is_timed_out(server: FakeServer):
    server.then = hang
    async with pool(replace(QUICK, retries=1, call_seconds=0.2)) as backends:
        backend = await backends.get(server.spec)
        with pytest.raises(BackendUnavailable, match=r"no answer within 0\.2.* s; no answer within"):
            await backend.complete(ASK)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (status(400, "not like this"), BackendRejected, "not like this"),
        (status(400, "This model's maximum context length is 4096 tokens"), ContextExceeded, "4096 tokens"),
        (
            status(400, "request (9031 tokens) exceeds the available context size (4096 tokens), try increasing it"),
            ContextExceeded,
            "9031 tokens",
        ),
        (status(500, "Context size has been exceeded."), ContextExceeded, "exceeded"),
        (status(400, "prompt is too long: 210000 tokens > 200000 maximum"), ContextExceeded, "210000"),
        (status(422, "bad field"), BackendRejected, "bad field"),
        (status(413, "too large"), BackendRejected, "too large"),
        (say("", finish="content_filter"), BackendRejected, "content filter"),
        (say("", message={"refusal": "I will not"}), BackendRejected, "I will not"),
        (status(401, "bad key"), BackendUnavailable, "FLOWSTEER_API_KEY"),
        (status(403, "not you"), BackendUnavailable, "FLOWSTEER_API_KEY"),
        (status(403, "unsupported country"), BackendUnavailable, "unsupported country"),
        (status(403, "x needs moderation. Your input was flagged"), BackendRejected, "input was flagged"),
        (status(403, "Content violates usage guidelines."), BackendRejected, "usage guidelines"),
        (status(404, "no such model"), BackendUnavailable, "no such model"),
        (status(402, "pay"), BackendUnavailable, "pay"),
        (status(429, "quota", code="insufficient_quota"), BackendUnavailable, "quota"),
    ],
)
async def test_what_is_final_is_asked_once(server: FakeServer, fault, error: type[Exception], words: str):
    server.then = fault
    async with pool() as backends:
        backend = await backends.get(server.spec)
        with pytest.raises(error, match=words):
            await backend.complete(ASK)
    assert len(server.seen) == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500])
async def test_a_key_is_in_no_error_repr_or_log(server: FakeServer, code: int, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    server.then = status(code, f"the key {KEY} is wrong")
    async with pool() as backends:
        backend = await backends.get(server.spec)
        with pytest.raises((BackendRejected, BackendUnavailable)) as error:
            await backend.complete(ASK)
        chain: list[BaseException] = []
        link: BaseException | None = error.value
        while link is not None:
            chain.append(link)
            link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        told = [repr(backend), str(backend), backend.spec, repr(backends), repr(backend._endpoint), caplog.text]
        told += [f"{link!r} {link} {getattr(link, 'hint', '')}" for link in chain]
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"  # it was really in use
    assert KEY not in " ".join(told)


async def test_nothing_of_another_account_is_sent(server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-other")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-other")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("FLOWSTEER_API_KEY")
    async with pool() as backends:
        await (await backends.get(server.spec)).complete(ASK)
    assert "other" not in str(server.headers)


async def test_cancelling_hangs_up_and_frees_the_slot(server: FakeServer):
    server.script.append(hang)
    async with pool(replace(QUICK, concurrency=1)) as backends:
        backend = await backends.get(server.spec)
        task = asyncio.create_task(backend.complete(ASK))
        await server.until(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reply = await asyncio.wait_for(backend.complete(ASK), 2)
        assert reply.text == "fine"
        await server.until(0)


async def test_one_endpoint_has_one_limit_for_all_its_models(server: FakeServer):
    server.models = [("tiny", "x"), ("big", "x")]
    release = asyncio.Event()
    server.then = after(release, say("fine"))
    async with pool(replace(QUICK, concurrency=3)) as backends:
        pair = [await backends.get(f"{server.url}#{model}") for model in ("tiny", "big")]
        tasks = [asyncio.create_task(pair[number % 2].complete(ASK)) for number in range(8)]
        await asyncio.sleep(0.2)
        release.set()
        await asyncio.gather(*tasks)
    assert server.most_at_once == 3


async def test_a_server_without_usage_is_not_guessed_at(
    server: FakeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    server.script += [stream("fine", usage=False)]
    monkeypatch.setitem(presets.PRESETS, "openai", replace(presets.PRESETS["openai"], base_url=server.url))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.models = [("gpt-4o-mini", "openai")]
    async with pool(stream=True) as backends:
        backend = await backends.get("openai:gpt-4o-mini")
        usage = (await backend.complete(ASK)).usage
        assert (await backend.complete(ASK)).usage.cost == pytest.approx(7 * 0.15e-6 + 3 * 0.6e-6)
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.cost) == (1, 0, 0, None)
    assert "token usage" in caplog.text


@pytest.mark.parametrize("told", [{}, {"prompt_tokens": 7}, {"completion_tokens": 3}, {"prompt_tokens": 0}])
async def test_no_price_is_asked_for_tokens_that_were_not_told(
    server: FakeServer, told: dict[str, int], monkeypatch: pytest.MonkeyPatch
):
    server.script += [say("fine", usage=told)]
    monkeypatch.setitem(presets.PRESETS, "openai", replace(presets.PRESETS["openai"], base_url=server.url))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.models = [("gpt-4o-mini", "openai")]
    async with pool() as backends:
        budget = Budget(Caps())
        backend = BudgetedBackend(await backends.get("openai:gpt-4o-mini"), budget, Price(1.0, 1.0))
        usage = (await backend.complete(ASK)).usage
    assert not usage.counted
    assert usage.cost is None
    assert budget.spent.cost == budget.spent.tokens / 1e6 > 0


SCHEMA = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}}
FULL = Sampling(temperature=0.7, top_p=0.9, top_k=20, seed=5)


@pytest.mark.parametrize(
    ("owner", "features", "there", "absent"),
    [
        ("someone", Features(), {"temperature": 0.7, "top_p": 0.9, "seed": 5}, {"top_k", "grammar", "response_format"}),
        ("llamacpp", Features(True, True), {"top_k": 20, "min_p": 0.0, "grammar": "root ::= [a]"}, {"response_format"}),
        (
            "vllm",
            Features(True, True),
            {"top_k": 20, "min_p": 0.0, "structured_outputs": {"grammar": "root ::= [a]"}},
            {"grammar", "response_format"},
        ),
        ("library", Features(json_schema=True), {"seed": 5}, {"top_k", "grammar"}),
    ],
)
async def test_a_server_is_spoken_to_in_its_dialect(server: FakeServer, owner: str, features, there, absent):
    server.models = [("tiny", owner)]
    async with pool() as backends:
        backend = await backends.get(server.spec)
        assert backend.features == features
        await backend.complete(replace(ASK, sampling=FULL, grammar="root ::= [a]", json_schema=SCHEMA))
        await backend.complete(replace(ASK, json_schema=SCHEMA))
    asked = server.seen[0]
    assert there.items() <= asked.items()
    assert not absent & {name for name in asked if name != "response_format" or features.grammar}
    sent = server.seen[1].get("response_format")
    assert (sent["json_schema"]["schema"] == SCHEMA) if features.json_schema else sent is None


@pytest.mark.parametrize(("owner", "top_k"), [("vllm", -1), ("llamacpp", 0)])
async def test_a_servers_own_truncation_is_switched_off(server: FakeServer, owner: str, top_k: int):
    server.models = [("tiny", owner)]
    async with pool() as backends:
        await (await backends.get(server.spec)).complete(ASK)
    assert (server.seen[0]["top_k"], server.seen[0]["top_p"], server.seen[0]["min_p"]) == (top_k, 1.0, 0.0)


async def test_a_setting_that_is_left_out_is_named_once(server: FakeServer, caplog: pytest.LogCaptureFixture):
    async with pool() as backends:
        backend = await backends.get(server.spec)
        for _ in range(2):
            await backend.complete(replace(ASK, sampling=FULL))
    assert caplog.text.count("does not take top_k") == 1
