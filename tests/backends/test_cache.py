"""The response cache: what counts as the same request, what is shared, and what a broken file costs."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_backend import Counting, ask
from wire_strategies import ANY_JSON, SCALARS

from flowsteer.backends.base import Message, Origin, Sampling
from flowsteer.backends.cache import CachedBackend, ResponseCache
from flowsteer.backends.codec import decode, read_json
from flowsteer.errors import BackendUnavailable, ConfigError
from flowsteer.task import Task

TASK = Task(id="t", question="?", type="math")


@pytest.fixture
def inner() -> Counting:
    return Counting()


@pytest.fixture
def cache(tmp_path: Path):
    made = ResponseCache(tmp_path / "sub" / "replies.sqlite")
    yield made
    made.close()


async def test_the_second_time_is_the_same_reply_marked_as_cached(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache)
    first = await backend.complete(ask())
    second = await backend.complete(ask())
    assert not first.cached
    assert second == replace(first, cached=True)
    assert (inner.calls, cache.hits, cache.misses, cache.faults) == (1, 1, 1, 0)


WRITER = """
import asyncio, sys, pathlib
sys.path.insert(0, sys.argv[3])
from stub_backend import Counting, ask
from flowsteer.backends.cache import CachedBackend, ResponseCache
from flowsteer.backends.codec import decode, read_json
async def main():
    cache = ResponseCache(pathlib.Path(sys.argv[1]))
    backend = CachedBackend(Counting(), cache)
    await asyncio.gather(*(backend.complete(ask(f"{sys.argv[2]} {n}")) for n in range(50)))
    assert cache.faults == 0
asyncio.run(main())
"""


def write_at_once(path: Path, processes: int) -> list[int]:
    """Let so many processes write 50 replies each at the same time; their exit codes."""
    here = str(Path(__file__).parent)
    started = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n), here]) for n in range(processes)]
    return [process.wait() for process in started]


async def test_it_outlives_the_processes_that_write_it_at_once(inner: Counting, tmp_path: Path):
    path = tmp_path / "replies.sqlite"
    assert write_at_once(path, 3) == [0, 0, 0]
    cache = ResponseCache(path)
    backend = CachedBackend(inner, cache)
    for process in range(3):
        assert (await backend.complete(ask(f"{process} 49"))).cached
    assert inner.calls == 0
    cache.close()


VARIANTS = [
    ask("Other"),
    ask(temperature=0.5),
    ask(top_p=0.5),
    ask(top_k=3),
    ask(max_tokens=3),
    ask(seed=3),
    replace(ask(), messages=(Message("system", "Hello?"),)),
    replace(ask(), messages=(Message("user", "Hel"), Message("user", "lo?"))),
    replace(ask(), json_schema={"type": "object"}),
    replace(ask(), json_schema={"a": 1, "b": 2}),
    replace(ask(), json_schema={"b": 2, "a": 1}),
    replace(ask(), grammar="root ::= [a]"),
    replace(ask(temperature=0.5), origin=Origin("executor", TASK, sample="1")),
]


async def test_whatever_decides_a_reply_is_in_the_key(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache, served="a")
    for request in [ask(), *VARIANTS]:
        assert not (await backend.complete(request)).cached
    assert not (await CachedBackend(inner, cache, served="b").complete(ask())).cached


async def test_greedy_draws_are_one(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache)
    await backend.complete(replace(ask(), origin=Origin("executor", TASK, sample="0")))
    assert (await backend.complete(replace(ask(), origin=Origin("executor", TASK, sample="1")))).cached


async def test_who_asks_is_not_in_the_key(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache)
    await backend.complete(replace(ask(), origin=Origin("executor", TASK, operator="Plan")))
    assert (await backend.complete(replace(ask(), origin=Origin("director", TASK)))).cached


async def test_equal_calls_in_flight_are_made_once_and_one_is_charged(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache)
    inner.gate.clear()
    tasks = [asyncio.create_task(backend.complete(ask())) for _ in range(4)]
    await asyncio.sleep(0.05)
    inner.gate.set()
    replies = await asyncio.gather(*tasks)
    assert inner.calls == 1
    assert [reply.cached for reply in replies].count(False) == 1
    assert {reply.text for reply in replies} == {"reply 1"}


async def test_one_who_is_cancelled_does_not_take_the_others_along(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache)
    inner.gate.clear()
    tasks = [asyncio.create_task(backend.complete(ask())) for _ in range(3)]
    await inner.asked.wait()
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    inner.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [result.cached for result in results[1:]].count(False) == 1  # somebody still pays


async def test_the_last_who_is_cancelled_takes_the_call_along(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache)
    inner.gate.clear()
    tasks = [asyncio.create_task(backend.complete(ask())) for _ in range(2)]
    await inner.asked.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert inner.cancelled == 1
    inner.gate.set()
    assert not (await backend.complete(ask())).cached


async def test_a_failure_is_told_to_all_and_not_kept(inner: Counting, cache: ResponseCache):
    backend = CachedBackend(inner, cache)
    inner.error = BackendUnavailable("down")
    inner.gate.clear()
    tasks = [asyncio.create_task(backend.complete(ask())) for _ in range(2)]
    await asyncio.sleep(0.05)
    inner.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [BackendUnavailable] * 2
    inner.error = None
    assert not (await backend.complete(ask())).cached


@pytest.mark.parametrize(
    "broken",
    ["", "{", "[]", "7", "[" * 100_000, b"\xff", '{"text": "x"}', '{"text": 1, "usage": {}, "model": "m"}'],
)
async def test_a_broken_entry_is_a_miss_that_is_counted_logged_and_mended(
    inner: Counting, cache: ResponseCache, broken: str | bytes, caplog: pytest.LogCaptureFixture
):
    backend = CachedBackend(inner, cache)
    await backend.complete(ask())
    other = sqlite3.connect(cache.path)
    other.execute("UPDATE replies SET reply = ?", (broken,))
    other.commit()
    other.close()
    assert not (await backend.complete(ask())).cached
    assert cache.faults == 1
    assert "could not be read" in caplog.text
    assert (await backend.complete(ask())).cached


async def test_an_entry_that_cannot_be_written_down_is_made_sound_when_it_is_read(
    inner: Counting, cache: ResponseCache
):
    backend = CachedBackend(inner, cache)
    await backend.complete(ask())
    other = sqlite3.connect(cache.path)
    other.execute("UPDATE replies SET reply = replace(reply, 'reply 1', 'Paris \\ud835\\u0000')")
    other.commit()
    other.close()
    assert (await backend.complete(ask())).text == "Paris \ufffd\ufffd"


VALUES = ANY_JSON | st.fixed_dictionaries(
    {"text": ANY_JSON, "model": ANY_JSON, "usage": ANY_JSON},
    optional={"finish": ANY_JSON, "reasoning": ANY_JSON, "cached": ANY_JSON},
)
USAGES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("calls", "prompt_tokens", "completion_tokens", "seconds", "cost"), SCALARS)
)


@given(VALUES, USAGES)
def test_any_entry_is_a_sound_reply_or_none(values, usage):
    for fields in (values, {**values, "usage": usage} if isinstance(values, dict) else values):
        try:
            reply = decode(read_json(json.dumps(fields)))
        except ValueError:
            continue
        (reply.text + reply.reasoning + reply.model).encode()
        assert (reply.usage + reply.usage).tokens >= 0


async def test_a_file_that_breaks_while_in_use_costs_calls_only(
    inner: Counting, cache: ResponseCache, caplog: pytest.LogCaptureFixture
):
    backend = CachedBackend(inner, cache)
    other = sqlite3.connect(cache.path)
    other.execute("DROP TABLE replies")
    other.commit()
    other.close()
    assert (await backend.complete(ask())).text == "reply 1"
    assert cache.faults == 2
    assert "could not be written" in caplog.text


def test_a_file_that_is_no_cache_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        ResponseCache(path)
    assert path.read_text().startswith("not a database")


def test_sampling_has_no_field_the_key_forgets():
    """A new field of `Sampling` needs a line in `VARIANTS`."""
    assert set(Sampling.__dataclass_fields__) == {"temperature", "top_p", "top_k", "max_tokens", "seed"}
