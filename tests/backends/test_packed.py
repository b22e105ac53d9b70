"""The replies of a run as one file: packed whole, answered by request, and clear about what they lack."""

import contextlib
import gzip
import json
import sqlite3
from pathlib import Path

import pytest
from stub_backend import Counting, ask

from flowsteer.backends.base import Reply
from flowsteer.backends.cache import CachedBackend, ResponseCache
from flowsteer.backends.codec import digest
from flowsteer.backends.connect import Backends
from flowsteer.backends.packed import AskedModel, PackedBackend, is_pack, pack, packed_model
from flowsteer.errors import BackendUnavailable, ConfigError

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
    assert is_pack(file)
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
