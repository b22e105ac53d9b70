"""The runner: nothing twice, nothing lost, within the budget, and figures that no disturbance changes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from evaluation.evaluation_cases import SYSTEMS, SaysLLM, figures, run, small
from flowsteer.backends.ledger import FILE
from flowsteer.errors import BackendUnavailable, ConfigError, RunError, SandboxError
from flowsteer.evaluation.evaluate import PLAN, read_plan
from flowsteer.evaluation.job_runner import MAX_ERRORS
from flowsteer.evaluation.rescore import scored_entries
from flowsteer.reporting.summarise import summarise
from flowsteer.runs.folder import RunFolder


def test_every_system_meets_every_task_and_leaves_one_summary(tmp_path):
    progress = run(tmp_path)
    entries = RunFolder.read(tmp_path).entries
    assert (progress.done, progress.total, progress.partial, len(entries)) == (12, 12, False, 12)
    assert len({(entry.summary.system, entry.summary.task) for entry in entries.values()}) == 12
    assert set(progress.accuracy) == set(SYSTEMS)
    assert progress.calls == sum(entry.summary.calls for entry in entries.values()) > 0


def test_the_same_command_again_runs_nothing_and_counts_the_same(tmp_path):
    first = run(tmp_path)
    before = (tmp_path / "episodes.jsonl").read_bytes()
    again = run(tmp_path)
    assert (again.resumed, again.done) == (12, 12)
    assert again.accuracy == first.accuracy
    assert (tmp_path / "episodes.jsonl").read_bytes() == before


def test_the_order_and_number_at_once_change_no_figure(tmp_path):
    run(tmp_path / "a", small(concurrency=1))
    run(tmp_path / "b", small(concurrency=7, systems=SYSTEMS[::-1]))
    assert figures(tmp_path / "a") == figures(tmp_path / "b")


def test_another_seed_is_another_run(tmp_path):
    run(tmp_path / "a", small(systems=["director:simulated:"]))
    run(tmp_path / "b", small(systems=["director:simulated:"], seed=1))
    assert figures(tmp_path / "a") != figures(tmp_path / "b")


def test_a_run_is_extended_by_systems_tasks_and_epochs_but_by_no_other_setting(tmp_path):
    run(tmp_path, small(limit=2, systems=["direct"]))
    grown = run(tmp_path, small(limit=3, systems=["direct", "cot"], epochs=2))
    assert (grown.resumed, grown.total) == (2, 12)
    with pytest.raises(RunError, match="max_turns"):
        run(tmp_path, small(max_turns=3))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_dataset_is_tested_on_by_one_split_in_a_run(tmp_path, split):
    run(tmp_path, small(limit=1, systems=["direct"]))
    run(tmp_path, small(limit=1, systems=["direct"], datasets=["simulated:qa"], split=split))
    before = (tmp_path / "episodes.jsonl").read_bytes()
    for name, other in (("simulated:math", split), ("simulated:qa", "test")):
        with pytest.raises(RunError, match=f"holds {name} by the split .*, not {other}"):
            run(tmp_path, small(limit=2, systems=["direct"], datasets=["simulated:code", name], split=other))
    assert (tmp_path / "episodes.jsonl").read_bytes() == before
    assert run(tmp_path, small(limit=2, systems=["direct"])).done == 2


def test_a_task_whose_content_has_changed_is_run_again(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    row = {"id": "1", "type": "math", "question": "1 + 1?", "answer": "2"}
    config = small(datasets=["sums"], data=str(data), systems=["direct"], limit=None)
    (data / "sums.jsonl").write_text(json.dumps(row))
    run(tmp_path / "run", config)
    (data / "sums.jsonl").write_text(json.dumps(row | {"question": "1 + 2?"}))
    again = run(tmp_path / "run", config)
    assert (again.resumed, again.done) == (0, 1)
    (entry,) = RunFolder.read(tmp_path / "run").entries.values()
    (started, *_) = RunFolder.read(tmp_path / "run").events(entry.episode)
    assert started.task.question == "1 + 2?"


def test_epochs_differ_by_their_seed_alone(tmp_path):
    run(tmp_path, small(systems=["director:simulated:"], epochs=3, limit=2))
    entries = RunFolder.read(tmp_path).entries.values()
    assert sorted((e.summary.epoch, e.summary.seed) for e in entries) == [(0, 0)] * 2 + [(1, 1)] * 2 + [(2, 2)] * 2
    cell = summarise(entries).cells[0]
    assert set(cell.pass_at) == {1, 2, 3}


def test_a_budget_of_calls_is_never_exceeded_and_what_is_done_is_kept(tmp_path):
    config = small(limit=6, systems=["cot", "sc:3"], caps={"calls": 11})
    progress = run(tmp_path, config)
    kept = RunFolder.read(tmp_path).entries
    assert progress.partial
    assert "--max-calls" not in progress.stopped
    assert "calls" in progress.stopped
    assert 0 < len(kept) == progress.done < progress.total
    assert sum(entry.summary.calls for entry in kept.values()) <= 11
    again = run(tmp_path, config)
    assert sum(entry.summary.calls for entry in RunFolder.read(tmp_path).entries.values()) <= 11
    assert again.resumed == progress.done
    assert run(tmp_path, small(limit=6, systems=["cot", "sc:3"])).done == 12


@pytest.mark.parametrize("cap", [{"tokens": 3000}, {"seconds": 0.0}])
def test_budgets_of_tokens_and_seconds_stop_it_too(tmp_path, cap):
    progress = run(tmp_path, small(limit=6, caps=cap))
    assert progress.stopped
    assert progress.done < progress.total
    assert progress.tokens <= cap.get("tokens", 0)


def paid(path):
    """Calls that the run's account tells of."""
    return json.loads((path / FILE).read_text())["calls"]


CHAINS = [f"fixed:Custom{rest}" for rest in ("", " -> Format", " -> Review", " -> Custom")]


def test_what_came_from_the_cache_was_paid_once(tmp_path):
    llm, cache = SaysLLM("Answer: 1"), str(tmp_path / "replies.sqlite")
    plain = {"executor": "says:it", "limit": 4, "cache": cache}
    run(tmp_path / "run", small(**plain, systems=CHAINS), extra={"says:it": llm})
    once = len(llm.requests)
    told = sum(entry.summary.calls for entry in RunFolder.read(tmp_path / "run").entries.values())
    assert once < told
    assert paid(tmp_path / "run") == once
    more = small(**plain, systems=["fixed:Plan -> Custom"], caps={"calls": once + 8})
    progress = run(tmp_path / "run", more, extra={"says:it": llm})
    assert (progress.done, progress.stopped) == (4, "")
    assert paid(tmp_path / "run") == len(llm.requests) == once + 8


def test_what_an_episode_paid_before_it_broke_off_is_paid(tmp_path):
    config = small(executor="flaky:it", systems=["fixed:Custom -> Custom"], limit=4, concurrency=1, caps={"calls": 6})
    flaky = Flaky(lambda request: "Answer: 1" in str(request.messages))
    progress = run(tmp_path, config, extra={"flaky:it": flaky})
    assert (progress.errors, len(flaky.requests), paid(tmp_path)) == (4, 4, 4)
    well = SaysLLM("Answer: 1", "flaky:it")
    assert run(tmp_path, config, extra={"flaky:it": well}).done == 1
    assert "calls" in run(tmp_path, config, extra={"flaky:it": well}).stopped
    assert len(well.requests) == 2
    assert paid(tmp_path) == 6


KILLS_ITSELF = """
import os, signal, sys
from pathlib import Path
from evaluation.evaluation_cases import SaysLLM, run, small

class Killed(SaysLLM):
    async def complete(self, request):
        if len(self.requests) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().complete(request)

run(Path(sys.argv[1]), small(**eval(sys.argv[2])), extra={"says:it": Killed("Answer: 1")})
"""


def test_a_kill_loses_nothing_of_what_was_paid(tmp_path):
    asked = {"executor": "says:it", "systems": ["search:rounds=2,tasks=2", "sc:3"]}
    command = [sys.executable, "-c", KILLS_ITSELF, str(tmp_path), repr(asked)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert paid(tmp_path) == 5
    llm = SaysLLM("Answer: 1")
    assert not run(tmp_path, small(**asked), extra={"says:it": llm}).stopped
    assert paid(tmp_path) == 5 + len(llm.requests)


@pytest.mark.parametrize("account", [None, "", "{", "[]", '{"calls": -1}', '{"calls": 1e999}', '{"spent": 3}'])
def test_where_no_account_was_kept_the_episodes_tell_what_was_paid(tmp_path, account):
    config = small(executor="says:it", systems=["search:rounds=2,tasks=2", "sc:3"])
    llm = SaysLLM("Answer: 1")
    run(tmp_path, config, extra={"says:it": llm})
    if account is None:
        (tmp_path / FILE).unlink()
    else:
        (tmp_path / FILE).write_text(account)
    assert not run(tmp_path, config, extra={"says:it": llm}).stopped
    assert paid(tmp_path) == len(llm.requests)


class Flaky(SaysLLM):
    """Is gone for some requests."""

    def __init__(self, gone):
        super().__init__("Answer: 1", "flaky:it")
        self.gone = gone

    async def complete(self, request):
        if self.gone(request):
            raise BackendUnavailable("connection refused")
        return await super().complete(request)


def test_an_infrastructure_error_is_no_answer_and_is_tried_again(tmp_path):
    config = small(executor="flaky:it", systems=["direct", "cot"], limit=4, concurrency=1)
    flaky = Flaky(lambda request: request.origin.operator == "DirectAnswer")
    progress = run(tmp_path, config, extra={"flaky:it": flaky})
    assert (progress.done, progress.errors) == (4, 4)
    assert "connection refused" in progress.error
    folder = RunFolder.read(tmp_path)
    assert {entry.summary.system for entry in folder.entries.values()} == {"cot"}
    cell = summarise(scored_entries(folder)).cell("simulated:math", "direct")
    assert (cell.scored, cell.error_count) == (0, 4)
    assert run(tmp_path, config, extra={"flaky:it": SaysLLM("Answer: 1", "flaky:it")}).done == 8
    assert summarise(scored_entries(RunFolder.read(tmp_path))).cell("simulated:math", "direct").error_count == 0


def test_when_all_is_down_it_stops_early(tmp_path):
    config = small(executor="flaky:it", systems=["direct"], limit=100, concurrency=1)
    progress = run(tmp_path, config, extra={"flaky:it": Flaky(lambda request: True)})
    assert MAX_ERRORS <= progress.errors < 20
    assert "in a row" in progress.stopped


def test_what_cannot_be_scored_is_counted_and_in_no_mean(tmp_path):
    (tmp_path / "open.jsonl").write_text(json.dumps({"id": "1", "type": "qa", "question": "Why?"}))
    progress = run(tmp_path / "run", small(datasets=[str(tmp_path / "open.jsonl")], systems=["direct"], limit=None))
    assert (progress.done, progress.unscorable, progress.accuracy) == (1, 1, {})


def test_code_is_graded_by_running_it(tmp_path):
    run(tmp_path, small(datasets=["simulated:code"], systems=["direct", "fixed:Plan -> Programmer -> Test"], limit=8))
    cells = {cell.system: cell for cell in summarise(RunFolder.read(tmp_path).entries.values()).cells}
    direct, tested = cells["direct"], cells["fixed:Plan -> Programmer -> Test"]
    assert direct.scored == tested.scored == 8
    assert direct.score.mean < tested.score.mean


def test_a_mistake_is_told_as_it_is_and_leaves_the_run_resumable(tmp_path):
    script = tmp_path / "script"
    script.write_text("add Plan")
    with pytest.raises(ConfigError, match="ended after 1 lines"):
        run(tmp_path / "run", small(systems=[f"director:script:{script}"]))
    assert run(tmp_path / "run").done == 12


def test_progress_tells_rate_and_time_to_go(tmp_path):
    seen = []
    run(tmp_path, small(), on_progress=lambda live: seen.append((live.done, live.total, live.rate, live.eta)))
    assert [done for done, *_ in seen] == list(range(13))
    assert seen[0][3] is None
    assert seen[-1][3] == 0
    assert seen[-1][2] > 0


def test_grading_overlaps_generation_and_no_more_run_at_once_than_asked(tmp_path):
    now = {"running": 0, "most": 0, "both": 0, "grading": 0}

    class Slow(SaysLLM):
        async def complete(self, request):
            now["running"] += 1
            now["most"] = max(now["most"], now["running"])
            now["both"] += now["grading"] > 0
            await asyncio.sleep(0.01)
            now["running"] -= 1
            return await super().complete(request)

    from flowsteer.grading.grade import Grader

    async def slowly(self, sample, answer, _grade=Grader.grade):
        now["grading"] += 1
        await asyncio.sleep(0.02)
        now["grading"] -= 1
        return await _grade(self, sample, answer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Grader, "grade", slowly)
        config = small(executor="slow:it", systems=["direct"], limit=12, concurrency=2)
        run(tmp_path, config, extra={"slow:it": Slow("Answer: 1", "slow:it")})
    assert now["most"] == 2
    assert now["both"] > 0


def test_the_plan_says_with_what_the_run_was_started_last(tmp_path):
    config = small(limit=1)
    run(tmp_path, config)
    assert read_plan(tmp_path) == config
    (tmp_path / PLAN).unlink()
    with pytest.raises(RunError, match="no evaluation"):
        read_plan(tmp_path)


KILLED = """
import asyncio, sys
from pathlib import Path
from evaluation.evaluation_cases import small
from flowsteer.evaluation.evaluate import evaluate
print("started", flush=True)
asyncio.run(evaluate(small(**eval(sys.argv[2])), Path(sys.argv[1])))
"""
KILLED_RUN = {"limit": 10, "datasets": ["simulated:qa"], "systems": [*SYSTEMS, "search:rounds=3,tasks=3"]}


def test_killed_three_times_it_comes_to_the_same_figures(tmp_path):
    """Kill -9 in the middle: no episode twice, none lost, same figures as an undisturbed run with the same seed."""
    disturbed, calm = tmp_path / "disturbed", tmp_path / "calm"
    run(calm, small(**KILLED_RUN))
    total = len(RunFolder.read(calm).entries)
    for goal in (total // 8, total // 3, total // 2):
        command = [sys.executable, "-c", KILLED, str(disturbed), repr(KILLED_RUN)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while _lines(disturbed / "episodes.jsonl") < goal:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert _lines(disturbed / "episodes.jsonl") < total
    with (disturbed / "episodes.jsonl").open("a") as torn:
        torn.write('{"episode": "direct/simul')
    progress = run(disturbed, small(**KILLED_RUN))
    assert total // 2 <= progress.resumed < total == progress.done
    assert _lines(disturbed / "episodes.jsonl") == _lines(calm / "episodes.jsonl") == total
    assert figures(disturbed) == figures(calm)
    assert list((disturbed / "open").iterdir()) == []


def _lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_memory_keeps_summaries_only(tmp_path):
    """No event outlives its episode: what a run keeps of one is its summary."""
    import gc

    from flowsteer.runs.events import NodeRan

    alive = []

    def count(progress):
        if progress.done % 8:
            return
        gc.collect()
        alive.append(sum(isinstance(item, NodeRan) for item in gc.get_objects()))

    run(tmp_path, small(limit=10, concurrency=2), on_progress=count)
    folder = RunFolder.read(tmp_path)
    recorded = sum(isinstance(event, NodeRan) for episode in folder.entries for event in folder.events(episode))
    assert max(alive) < recorded / 3  # those of the episodes in flight


def test_a_broken_sandbox_is_infrastructure(tmp_path, monkeypatch):
    from flowsteer.sandbox.monty import MontySandbox

    async def broken(self, *args, **kwargs):
        raise SandboxError("the worker is gone")

    monkeypatch.setattr(MontySandbox, "run", broken)
    progress = run(tmp_path, small(systems=["fixed:Programmer", "cot"], limit=2))
    assert (progress.done, progress.errors) == (2, 2)
