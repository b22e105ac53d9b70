"""Recordings: written whole line by line, played back in order, and clear about what they lack."""

from dataclasses import replace
from pathlib import Path

import pytest
from stub_backend import Counting, ask

from flowsteer.backends.base import Features
from flowsteer.backends.recorded import RecordedBackend, Recorder
from flowsteer.errors import BackendUnavailable, ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "run.jsonl"


async def test_a_recording_plays_back_the_same_replies_in_order(path: Path):
    recorder = Recorder(Counting(), path)
    asked = [ask("a"), ask("b"), ask("a"), ask("a", seed=1)]
    replies = [await recorder.complete(request) for request in asked]
    played = RecordedBackend(path)
    assert [await played.complete(request) for request in asked] == replies
    assert played.features == Features(json_schema=True)
    assert played.spec == f"recorded:{path}"


async def test_what_is_not_recorded_is_named(path: Path):
    await Recorder(Counting(), path).complete(ask("a"))
    played = RecordedBackend(path)
    with pytest.raises(BackendUnavailable, match=r"does not hold request [0-9a-f]{12}, which ends in 'What of b\?'"):
        await played.complete(ask("What of b?"))
    await played.complete(ask("a"))
    with pytest.raises(BackendUnavailable, match="no further reply"):
        await played.complete(ask("a"))


async def test_failures_are_not_recorded(path: Path):
    inner = Counting()
    inner.error = BackendUnavailable("down")
    recorder = Recorder(inner, path)
    with pytest.raises(BackendUnavailable, match="down"):
        await recorder.complete(ask())
    with pytest.raises(BackendUnavailable, match="does not hold"):
        await RecordedBackend(path).complete(ask())


def cut(path: Path, count: int) -> None:
    """Take so many bytes off the end."""
    path.write_bytes(path.read_bytes()[:-count])


def spoil(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


async def test_a_line_cut_off_in_writing_is_recorded_anew(path: Path, caplog: pytest.LogCaptureFixture):
    recorder = Recorder(Counting(), path)
    first = await recorder.complete(ask("a"))
    await recorder.complete(ask("b"))
    cut(path, 20)

    played = RecordedBackend(path)
    assert "cut off" in caplog.text
    assert await played.complete(ask("a")) == first
    with pytest.raises(BackendUnavailable):
        await played.complete(ask("b"))

    again = await Recorder(Counting(), path).complete(ask("b"))
    played = RecordedBackend(path)
    assert await played.complete(ask("a")) == first
    assert await played.complete(ask("b")) == again


@pytest.mark.parametrize("line", ["{}", "nonsense", "[" * 100_000, '{"request": "x", "reply": {"text": "y"}}'])
async def test_a_broken_line_is_named_by_number(path: Path, line: str):
    await Recorder(Counting(), path).complete(ask("a"))
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigError, match="line 3"):
        RecordedBackend(path)


async def test_a_recorded_reply_that_cannot_be_written_down_is_made_sound(path: Path):
    await Recorder(Counting(), path).complete(ask("a"))
    spoil(path, "reply 1", r"Paris \ud835\u0000")
    assert (await RecordedBackend(path).complete(ask("a"))).text == "Paris \ufffd\ufffd"


async def test_a_recording_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/run\.jsonl cannot be written"):
        Recorder(Counting(), tmp_path / "file" / "run.jsonl")


@pytest.mark.parametrize("content", [None, "", "just text\n", "\xff\n"])
def test_what_is_no_recording_is_refused(path: Path, content: str | None):
    if content is not None:
        path.parent.mkdir()
        path.write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"run\.jsonl"):
        RecordedBackend(path)


async def test_a_recording_of_another_backend_is_not_continued(path: Path):
    Recorder(Counting(), path)
    other = Counting()
    other.spec = "another"
    with pytest.raises(ConfigError, match="recording of counting, not of another"):
        Recorder(other, path)


async def test_replies_survive_any_text(path: Path):
    class Odd(Counting):
        async def complete(self, request):
            return replace(await super().complete(request), text="a\nb\u2028c 😀 \x01 \\n", reasoning="é")

    reply = await Recorder(Odd(), path).complete(ask())
    assert await RecordedBackend(path).complete(ask()) == reply
