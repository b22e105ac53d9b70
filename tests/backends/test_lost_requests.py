"""What was sent and got no answer is paid from the budget; what was refused, or never left, is not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fake_server import FakeServer, cut_json, die, hang, raw, say, status, stream

from flowsteer.backends.base import Backend, Message, Request, Sampling
from flowsteer.backends.budget import Budget, Caps
from flowsteer.backends.budgeted import BudgetedBackend
from flowsteer.backends.cache import CachedBackend, ResponseCache
from flowsteer.backends.connect import Backends
from flowsteer.backends.limits import Limits
from flowsteer.errors import BackendError, BackendUnavailable, BudgetExceeded

QUICK = Limits(retries=3, backoff_seconds=0.001, call_seconds=60)
ASK = Request((Message("user", "Hello?"),), Sampling(max_tokens=9))
ONE = 16 + len("Hello?") // 2 + 9
"""Tokens that are set aside for one request."""


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    monkeypatch.delenv("FLOWSTEER_API_KEY", raising=False)
    async with FakeServer() as fake:
        yield fake


def pool(limits: Limits = QUICK, **options: bool) -> Backends:
    return Backends(limits={"http": limits}, **options)


def error(**fields: object):
    return raw(json.dumps({"error": {"message": "no"} | fields}).encode())


@pytest.mark.parametrize(
    ("fault", "streamed", "lost", "answered"),
    [
        (die, False, 1, 1),
        (die, True, 1, 1),
        (cut_json, False, 1, 1),
        (stream("fi", cut=True), True, 1, 1),
        (say("", choices=[]), False, 1, 1),
        (say("", finish="content_filter"), False, 1, 0),
        (status(504), False, 1, 1),
        (status(500), False, 0, 1),
        (status(429), False, 0, 1),
        (error(code=500), False, 0, 1),
        (error(code=400), False, 0, 0),
        (status(400), False, 0, 0),
        (status(401), False, 0, 0),
        (raw(b"", 302, "text/plain", "location: /v1/models"), False, 0, 0),
    ],
)
async def test_each_request_that_may_have_been_worked_on_is_paid(
    server: FakeServer, fault, streamed: bool, lost: int, answered: int
):
    server.script.append(fault)
    budget = Budget(Caps())
    async with pool(stream=streamed) as backends:
        backend = BudgetedBackend(await backends.get(server.spec), budget)
        with suppress(BackendError):
            await backend.complete(ASK)
    assert (budget.spent.calls, budget.spent.tokens) == (lost + answered, lost * ONE + answered * 10)


async def test_a_connection_that_is_refused_costs_nothing(server: FakeServer):
    budget = Budget(Caps())
    async with pool() as backends:
        backend = BudgetedBackend(await backends.get(server.spec), budget)
        await server.__aexit__()
        with pytest.raises(BackendUnavailable, match=r"4 attempt\(s\)"):
            await backend.complete(ASK)
    assert budget.spent.calls == 0


@pytest.mark.parametrize("calls", [1, 2])
async def test_no_repeat_goes_beyond_the_budget(server: FakeServer, calls: int):
    server.then = hang
    budget = Budget(Caps(calls=calls))
    async with pool(replace(QUICK, call_seconds=1)) as backends:
        backend = BudgetedBackend(await backends.get(server.spec), budget)
        with pytest.raises(BudgetExceeded):
            await backend.complete(ASK)
    assert len(server.seen) == budget.spent.calls == calls


async def test_a_call_that_is_given_up_is_paid_once_it_was_sent_and_by_all_who_pay_for_it(
    server: FakeServer, tmp_path: Path
):
    server.then = hang
    run, own = Budget(Caps()), Budget(Caps())
    cache = ResponseCache(tmp_path / "replies.sqlite")
    async with pool(replace(QUICK, concurrency=1)) as backends:
        kept: Backend = CachedBackend(BudgetedBackend(await backends.get(server.spec), run), cache)
        backend = BudgetedBackend(kept, own)
        sent = asyncio.create_task(backend.complete(ASK))
        await server.until(1)
        waits = asyncio.create_task(backend.complete(replace(ASK, sampling=Sampling(max_tokens=8))))
        await asyncio.sleep(0.05)
        for task in (waits, sent):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await server.until(0)
        assert (own.spent.calls, run.spent.calls, run.spent.tokens) == (1, 1, ONE)
        server.then = say("fine")
        replies = [await backend.complete(ASK) for _ in range(2)]
    assert [reply.cached for reply in replies] == [False, True]
    assert (own.spent.calls, run.spent.calls) == (2, 2)
    cache.close()
