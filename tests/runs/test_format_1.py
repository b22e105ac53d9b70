"""Run folders of the first format are still read: listed, shown, exported, scored, reported and gone on with."""

import json
import tarfile
from pathlib import Path

import pytest
from flowsteer_cli import flowsteer

from flowsteer.runs.config import FORMAT
from flowsteer.runs.events import EpisodeEnded, EpisodeStarted
from flowsteer.runs.folder import RunFolder

FORMAT_1 = Path(__file__).parent / "format_1"
RUNS = ("solve", "solve_random", "eval", "eval_killed", "eval_faults", "train", "train_killed")
EVAL = ("eval", "simulated", "--executor", "simulated:", "--max-turns", "8", "--json", "--system", "direct")
EVAL += ("--system", "director:simulated:")

SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python 3.11 has filters from 3.11.4 on; the archives are this project's own."""


@pytest.fixture
def old(tmp_path):
    """Unpacks a run folder."""

    def unpack(name):
        with tarfile.open(FORMAT_1 / f"{name}.tar.gz") as packed:
            packed.extractall(tmp_path, **SAFELY)
        return tmp_path / name

    return unpack


@pytest.mark.parametrize("name", RUNS)
def test_every_episode_is_read_from_its_first_event_to_its_last(old, name):
    run = RunFolder.read(old(name))
    assert run.entries
    for episode in run.entries:
        events = run.events(episode)
        assert isinstance(events[0], EpisodeStarted)
        assert any(isinstance(event, EpisodeEnded) for event in events)


@pytest.mark.parametrize("name", RUNS)
def test_episodes_are_listed(old, tmp_path, name):
    folder = old(name)
    assert flowsteer("show", str(folder), cwd=tmp_path).code == 0
    listed = flowsteer("show", str(folder), "--json", cwd=tmp_path).json
    assert len(listed.get("episodes", [0])) == len(RunFolder.read(folder).entries)


def one_of_each(folder):
    """One episode of each system, or of each part of a training run."""
    entries = RunFolder.read(folder).entries.values()
    return {entry.episode.partition("/")[0]: entry for entry in entries}.values()


@pytest.mark.parametrize("name", RUNS)
def test_an_episode_is_shown(old, tmp_path, name):
    folder = old(name)
    for entry in one_of_each(folder):
        shown = flowsteer("show", str(folder), entry.episode, cwd=tmp_path)
        assert (shown.code, shown.err) == (0, "")
        assert "Answer" in shown.out


@pytest.mark.parametrize("name", RUNS)
def test_the_workflow_of_an_episode_is_exported(old, tmp_path, name):
    folder = old(name)
    for entry in one_of_each(folder):
        if entry.summary.dsl:
            done = flowsteer("export", str(folder), "--episode", entry.episode, "--to", "dsl", cwd=tmp_path)
            assert (done.code, done.out.strip()) == (0, entry.summary.dsl)


@pytest.mark.parametrize("name", ["eval", "eval_killed", "eval_faults"])
def test_an_evaluation_is_scored_again_and_reported(old, tmp_path, name):
    folder = old(name)
    entries = RunFolder.read(folder).entries
    scored = flowsteer("score", str(folder), "--json", cwd=tmp_path)
    assert scored.code == 0
    assert scored.json["graded"] == len(entries)
    assert flowsteer("report", str(folder), cwd=tmp_path).code == 0
    report = (folder / "report" / "report.md").read_text(encoding="utf-8")
    assert all(entry.summary.system in report for entry in entries.values())
    assert ("1 errors" in report) == (name == "eval_faults")
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert all(json.dumps(episode)[1:-1] in page for episode in entries)


@pytest.mark.parametrize("name", ["solve", "solve_random", "train", "train_killed"])
def test_what_is_no_evaluation_is_reported_too_and_says_why_it_is_not_scored_again(old, tmp_path, name):
    folder = old(name)
    assert flowsteer("report", str(folder), cwd=tmp_path).code == 0
    assert "simulated" in (folder / "report" / "report.md").read_text(encoding="utf-8")
    scored = flowsteer("score", str(folder), cwd=tmp_path)
    assert scored.code == 1
    assert "holds no evaluation" in scored.err


def test_what_summaries_left_out_is_read_from_the_events(old):
    (solved,) = RunFolder.read(old("solve")).entries.values()
    assert (solved.summary.type, solved.summary.finished, solved.summary.parsed) == ("math", True, 6)
    assert solved.summary.calls > 0
    trained = [entry.summary for entry in RunFolder.read(old("train")).entries.values()]
    assert {one.system for one in trained} >= {"before, T = 0", "before, T = 1", "policy@0", "policy@1", "after, T = 1"}
    assert all(one.digest and one.terms and one.director_tokens and one.lost is None for one in trained)


def test_what_broke_off_keeps_its_failure(old):
    failures = [entry.summary.lost for entry in RunFolder.read(old("eval_faults")).lost()]
    assert {(failure.kind, failure.error) for failure in failures} == {("BackendUnavailable", "BackendUnavailable")}
    assert all("127.0.0.1" in failure.message for failure in failures)


def test_notes_among_the_episodes_are_notes(tmp_path):
    note = {"text": "add Plan", "workflow": None, "refused": "no such operator", "calls": 2}
    line = {"episode": "search/d/round/0", "summary": note, "events": []}
    (tmp_path / "config.json").write_text(json.dumps({"config": {}, "versions": {}}))
    (tmp_path / "episodes.jsonl").write_text(f"{json.dumps(line)}\n")
    with RunFolder.create(tmp_path, {}) as run:
        assert (run.notes, run.entries) == ({"search/d/round/0": note}, {})
        run.note("search/d/round/1", note)
    assert list(RunFolder.read(tmp_path).notes) == ["search/d/round/0", "search/d/round/1"]


def test_a_later_format_is_refused_in_a_line(old, tmp_path):
    folder = old("solve")
    stored = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(stored | {"format": FORMAT + 1}))
    done = flowsteer("show", str(folder), cwd=tmp_path)
    assert done.code == 1
    assert f"is of format {FORMAT + 1}" in done.err


def test_the_command_that_solved_a_question_finds_it_solved(old, tmp_path):
    folder = old("solve")
    asked = ("solve", "What is 6 times 7?", "--type", "math", "--executor", "simulated:", "--run", str(folder))
    director = "dsl:Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done -> Format"
    done = flowsteer(*asked, "--director", director, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert (done.json["answer"], done.json["reason"], done.json["parsed"]) == ("720", "finished", 6)


def test_what_an_evaluation_designed_runs_under_another_executor(old, tmp_path):
    done = flowsteer("swap", str(old("eval")), "--executor", "simulated:flat", cwd=tmp_path)
    assert done.code == 0
    assert "director:simulated:" in done.out


def test_an_evaluation_that_was_killed_goes_on(old, tmp_path):
    folder = old("eval_killed")
    before = RunFolder.read(folder)
    kept = {name: before.events(name) for name in before.entries}
    assert before.unfinished
    assert flowsteer(*EVAL, "--limit", "60", "--run", str(folder), cwd=tmp_path).code == 0
    after = RunFolder.read(folder)
    assert (len(after.entries), after.unfinished) == (120, 0)
    assert {name: after.events(name) for name in kept} == kept


def test_a_study_is_reported_again(old, tmp_path):
    pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")
    folder = old("study")
    asked = ("study", str(tmp_path / "small_study.toml"), "--run", str(folder), "--report", "--json")
    done = flowsteer(*asked, cwd=tmp_path)
    assert done.code == 0
    assert (done.json["done"], done.json["cells"]) == (2, 2)
    assert (folder / "report.html").exists()


def test_a_question_that_was_solved_is_not_solved_again_unless_it_is_asked_otherwise(old, tmp_path):
    question = ("solve", "What is 6 times 7?", "--type", "math", "--director", "simulated:", "--executor", "simulated:")
    asked = (*question, "--max-turns", "8", "--allow-unfinished", "--run", str(old("solve_random")))
    again = flowsteer(*asked, cwd=tmp_path)
    assert again.code == 0
    assert "nothing was run" in again.err
    other = flowsteer(*asked, "--seed", "1", cwd=tmp_path)
    assert other.code == 1
    assert "seed is 0 there and 1 here" in other.err
    assert "canvas" not in other.err
    assert "sampling" not in other.err
