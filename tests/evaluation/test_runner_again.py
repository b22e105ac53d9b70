"""What is done with a run afterwards: graded again, or its workflows run under another executor."""

import asyncio
import json

import pytest
from flowsteer_cli import flowsteer

from evaluation.evaluation_cases import SaysLLM, figures, run, small
from evaluation.made_runs import entry
from flowsteer.errors import BackendUnavailable, ConfigError, RunError
from flowsteer.evaluation.evaluate import read_plan
from flowsteer.evaluation.rescore import Change, rescore, scored_entries
from flowsteer.evaluation.task_sets import load_tasks
from flowsteer.grading.base import RIGHT, unscorable
from flowsteer.reporting.statistics import compare
from flowsteer.runs.events import EpisodeEnded, NodeRan, TurnTaken
from flowsteer.runs.folder import RunFolder
from flowsteer.study.swap import compare_runs, swap


def again(path, grade):
    return asyncio.run(rescore(path, load_tasks(read_plan(path)).test, grade))


def scores(path):
    return [entry.summary.score for entry in scored_entries(RunFolder.read(path))]


def test_grading_again_changes_no_record_and_the_latest_pass_counts(tmp_path):
    run(tmp_path, small(limit=5, systems=["direct"]))
    before, recorded = (tmp_path / "episodes.jsonl").read_bytes(), scores(tmp_path)
    assert 0 in recorded
    seen = []

    async def generous(sample, answer):
        seen.append((sample.task.id, answer))
        return RIGHT

    async def unable(sample, answer):
        return unscorable("out of order")

    first = again(tmp_path, generous)
    assert (first.graded, first.missing) == (5, ())
    assert len(first.changes) == recorded.count(0)
    assert scores(tmp_path) == [1.0] * 5
    entries = RunFolder.read(tmp_path).entries.values()
    assert sorted(seen) == sorted((entry.summary.task, entry.summary.answer) for entry in entries)
    second = again(tmp_path, unable)
    assert second.path != first.path
    assert second.changes[0] == Change(next(iter(entries)).episode, 1.0, None)
    assert scores(tmp_path) == [None] * 5
    assert (tmp_path / "episodes.jsonl").read_bytes() == before


def test_an_episode_whose_task_is_gone_or_changed_keeps_its_grade(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    rows = [{"id": str(n), "type": "math", "question": f"1 + {n}?", "answer": str(n + 1)} for n in range(3)]
    (data / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = small(datasets=["sums"], data=str(data), systems=["direct"], limit=None, executor="says:it")
    run(tmp_path / "run", config, extra={"says:it": SaysLLM("Answer: 2", "says:it")})
    rows[1]["question"] = "2 + 0?"
    (data / "sums.jsonl").write_text("\n".join(map(json.dumps, rows[:2])))

    async def generous(sample, answer):
        return RIGHT

    outcome = again(tmp_path / "run", generous)
    assert (outcome.graded, len(outcome.missing)) == (1, 2)
    assert sorted(scores(tmp_path / "run")) == [0.0, 1.0, 1.0]


def test_a_grade_is_of_an_answer_and_not_of_the_one_that_took_its_place(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    row = {"id": "b", "type": "math", "question": "6 * 8?", "answer": "48"}
    (data / "sums.jsonl").write_text(json.dumps(row))
    config = small(datasets=["sums"], data=str(data), systems=["direct"], limit=None, executor="says:it")
    run(tmp_path / "run", config, extra={"says:it": SaysLLM("Answer: 129", "says:it")})

    async def strict(sample, answer):
        return unscorable("looked at again")

    again(tmp_path / "run", strict)
    assert scores(tmp_path / "run") == [None]
    (data / "sums.jsonl").write_text(json.dumps(row | {"question": "43 * 3?", "answer": "129"}))
    run(tmp_path / "run", config, extra={"says:it": SaysLLM("Answer: 129", "says:it")})
    assert scores(tmp_path / "run") == [1.0]
    again(tmp_path / "run", strict)
    assert scores(tmp_path / "run") == [None]


def test_a_pass_of_grades_takes_the_place_of_none_that_is_there(tmp_path):
    run(tmp_path, small(limit=1, systems=["direct"]))

    async def generous(sample, answer):
        return RIGHT

    first, second = again(tmp_path, generous), again(tmp_path, generous)
    first.path.unlink()
    assert again(tmp_path, generous).path != second.path


@pytest.mark.parametrize(
    "change", [{"score": "high"}, {"metrics": 3}, {"metrics": {"em": "x"}}, {"reason": []}, {"episode": 1}]
)
def test_a_line_that_is_no_grade_is_told(tmp_path, change):
    run(tmp_path, small(limit=1, systems=["direct"]))

    async def generous(sample, answer):
        return RIGHT

    file = again(tmp_path, generous).path
    file.write_text(json.dumps(json.loads(file.read_text()) | change) + "\n")
    with pytest.raises(RunError, match="is damaged"):
        scores(tmp_path)


def test_swapping_the_executor_runs_the_very_workflows_again_without_a_director(tmp_path):
    run(tmp_path / "a", small(systems=["director:simulated:", "sc:3", "fixed:best"], limit=6))
    progress, swapped = asyncio.run(swap(tmp_path / "a", tmp_path / "b", "simulated:flat"))
    one, other = RunFolder.read(tmp_path / "a"), RunFolder.read(tmp_path / "b")
    assert progress.done == 18
    assert set(one.entries) == set(other.entries)
    for name in one.entries:
        was, now = one.events(name), other.events(name)
        ends = [next(event for event in events if isinstance(event, EpisodeEnded)) for events in (was, now)]
        assert ends[0].workflow == ends[1].workflow
        assert not any(isinstance(event, TurnTaken) for event in now)
        assert {event.backend.partition("#")[0] for event in now if isinstance(event, NodeRan)} <= {"simulated:flat"}
    for row in swapped:
        pairs = [
            (entry.summary.score, other.entries[name].summary.score)
            for name, entry in one.entries.items()
            if entry.summary.system == row.system
        ]
        assert row.pairs == 6
        assert row.comparison == compare([[after - before for before, after in pairs]])
    assert {row.system for row in swapped} == {"director:simulated:", "sc:3", "fixed:best"}


def test_a_swap_to_the_same_executor_changes_nothing_and_is_resumed(tmp_path):
    run(tmp_path / "a", small(systems=["sc:3", "refine"]))
    asyncio.run(swap(tmp_path / "a", tmp_path / "b", "simulated:"))
    assert figures(tmp_path / "a") == figures(tmp_path / "b")
    progress, swapped = asyncio.run(swap(tmp_path / "a", tmp_path / "b", "simulated:"))
    assert progress.resumed == 6
    assert [row.comparison.difference.mean for row in swapped] == [0, 0]


@pytest.mark.parametrize(
    ("executor", "error"), [("simulated:nope", ConfigError), ("http://127.0.0.1:9/v1#m", BackendUnavailable)]
)
def test_a_swap_that_cannot_begin_leaves_no_folder(tmp_path, executor, error):
    run(tmp_path / "a", small(limit=1))
    with pytest.raises(error):
        asyncio.run(swap(tmp_path / "a", tmp_path / "new" / "b", executor))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_swap_needs_a_folder_of_its_own_and_the_tasks_of_the_run(tmp_path):
    run(tmp_path / "a", small(limit=2))
    with pytest.raises(RunError, match="other settings"):
        asyncio.run(swap(tmp_path / "a", tmp_path / "a", "simulated:flat"))
    with pytest.raises(ConfigError, match="not in the data as it is now"):
        asyncio.run(swap(tmp_path / "a", tmp_path / "b", "simulated:flat", changes={"limit": 1}))


STORES = {"replies.sqlite", "requests.sqlite"}


def files(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("name", ["a", "moved"])
def test_a_swap_only_reads_its_source_and_keeps_what_is_sent_and_replied_in_its_own_folder(
    tmp_path, monkeypatch, name, kept
):
    """The source's plan names its stores as they were typed, from the folder in which it was made."""
    monkeypatch.chdir(tmp_path)
    stores = {"cache": "a/replies.sqlite", "requests": str(tmp_path / "a" / "requests.sqlite")} if kept else {}
    config = small(systems=["cot"], executor="says:it", **stores)
    run(tmp_path / "a", config, extra={"says:it": SaysLLM("Answer: 1")})
    source, elsewhere = (tmp_path / "a").rename(tmp_path / name), tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before, llm = files(source), SaysLLM("Answer: 2", "says:other")
    for _ in range(2):
        asyncio.run(swap(source, tmp_path / "b", "says:other", extra={"says:other": llm}))
        assert files(source) == before
        assert STORES & {file.name for file in (tmp_path / "b").iterdir()} == (STORES if kept else set())
    assert {file.name for file in tmp_path.iterdir()} == {name, "b", "elsewhere"}
    assert list(elsewhere.iterdir()) == []


def test_before_and_after_of_a_swap_differ_by_its_difference():
    """Datasets of unequal size, a task with more epochs than the others, and episodes that only one run has."""
    tasks = [("one", "t", epoch) for epoch in range(2)] + [("two", f"t{n}", 0) for n in range(8)] + [("two", "u", 1)]
    before = [entry("x", name, task, float(name == "two"), epoch) for name, task, epoch in tasks]
    after = [entry("x", name, task, float(name == "one" and epoch == 0), epoch) for name, task, epoch in tasks[:-1]]
    (swapped,) = compare_runs(before, after)
    assert swapped.pairs == 10
    assert (swapped.before, swapped.after) == (0.5, 0.25)
    assert swapped.comparison.difference.mean == swapped.after - swapped.before


@pytest.mark.parametrize(
    "more",
    [{"datasets": ["simulated:qa"]}, {"limit": 1}, {"skip": 3}, {"datasets": ["simulated:qa"], "split": "validation"}],
)
def test_a_run_that_was_started_more_than_once_is_graded_again_and_swapped_as_a_whole(tmp_path, more):
    for changes in ({}, more):
        run(tmp_path / "a", small(systems=["cot"], **changes))
    total = len(RunFolder.read(tmp_path / "a").entries)
    progress, _ = asyncio.run(swap(tmp_path / "a", tmp_path / "b", "simulated:flat"))
    assert (progress.done, progress.total) == (total, total)
    for folder in ("a", "b"):
        found = flowsteer("score", folder, "--json", cwd=tmp_path).json
        assert (found["graded"], found["missing"]) == (total, [])
    asyncio.run(swap(tmp_path / "a", tmp_path / "b", "simulated:flat"))
    assert flowsteer("score", "b", "--json", cwd=tmp_path).json["graded"] == total


def test_data_that_was_moved_between_two_starts_is_found_where_it_is_now(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "sums.jsonl").write_text(json.dumps({"id": "1", "type": "math", "question": "1 + 1?", "answer": "2"}))
    plain = {"datasets": ["sums"], "systems": ["direct"]}
    run(tmp_path / "run", small(**plain, data=str(old)))
    old.rename(new)
    assert run(tmp_path / "run", small(**plain, data=str(new))).resumed == 1
    found = flowsteer("score", "run", "--json", cwd=tmp_path).json
    assert (found["graded"], found["missing"]) == (1, [])
