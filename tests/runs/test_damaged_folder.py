"""A run folder that is damaged, full or not what it seems: what is whole is read, one error tells the rest."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowsteer.errors import RunError
from flowsteer.runs.event_json import event_line
from flowsteer.runs.events import EpisodeStarted, FeedbackGiven
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.growth import Seen, new_entries
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.task import Task

NAMES = ("a", "b", "c")
FILES = ("lock", "config.json", "episodes.jsonl", "index.jsonl", "errors.jsonl", "notes.jsonl")
LINE = {"episode": "b", "format": 2, "summary": {}, "offset": 0, "length": 9}
STARTED = event_line(EpisodeStarted("x", Task("?"), "", "simulated:")).encode()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(LINE)) | st.text(), inner),
    max_leaves=8,
)
changed_lines = st.dictionaries(st.sampled_from(sorted(LINE)), json_values).map(lambda change: LINE | change)
lines = st.one_of(st.binary(max_size=60), (json_values | changed_lines).map(lambda value: json.dumps(value).encode()))


def make(folder: Path) -> None:
    with RunFolder.create(folder, {"seed": 1}) as run:
        for name in NAMES:
            writer = run.begin(name)
            writer.emit(FeedbackGiven(1, name))
            writer.commit(EpisodeSummary(system="s", dataset="d", type="qa", task=name))


def told(run: RunFolder) -> dict[str, list[FeedbackGiven]]:
    return {name: run.events(name) for name in run.entries}


def resume(folder: Path) -> RunFolder:
    return RunFolder.create(folder, {"seed": 1})


def use(folder: Path, open_run: Callable[[Path], RunFolder]) -> str:
    """Read all there is and write a little; the error that tells why not, if there is one."""
    try:
        with open_run(folder) as run:
            run.lost()
            told(run)
            run.note("x", {})
            run.lose("x", EpisodeSummary(system="s", dataset="d", type="qa", task="x"))
    except RunError as error:
        return error.message
    return ""


WHOLE = {name: [FeedbackGiven(1, name)] for name in NAMES}


@given(st.lists(lines, max_size=4), st.lists(st.integers(0, 2), max_size=3))
@example([b"[" * 100_000], [])
@example([b"\xff\xfe"], [0, 2])
@example([json.dumps(LINE | {"format": float("inf")}).encode()], [])
def test_whatever_stands_in_the_index_every_episode_is_found(odd: list[bytes], kept: list[int]):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        index = folder / "index.jsonl"
        whole = index.read_bytes().splitlines()
        index.write_bytes(b"\n".join([*odd, *(whole[number] for number in kept)]) + b"\n")
        assert told(RunFolder.read(folder)).items() >= WHOLE.items()
        with RunFolder.create(folder, {"seed": 1}) as run:
            assert told(run).items() >= WHOLE.items()
        assert told(RunFolder.read(folder)).items() >= WHOLE.items()


@settings(max_examples=40)
@given(st.sampled_from(FILES[1:]), st.lists(lines, min_size=1, max_size=3), st.integers(0, 600))
@example("config.json", [b"[" * 100_000], 0)
@example("notes.jsonl", [b'{"note": 1}'], 0)
@example("errors.jsonl", [b'{"episode": []}', b"[" * 100_000], 0)
def test_whatever_stands_in_a_file_it_is_read_or_an_error_tells(file: str, odd: list[bytes], at: int):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        path = folder / file
        before = path.read_bytes() if path.exists() else b""
        path.write_bytes(before[:at] + b"\n".join(odd) + b"\n" + before[at:])
        for open_run in (RunFolder.read, resume):
            complaint = use(folder, open_run)
            assert not complaint or str(folder) in complaint


def without(line):
    return []


def garbage(line):
    return [b"garbage\n"]


def pushed_on(line):
    return [b"garbage\n", line]


def doubled(line):
    return [line, line]


def overwritten(line):
    return [b"x" * (len(line) - 1) + b"\n"]


def torn(line):
    return [line[: len(line) // 2]]


def play(folder: Path, names: Sequence[str]) -> None:
    """Start a run, or go on with it: what it does not hold is played."""
    with resume(folder) as run:
        for name in names:
            if name not in run.entries:
                summary = EpisodeSummary(system="s", dataset="d", type="qa", task=name, answer=name * 20)
                run.append(name, summary, [event_line(FeedbackGiven(1, name))])


@pytest.mark.parametrize("number", [0, 2, 4])
@pytest.mark.parametrize("damage", [without, garbage, pushed_on, doubled, overwritten, torn])
def test_damage_among_the_episodes_costs_no_other_and_is_mended_by_the_next_start(tmp_path, damage, number):
    names = ["a", "bb", "ccc", "dd", "e"]
    play(tmp_path, names)
    lines = (tmp_path / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    lines[number : number + 1] = damage(lines[number])
    (tmp_path / "episodes.jsonl").write_bytes(b"".join(lines))

    others = {name: [FeedbackGiven(1, name)] for name in names if name != names[number]}
    whole = others | {names[number]: [FeedbackGiven(1, names[number])]}
    lost = damage not in (pushed_on, doubled) and {names[number]}
    if damage is torn:  # what is torn within a file takes the line with it that it runs into
        lost |= {*names[number + 1 : number + 2]}
    found = told(RunFolder.read(tmp_path))
    assert found == {name: events for name, events in whole.items() if not lost or name not in lost}
    assert sorted(found) == sorted({entry.episode for entry, _ in new_entries(tmp_path, Seen()) if entry})

    play(tmp_path, names)
    play(tmp_path, names)
    run = RunFolder.read(tmp_path)
    assert told(run) == whole
    assert {name: entry.summary.answer for name, entry in run.entries.items()} == {name: name * 20 for name in names}
    assert sorted({entry.episode for entry, _ in new_entries(tmp_path, Seen()) if entry}) == sorted(names)


@pytest.mark.parametrize("offset", [10**6, 2**62, 10**30])
def test_a_line_of_the_index_that_points_behind_the_end_is_not_believed(tmp_path, offset):
    play(tmp_path, ["a"])
    line = json.loads((tmp_path / "index.jsonl").read_text())
    (tmp_path / "index.jsonl").write_text(json.dumps(line | {"offset": offset}) + "\n")
    assert told(RunFolder.read(tmp_path)) == {"a": [FeedbackGiven(1, "a")]}
    play(tmp_path, ["a"])
    assert json.loads((tmp_path / "index.jsonl").read_text())["offset"] == 0


@pytest.mark.parametrize("kept", [0, 300, 700])
def test_a_run_whose_episodes_were_cut_off_and_its_index_was_not_goes_on(tmp_path, kept):
    names = ["a", "bb", "ccc", "dd", "e"]
    play(tmp_path, names)
    os.truncate(tmp_path / "episodes.jsonl", kept)
    play(tmp_path, names[::-1])
    run = RunFolder.read(tmp_path)
    assert told(run) == {name: [FeedbackGiven(1, name)] for name in names}
    assert sorted(entry.episode for entry, _ in new_entries(tmp_path, Seen()) if entry) == names
    assert len((tmp_path / "index.jsonl").read_bytes().splitlines()) == len(names)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_refused_at_once(tmp_path, file, put):
    make(tmp_path)
    (tmp_path / file).unlink(missing_ok=True)
    put(tmp_path / file)
    for open_run in (RunFolder.read, resume):
        complaint = use(tmp_path, open_run)
        if file == "lock" and open_run == RunFolder.read:
            assert not complaint  # who only looks does not take it
        else:
            assert file in complaint or "not a run folder" in complaint


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (b'{"kind": "episode_started"}', False),
        (b'{"kind": "episode_started", "episode": 5}', False),
        (b'{"kind": ["episode_started"], "episode": "x"}', False),
        (b'{"kind": "episode_started", "episode": "x"}', True),
        (b'{"kind": "episode_started", "episode": "x", "director": "", "executor": "", "task": 5}', True),
        (STARTED[:-1] + b', "settings": {"rules": 3}}', True),
        (STARTED + b'\n{"kind": "node_ran", "turn": 1}', True),
        (STARTED + b'\n{"kind": []}', True),
    ],
)
def test_an_episode_in_flight_that_is_damaged_hides_no_other(tmp_path, first, told):
    make(tmp_path)
    (tmp_path / "open/a.jsonl").write_bytes(first + b"\n")
    (tmp_path / "open/b.jsonl").write_bytes(STARTED.replace(b'"x"', b'"y"') + b"\n")
    os.mkfifo(tmp_path / "open/c.jsonl")
    record = RunFolder.read(tmp_path)
    assert record.unfinished_episodes == ["x", "y"][not told :]
    assert len(record.events("y")) == 1
    with pytest.raises(RunError, match=r"a\.jsonl is damaged" if told else "has no episode 'x'"):
        record.events("x")


def test_a_name_that_is_too_long(tmp_path):
    for open_run in (lambda path: RunFolder.create(path, {}), RunFolder.read):
        with pytest.raises(RunError):
            open_run(tmp_path / ("x" * 300))


FULL = """
import resource, sys
from pathlib import Path
from flowsteer.errors import RunWriteError
from flowsteer.runs.event_json import event_line
from flowsteer.runs.events import FeedbackGiven
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.growth import Seen, new_entries
from flowsteer.runs.summary import EpisodeSummary

with RunFolder.create(Path(sys.argv[1]), {"seed": 1}) as run:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        for number in range(1000):
            writer = run.begin(f"new {number}")
            try:
                writer.emit(FeedbackGiven(1, "x" * int(sys.argv[2])))
            except RunWriteError:
                assert writer.abandon() in (True, False)
                raise
            writer.commit(EpisodeSummary(system="s", dataset="d", type="qa", task="t"))
    except RunWriteError as error:
        print(len(run.entries), error.message)
"""


@pytest.mark.parametrize("length", [100, 30_000])
def test_a_full_disk_ends_a_run_whole(tmp_path, length):
    """Files may not grow, which the system says in the same way."""
    make(tmp_path)
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path), str(length)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, _, message = done.stdout.partition(" ")
    assert message.startswith("cannot write ")
    assert "File too large" in message
    for line in (tmp_path / "episodes.jsonl").read_text().splitlines():
        json.loads(line)
    with RunFolder.create(tmp_path, {"seed": 1}) as run:
        assert len(told(run)) >= int(count) >= len(NAMES)
        run.begin("more").commit(EpisodeSummary(system="s", dataset="d", type="qa", task="t"))
    assert "more" in RunFolder.read(tmp_path).entries
