"""Whatever stands in a run folder's files, looking at it and going on with it works or ends in one clear error."""

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.errors import RunError
from flowsteer.runs.events import UNDIRECTED, EpisodeEnded, EpisodeStarted, Graded
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE
from flowsteer.workflow import parse_dsl

EVENTS = (
    EpisodeStarted("a/0", Task("What?"), "", "simulated:"),
    EpisodeEnded.of(parse_dsl("Custom"), "4", UNDIRECTED, NO_USAGE, 0.1),
    Graded(1.0, {"accuracy": 1.0}),
)
CONFIG = {"command": "test", "seed": 0}
FILES = ("config.json", "episodes.jsonl", "index.jsonl", "notes.jsonl", "errors.jsonl", "plan.json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NEARLY = (b"", b"{", b"[" * 5000, b'{"format": 99}', b'{"episode": "a/0", "offset": -1, "length": 9}', b"\xff")
LINES = st.one_of(
    st.binary(max_size=40),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(NEARLY),
)
"""A line of a file: rubbish, JSON that is nothing expected, or nearly right."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of three episodes."""
    path = tmp_path_factory.mktemp("whole") / "run"
    with RunFolder.create(path, CONFIG) as run:
        for number in range(3):
            writer = run.begin(f"a/{number}")
            for event in EVENTS:
                writer.emit(event)
            writer.commit(EpisodeSummary(system="a", dataset="d", type="qa", task=str(number), ended=UNDIRECTED))
    return path


@given(data=st.data())
def test_any_file_may_hold_anything(tmp_path_factory, whole, data):
    path = tmp_path_factory.mktemp("run") / "run"
    shutil.copytree(whole, path)
    for name in data.draw(st.lists(st.sampled_from(FILES), min_size=1, max_size=2, unique=True)):
        file = path / name
        lines = file.read_bytes().split(b"\n") if file.exists() else []
        place = data.draw(st.integers(0, len(lines)))
        file.write_bytes(b"\n".join([*lines[:place], data.draw(LINES), *lines[place + data.draw(st.booleans()) :]]))
    for opened in (lambda: RunFolder.read(path), lambda: RunFolder.create(path, CONFIG)):
        try:
            run = opened()
        except RunError:
            continue
        for episode in run.entries:
            try:
                assert run.events(episode)
            except RunError:
                continue
        run.close()
    shutil.rmtree(path)
