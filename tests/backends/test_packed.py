"""The replies of a run as one file: packed whole, answered by request, and clear about what they lack."""

import contextlib
import gzip
import json
import resource
import sqlite3
import threading
from pathlib import Path

import pytest
from fake_server import FakeServer
from filelock import FileLock
from stub_backend import Counting, ask

from flowsteer.backends.base import Reply
from flowsteer.backends.budget import Budget, Caps
from flowsteer.backends.budgeted import BudgetedBackend
from flowsteer.backends.cache import CachedBackend, ResponseCache
from flowsteer.backends.codec import digest
from flowsteer.backends.connect import Backends
from flowsteer.backends.packed import AskedModel, PackedBackend, pack, packed_model
from flowsteer.errors import BackendUnavailable, BudgetExceeded, ConfigError, RunWriteError
from flowsteer.usage import NO_USAGE

ASKED = [ask("What is in the dataset?"), ask("b"), ask("b", temperature=0.7, seed=1)]


async def kept(folder: Path, *specs: str) -> tuple[Path, list[Reply]]:
    """A run's cache after the same requests to each model."""
    path, replies = folder / "replies.sqlite", list[Reply]()
    cache = ResponseCache(path)
    for spec in specs or ("counting",):
        inner = Counting()
        inner.spec = spec
        backend = CachedBackend(inner, cache, f"{spec} as served")
        replies += [await backend.complete(request) for request in ASKED]
    cache.close()
    return path, replies


async def test_a_pack_answers_as_the_model_did_however_often_it_is_asked(tmp_path: Path):
    cache, replies = await kept(tmp_path)
    file = tmp_path / "shared.jsonl.gz"
    packed = pack(cache, file)
    assert (packed.replies, packed.bytes) == (3, file.stat().st_size)
    assert packed.models == (AskedModel("counting", "counting as served", Counting.features),)
    assert "dataset" not in gzip.decompress(file.read_bytes()).decode()
    backend = PackedBackend(file)
    for _ in range(2):
        assert [await backend.complete(request) for request in ASKED] == replies
    assert backend.features == Counting.features
    assert backend.spec == f"recorded:{file}#counting"
    with pytest.raises(BackendUnavailable, match=r"does not hold request [0-9a-f]{12}, which ends in 'What of c\?'"):
        await backend.complete(ask("What of c?"))


async def test_what_is_missing_is_asked_and_added_where_somebody_may_be_asked(tmp_path: Path):
    cache, _ = await kept(tmp_path)
    file = tmp_path / "shared.gz"
    pack(cache, file)
    live = Counting()
    reply = await PackedBackend(file, live=live).complete(ask("new"))
    assert live.calls == 1
    assert await PackedBackend(file).complete(ask("new")) == reply


async def test_of_several_models_one_is_named(tmp_path: Path):
    cache, replies = await kept(tmp_path, "one", "two")
    file = tmp_path / "both.gz"
    pack(cache, file)
    with pytest.raises(ConfigError, match="several models") as caught:
        packed_model(file)
    assert f"recorded:{file}#two" in caught.value.hint
    async with Backends() as backends:
        backend = await backends.get(f"recorded:{file}#two")
        assert await backend.complete(ASKED[1]) == replies[4]
        with pytest.raises(ConfigError, match="no replies of 'three'"):
            await backends.get(f"recorded:{file}#three")
        with pytest.raises(ConfigError, match="'two' names no backend"):
            await backends.get(f"recorded:{file}#two?live")


async def packed(folder: Path, spec: str) -> Path:
    """The replies of one model to `ASKED`."""
    cache, _ = await kept(folder, spec)
    pack(cache, folder / "one.gz")
    return folder / "one.gz"


async def test_who_is_asked_live_is_named_by_the_user_and_not_by_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FLOWSTEER_API_KEY", "secret")
    async with FakeServer(models=[("tiny as served", "x")]) as server, Backends() as backends:
        file = await packed(tmp_path, f"{server.url}#tiny as served")
        with pytest.raises(ConfigError, match="name it") as caught:
            await backends.get(f"recorded:{file}?live")
        assert not server.headers
        assert f'"recorded:{file}#{server.url}#tiny as served?live"' in caught.value.hint


async def test_a_replay_is_not_paid_for(tmp_path: Path):
    file = await packed(tmp_path, "openai:gpt-5")
    budget = Budget(Caps(calls=0, tokens=0, cost=0.0))
    backend = BudgetedBackend(PackedBackend(file), budget)
    replies = [await backend.complete(request) for request in ASKED]
    assert [(reply.usage.cost, reply.cached) for reply in replies] == [(0.25, True)] * 3
    assert budget.spent == NO_USAGE


async def test_what_a_pack_does_not_hold_is_paid_at_the_price_of_the_model_that_is_asked(tmp_path: Path):
    file, live = await packed(tmp_path, "openai:gpt-5"), Counting()
    live.spec = "openai:gpt-5"
    budget = Budget(Caps(cost=0.26))
    run = CachedBackend(BudgetedBackend(PackedBackend(file, live=live), budget), ResponseCache(tmp_path / "c.sqlite"))
    backend = BudgetedBackend(run, Budget(Caps(cost=0.26)))
    for _ in range(3):
        await backend.complete(ASKED[0])
    await backend.complete(ask("new"))
    assert (live.calls, budget.spent.calls, budget.spent.cost) == (1, 1, 0.25)
    for asked in (run, backend):
        with pytest.raises(BudgetExceeded):
            await asked.complete(ask("x" * 20_000))
    live.spec = "openai:unheard-of"
    for inner in (PackedBackend(file, live=live), run):
        with pytest.raises(ConfigError, match="the price of openai:unheard-of is unknown"):
            BudgetedBackend(inner, Budget(Caps(cost=1.0)))


async def test_a_reply_that_a_full_disk_cut_hides_none_that_is_added_behind_it(tmp_path: Path):
    file = await packed(tmp_path, "counting")
    backend = PackedBackend(file, live=Counting())
    free = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 30, free[1]))
    try:
        with pytest.raises(RunWriteError, match="File too large"):
            await backend.complete(ask("lost"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, free)
    reply = await backend.complete(ask("new"))
    assert await PackedBackend(file).complete(ask("new")) == reply


async def test_what_another_process_adds_while_a_pack_is_mended_is_kept(tmp_path: Path):
    file = await packed(tmp_path, "counting")
    reply = await PackedBackend(file, live=Counting()).complete(ask("new"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with FileLock(f"{file}.lock"):
        mends = threading.Thread(target=PackedBackend, args=(file,), kwargs={"live": Counting()})
        mends.start()
        mends.join(0.2)
        assert mends.is_alive()
        file.write_bytes(whole)
    mends.join()
    assert await PackedBackend(file).complete(ask("new")) == reply


async def test_a_pack_that_was_cut_off_answers_what_is_left(tmp_path: Path):
    cache, _ = await kept(tmp_path)
    file = tmp_path / "cut.gz"
    pack(cache, file)
    whole = gzip.decompress(file.read_bytes())
    lines = whole.splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(lines[:2])) + gzip.compress(b"".join(lines[2:]))[:-12])
    backend = PackedBackend(file)
    answered = 0
    for request in ASKED:
        with contextlib.suppress(BackendUnavailable):
            answered += isinstance(await backend.complete(request), Reply)
    assert 1 <= answered < 3


async def test_a_pack_that_was_cut_off_is_mended_before_anything_is_added(tmp_path: Path):
    cache, _ = await kept(tmp_path)
    file = tmp_path / "live.gz"
    pack(cache, file)
    first = file.stat().st_size
    await PackedBackend(file, live=Counting()).complete(ask("torn"))
    whole = file.read_bytes()
    for size in [*range(first + 1, len(whole)), first - 1, first - 12, first - 40]:
        file.write_bytes(whole[:size])
        live = Counting()
        backend = PackedBackend(file, live=live)
        replies = [await backend.complete(ask(text)) for text in ("torn", "new", "newer")]
        assert 2 <= live.calls <= 3
        again = PackedBackend(file)
        assert [await again.complete(ask(text)) for text in ("torn", "new", "newer")] == replies
        if size > first:
            assert all([await again.complete(request) for request in ASKED])


async def test_a_pack_that_was_added_to_behind_a_tear_answers_what_stands_before_it(tmp_path: Path):
    cache, replies = await kept(tmp_path)
    file = tmp_path / "live.gz"
    pack(cache, file)
    await PackedBackend(file, live=Counting()).complete(ask("torn"))
    behind = [gzip.compress(header(key=digest(ask(text), "x")).encode() + b"\n") for text in ("new", "newer")]
    file.write_bytes(file.read_bytes()[:-20] + b"".join(behind))
    backend = PackedBackend(file, live=Counting())
    assert [await backend.complete(request) for request in ASKED] == replies
    assert await PackedBackend(file).complete(ASKED[0]) == replies[0]


def header(**changed: object) -> str:
    return json.dumps({"pack": 1, "models": [{"spec": "s", "served": "s", "features": {}}]} | changed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as packed replies"),
        ("no json\n", "cannot be read as packed replies"),
        (header(pack=9), "is of format 9"),
        (header(models=3), "cannot be read as packed replies"),
        (header() + '\n{"key": "k", "reply": 3}\n', "cannot be read as packed replies"),
    ],
)
def test_what_is_no_pack_is_refused(tmp_path: Path, text: str, message: str):
    file = tmp_path / "odd.gz"
    file.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ConfigError, match=message):
        PackedBackend(file)


def test_what_kept_no_replies_cannot_be_packed(tmp_path: Path):
    with pytest.raises(ConfigError, match="kept no replies"):
        pack(tmp_path / "replies.sqlite", tmp_path / "x.gz")
    ResponseCache(tmp_path / "replies.sqlite").close()
    with pytest.raises(ConfigError, match="holds the replies of no model"):
        pack(tmp_path / "replies.sqlite", tmp_path / "x.gz")
    with contextlib.closing(sqlite3.connect(tmp_path / "replies.sqlite")) as kept:
        kept.execute("DROP TABLE models")
    with pytest.raises(ConfigError, match="an earlier version kept these replies"):
        pack(tmp_path / "replies.sqlite", tmp_path / "x.gz")
    (tmp_path / "bad.sqlite").write_text("no database at all, only text that goes on for a while " * 20)
    with pytest.raises(ConfigError, match="cannot be packed"):
        pack(tmp_path / "bad.sqlite", tmp_path / "x.gz")
    assert not list(tmp_path.glob("*.part"))
