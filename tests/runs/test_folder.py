"""A run folder loses nothing that was finished and repeats nothing that was."""

import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.draft import Draft, Verdict
from flowsteer.errors import RunError
from flowsteer.runs.event_json import event_line, event_to_json, events_from_json
from flowsteer.runs.events import (
    EditApplied,
    EditRejected,
    EpisodeEnded,
    EpisodeSettings,
    EpisodeStarted,
    Feedback,
    FeedbackGiven,
    Graded,
    NodeRan,
)
from flowsteer.runs.failure import Failure, unexpected
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary, summary_from_json, summary_to_json, tally
from flowsteer.task import AssertTests, CallTests, StdioTests, Task, task_from_json, task_to_json
from flowsteer.usage import Usage
from flowsteer.workflow.dsl import parse_dsl, to_dsl
from flowsteer.workflow.nodes import NodeId, Workflow, steps
from flowsteer.workflow.rules import Condition, Rules

ODD = 'line separator \u2028, next line \x85, quote ", tab\t, newline\n, NUL \x00, emoji 🙂'

SUMMARY = EpisodeSummary(system="direct", dataset="d", type="qa", task="t", lost=Failure("odd", ODD, trace=ODD))


def write(run, episode, text=ODD):
    writer = run.begin(episode)
    writer.emit(FeedbackGiven(1, text))
    writer.emit(EditRejected(2, False, "no action", ("add",)))
    return writer.commit(replace(SUMMARY, answer=text))


def test_episodes_come_back_whole_and_only_their_own_bytes_are_read(tmp_path):
    with RunFolder.create(tmp_path, {"seed": 1}) as run:
        for name in ("a", "b", "c"):
            write(run, name, ODD + name)
    run = RunFolder.read(tmp_path)
    assert list(run.entries) == ["a", "b", "c"]
    assert run.events("b") == [FeedbackGiven(1, ODD + "b"), EditRejected(2, False, "no action", ("add",))]
    text = (tmp_path / "episodes.jsonl").read_bytes()
    entry = run.entries["b"]
    (tmp_path / "episodes.jsonl").write_bytes(b"x" * entry.offset + text[entry.offset : entry.offset + entry.length])
    assert run.events("b")[0] == FeedbackGiven(1, ODD + "b")


@given(sizes=st.lists(st.integers(0, 4), max_size=6))
def test_episodes_added_at_once_stand_there_as_if_added_one_by_one(tmp_path_factory, sizes):
    path, heard = tmp_path_factory.mktemp("runs"), []
    ready = [(f"{n}{ODD}", replace(SUMMARY, answer=ODD * n), [event_line(FeedbackGiven(n, ODD))]) for n in range(24)]
    with (
        RunFolder.create(path / "many", {}, lambda *told: heard.append(told)) as many,
        RunFolder.create(path / "single", {}) as single,
    ):
        for size in sizes:
            batch = [ready.pop() for _ in range(size)]
            assert many.append_all(batch) == [single.append(*one) for one in batch]
        assert many.entries == single.entries
    assert [episode for episode, _ in heard] == list(many.entries)
    for name in ("episodes.jsonl", "index.jsonl"):
        assert (path / "many" / name).read_bytes() == (path / "single" / name).read_bytes()


def test_a_writer_holds_in_memory_where_episodes_stand_and_not_what_is_told_of_them(tmp_path):
    def growth(run, episodes):
        before = tracemalloc.get_traced_memory()[0]
        for episode in episodes:
            run.append(f"episode {episode}", replace(SUMMARY, answer=f"{episode} {'x' * 2000}"), [])
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        with RunFolder.create(tmp_path, {}) as run:
            assert growth(run, range(500)) < 500 * 400
        with RunFolder.create(tmp_path, {}) as run:
            assert tracemalloc.get_traced_memory()[0] < 1_000_000
            assert growth(run, range(500, 1000)) < 500 * 400
            assert run.entries["episode 7"].summary.answer == f"7 {'x' * 2000}"
            assert len(run.entries) == 1000
            assert "episode 1000" not in run.entries
    finally:
        tracemalloc.stop()


def test_an_index_that_is_changed_under_its_writer_is_a_clear_error(tmp_path):
    with RunFolder.create(tmp_path, {}) as run:
        write(run, "a")
        write(run, "b")
        lines = (tmp_path / "index.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "index.jsonl").write_bytes(b"".join(lines[::-1]))
        with pytest.raises(RunError, match="was changed while the run was written"):
            run.entries["b"]
        (tmp_path / "index.jsonl").unlink()
        with pytest.raises(RunError, match="cannot be read"):
            run.entries["a"]
    with RunFolder.create(tmp_path, {}) as run:
        assert [*run.entries] == ["a", "b"]


def test_a_torn_last_line_is_cut_off_and_its_episode_counts_as_not_run(tmp_path):
    with RunFolder.create(tmp_path, {}) as run:
        write(run, "a")
        write(run, "b")
    for name in ("episodes.jsonl", "index.jsonl"):
        with (tmp_path / name).open("ab") as file:
            file.write(b'{"episode": "c", "summ')
    with RunFolder.create(tmp_path, {}) as run:
        assert list(run.entries) == ["a", "b"]
        write(run, "c")
    assert RunFolder.read(tmp_path).events("c")[0] == FeedbackGiven(1, ODD)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_the_index_is_rebuilt_from_the_episodes(tmp_path, kept):
    with RunFolder.create(tmp_path, {}) as run:
        entries = [write(run, name) for name in ("a", "b", "c")]
    lines = (tmp_path / "index.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "index.jsonl").write_text("".join(lines[:kept]))
    with RunFolder.create(tmp_path, {}) as run:
        assert list(run.entries.values()) == entries


def test_other_settings_are_refused_and_named(tmp_path):
    with RunFolder.create(tmp_path, {"executor": "a", "seed": 1}):
        pass
    with pytest.raises(RunError, match="executor is 'a' there and 'b' here"):
        RunFolder.create(tmp_path, {"executor": "b", "seed": 1})


def test_one_writer_at_a_time(tmp_path):
    with RunFolder.create(tmp_path, {}), pytest.raises(RunError, match="another process"):
        RunFolder.create(tmp_path, {})
    with RunFolder.create(tmp_path, {}):
        pass


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write the run folder"):
        RunFolder.create(tmp_path / "file" / "run", {})


def test_looking_at_nothing_is_a_clear_error(tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.read(tmp_path)
    with RunFolder.create(tmp_path, {}):
        pass
    with pytest.raises(RunError, match="no episode 'x'"):
        RunFolder.read(tmp_path).events("x")


def test_what_a_kill_left_of_a_finished_episode_is_dropped(tmp_path):
    """The episode was appended, and its own file not yet removed; that of another one stays."""
    with RunFolder.create(tmp_path / "run", {}) as run:
        writer = run.begin("e")
        (left,) = (tmp_path / "run" / "open").iterdir()
        was = left.read_bytes()
        writer.abandon()
        write(run, "e")
        left.write_bytes(was)
        run.begin("f").emit(FeedbackGiven(1, "hm"))
    assert RunFolder.read(tmp_path / "run").unfinished == 2
    with RunFolder.create(tmp_path / "run", {}) as run:
        assert run.unfinished == 1
        assert not left.exists()


def test_a_killed_process_leaves_what_it_had_written(tmp_path):
    code = f"""
import os, pathlib
from flowsteer.runs.events import FeedbackGiven
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
run = RunFolder.create(pathlib.Path({str(tmp_path)!r}), {{}})
summary = EpisodeSummary(system="direct", dataset="d", type="qa", task="t")
writer = run.begin("done"); writer.emit(FeedbackGiven(1, "x")); writer.commit(summary)
writer = run.begin("open"); writer.emit(FeedbackGiven(1, "half way"))
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert "half way" in next((tmp_path / "open").iterdir()).read_text()
    with RunFolder.create(tmp_path, {}) as run:
        assert list(run.entries) == ["done"]
        write(run, "open")
    assert list(RunFolder.read(tmp_path).entries) == ["done", "open"]
    assert not list((tmp_path / "open").iterdir())


def test_events_survive_json():
    wrote = Draft(answer=ODD, verdict=Verdict(False, "no", 0.5, "Verify"), subproblems=("a", "b"))
    runs = [
        NodeRan(2, "node_1", "Verify", (at, 2), False, wrote, None, "fake:", Usage(1, 2, 3, 0.5, None), 0, 0.1)
        for at in (1, 0)
    ]
    workflow = parse_dsl("((Verify) * 3) * 2")
    needs = (Condition("category", "verification", ("Test", "Review")), Condition("steps", least=5, found=1))
    told = Feedback(True, ODD, ("a", ODD), workflow, (runs[1], runs[0]), NodeId("node_1"), needs, 2, 20)
    first = Feedback(False, "no action", (), Workflow(), (), None, needs, 1, 20)
    refused = replace(told, accepted=False, fresh=(), turn=3)
    events = [
        EditRejected(1, False, "no action", ("add",)),
        FeedbackGiven(1, "rejected: no action", first),
        EditApplied(2, ODD, ("node_1",), to_dsl(workflow), workflow),
        *runs,
        FeedbackGiven(2, ODD, told),
        EditRejected(3, True, "no", ()),
        FeedbackGiven(3, ODD, refused),
        FeedbackGiven(4, ""),
    ]
    assert events_from_json(json.loads(json.dumps([event_to_json(event) for event in events]))) == events


def test_feedback_recorded_in_words_alone_is_read():
    plain = {"kind": "feedback_given", "turn": 1, "text": "accepted: added node_1 Plan at the end"}
    assert events_from_json([plain]) == [FeedbackGiven(1, plain["text"], None)]


@pytest.mark.parametrize(
    "tests",
    [None, AssertTests("assert f(1) == 2"), StdioTests(("1\n",), ("2\n",)), CallTests("f", ("[1]",), ("2",))],
)
def test_a_task_and_what_was_allowed_survive_json(tests):
    rules = Rules({"Custom": "solving"}, needs=("verification", "formatting"), backends=("big",))
    task = Task(ODD, "code", ODD, "t/1", "mine", "f", "def f(x):", tests, "a program")
    for settings in (None, EpisodeSettings(20, None, "full", rules)):
        event = EpisodeStarted("a/b", task, "human", "simulated:", settings)
        assert events_from_json(json.loads(json.dumps([event_to_json(event)]))) == [event]
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))).digest == task.digest


def test_an_error_nobody_had_foreseen_keeps_its_class_and_its_traceback():
    try:
        {}["missing"]
    except KeyError as error:
        failure = unexpected(error, "the grader of gsm8k")
    assert (failure.kind, failure.error, failure.place) == ("unexpected", "KeyError", "the grader of gsm8k")
    assert "test_folder.py" in failure.trace
    graded = Graded(None, {}, "the grader failed", failure)
    assert events_from_json(json.loads(json.dumps([event_to_json(graded)]))) == [graded]


def test_a_summary_is_counted_from_the_events_and_survives_json(tmp_path):
    usage, workflow = Usage(1, 10, 5, 0.5, None), parse_dsl("[Plan, Custom] -> Format")
    ids = [step.id for step in steps(workflow.nodes)]
    bad = Failure("bad_reply", ODD)
    events = [
        EpisodeStarted("a", Task("1 + 1?", "math", id="t", dataset="d"), "human", "simulated:"),
        EditRejected(1, False, "no action"),
        EditRejected(2, True, "no such operator"),
        EditApplied(3, "added", tuple(ids), to_dsl(workflow), workflow),
        NodeRan(3, ids[0], "Plan", (), False, Draft(), None, "simulated:", usage, 0, 0.1),
        NodeRan(3, ids[1], "Custom", (), False, Draft(), bad, "big", usage, 0, 0.1),
        EpisodeEnded.of(workflow, ODD, "turn limit", usage, 2.0, turns=3, director_usage=usage),
        Graded(0.5, {"f1": 0.5}, "partly"),
    ]
    told = tally(events).summary("director:human", epoch=2, seed=7, served={"big": "B", "other": "O"})
    assert (told.parsed, told.accepted, told.turns, told.ran, told.calls, told.cost) == (2, 1, 3, 1, 2, None)
    assert told.failures == {"no action": 1, "rejected edit": 1, "bad_reply": 1}
    assert (told.finished, told.ended, told.score, told.served) == (False, "turn limit", 0.5, {"big": "B"})
    assert summary_from_json(json.loads(json.dumps(summary_to_json(told)))) == told
