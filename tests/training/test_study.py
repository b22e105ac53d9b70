"""A study: cold starts are shared, what is done is kept, and the report says what the cells say."""

import fcntl
import json
import shutil
from dataclasses import replace
from statistics import fmean

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.cli.study import study
from flowsteer.errors import BackendUnavailable, RunError
from flowsteer.runs.failure import Failure
from flowsteer.runs.files import read_json, write_json
from flowsteer.runs.folder import RunFolder
from flowsteer.settings import check
from flowsteer.study.cells import work
from flowsteer.study.study_config import load_study
from flowsteer.study.study_report import write_study_report
from flowsteer.study.study_summary import collapsed
from flowsteer.training import policy_tests
from flowsteer.training.config import TrainingConfig
from flowsteer.training.data import Schedule
from flowsteer.training.inference.trajectory import DrawSettings
from flowsteer.training.policy.view import CompactView
from flowsteer.training.rl import learner as trl_side
from flowsteer.training.rollout.rollout import Group, play
from flowsteer.training.run import train
from flowsteer.training.sft.coldstart import play_scripts
from training.small import SHORT, arena, samples

STUDY = """
base = "base.toml"
seeds = [0, 1]
reference = "cwrpo"
temperatures = [0.0, 1.0]
[worlds.typed]
"executor.backend" = "simulated:typed"
[arms.cwrpo]
[arms.answer]
"reward.variant" = "answer"
[arms.no_rl]
"update.steps" = 0
[swaps.flat]
"executor.backend" = "simulated:flat"
"""
OTHER = STUDY.replace("[worlds.typed]", '[set]\n"update.learning_rate" = 0.1\n[worlds.typed]')

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(study)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def write(folder, text=STUDY):
    (folder / "base.toml").write_text(SHORT)
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


def results(folder):
    return {
        str(file.parent.relative_to(folder)): json.loads(file.read_text())
        for file in folder.glob("cells/*/*/*/result.json")
    }


def times(folder):
    return {file: file.stat().st_mtime_ns for file in folder.rglob("result.json")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that was broken off after its first cell, and then run to its end; with what stood there in between."""
    folder = tmp_path_factory.mktemp("study")
    file, place = write(folder), folder / "run"

    class Stop(Exception):
        pass

    def stop():
        if any("tests" in found and len(found["swaps"].get("flat", {})) == 2 for found in results(place).values()):
            raise Stop

    with pytest.raises(Stop):
        work(load_study(file), place, stop)
    before = times(place)
    done = run(file, "--run", place, "--json")
    assert done.exit_code == 0, done.stderr
    return file, place, before, json.loads(done.stdout)


def test_a_broken_off_study_goes_on_and_does_nothing_twice(finished):
    file, place, before, printed = finished
    assert len(before) == 2
    assert (printed["done"], printed["cells"]) == (6, 6)
    after = times(place)
    assert {path: after[path] for path in before} == before
    assert run(file, "--run", place).exit_code == 0
    assert times(place) == after


def test_arms_share_the_cold_start_of_their_seed(finished):
    _, place, _, _ = finished
    assert len(list(place.glob("starts/*/result.json"))) == 2
    assert not list(place.glob("cells/*/*/*/start"))
    for path, found in results(place).items():
        assert found["seconds"]["coldstart"] == 0.0, path


def test_without_rl_a_cell_is_its_cold_start(finished):
    _, place, _, _ = finished
    starts = [json.loads(file.read_text())["tests"] for file in place.glob("starts/*/result.json")]
    assert all(results(place)[f"cells/typed/no_rl/{seed}"]["tests"] in starts for seed in (0, 1))


def test_cells_are_run_folders_that_hold_their_tests(finished):
    _, place, _, _ = finished
    record = RunFolder.read(place / "cells/typed/answer/1")
    assert len(record.entries) == 2 * 4
    assert (place / "cells/typed/answer/1/policy/model.safetensors").exists()
    assert record.events(next(iter(record.entries)))
    swapped = results(place)["cells/typed/answer/1"]["swaps"]["flat"]["0"]
    assert swapped["executor"].startswith("simulated:flat#")


def test_the_report_says_what_the_cells_say(finished):
    _, place, _, printed = finished
    cells = results(place)
    rows = {(row["arm"], row["swap"], row["temperature"]): row for row in printed["rows"]}
    assert len(rows) == 4 * 2 * 2
    for arm in ("cwrpo", "answer"):
        tests = [cells[f"cells/typed/{arm}/{seed}"]["tests"]["1"] for seed in (0, 1)]
        row = rows[arm, "", 1.0]
        for name in ("valid", "turns", "cwrpo", "operator_types", "shape_bits", "unscorable"):
            assert row["figures"][name]["mean"] == pytest.approx(fmean(test[name] for test in tests))
    compared = next(one for one in printed["differences"] if one["arm"] == "answer" and not one["swap"])
    assert (compared["minus"], compared["comparison"]["difference"]["n"]) == ("cwrpo", 2)
    assert compared["comparison"]["p"] >= 0.5
    text = (place / "report.md").read_text()
    assert printed["executors"]["typed"][0] in text
    assert "2 seeds cannot give a p below 0.5" in text
    assert "polyline" in (place / "figure.svg").read_text()
    assert (place / "differences.svg").read_text().count("<circle") == 2 * 2  # arms besides the reference, temperatures
    assert "](differences.svg)" in text
    assert '"differences":' in (place / "report.html").read_text()


def test_a_part_of_a_study_can_be_reported(finished, tmp_path):
    file, place, _, _ = finished
    more = write(tmp_path, STUDY.replace("seeds = [0, 1]", "seeds = [0, 1, 2]"))
    summary = write_study_report(load_study(more), "more", place).summary
    assert (summary.done, summary.cells) == (6, 9)
    assert "6 of 9 cells are done" in (place / "report.md").read_text()
    assert "--run DIR" in run(file, "--report").stderr


def test_results_of_other_settings_are_not_mixed(finished, tmp_path):
    _, place, _, _ = finished
    done = run(write(tmp_path, OTHER), "--run", place)
    assert done.exit_code == 1
    assert "was made with other settings: update." in done.stderr


@pytest.mark.parametrize(
    ("valid", "earned", "expected"), [(0.9, 0.3, False), (0.9, 0.1, True), (0.4, 0.3, True), (None, None, False)]
)
def test_a_policy_has_collapsed_if_few_edits_are_valid_or_it_earns_less_than_at_its_start(valid, earned, expected):
    assert collapsed({"valid": valid, "cwrpo": earned}, {"valid": 0.9, "cwrpo": 0.2}) == expected


@pytest.fixture
def copied(finished, tmp_path):
    """The finished study in a folder of its own."""
    file, place, _, _ = finished
    return file, shutil.copytree(place, tmp_path / "copy")


def changed(file, change):
    """Change a result that is stored."""
    found = read_json(file)
    change(found)
    write_json(file, found)


def figures(place):
    return {name: (found["tests"], found["swaps"]) for name, found in results(place).items()}


def test_a_test_that_lost_episodes_is_made_again_and_nothing_else(copied):
    file, place = copied
    whole, before = figures(place), times(place)
    starts = set(place.glob("starts/*/result.json"))
    cell = place / "cells/typed/answer/1/result.json"
    changed(cell, lambda found: found["tests"]["0"].update(lost=3, scores={}, accuracy=0.0))
    assert write_study_report(load_study(file), "s", place).summary.done == 5
    for start in starts:
        changed(start, lambda found: found["swaps"]["flat"]["1"].update(lost=1, accuracy=0.0))
    assert write_study_report(load_study(file), "s", place).summary.done == 0
    work(load_study(file), place)
    assert figures(place) == whole
    assert {path for path, at in times(place).items() if at != before[path]} == {*starts, cell}
    assert all(read_json(start)["swaps"]["flat"]["1"]["lost"] == 0 for start in starts)


def test_a_test_that_loses_episodes_is_not_kept_and_the_rest_is_done(copied, monkeypatch):
    file, place = copied
    whole, real, broken = figures(place), policy_tests.play, ["test/T1/"]

    async def flaky(policy, groups, *more):
        played = await real(policy, groups, *more)
        if broken and groups[0].name.startswith(broken[0]):
            broken.clear()
            played[0] = replace(played[0], lost=Failure("BackendUnavailable", "out of reach"))
        return played

    monkeypatch.setattr(policy_tests, "play", flaky)
    for arm in ("cwrpo", "answer"):
        changed(place / f"cells/typed/{arm}/1/result.json", lambda found: found["tests"].clear())
    with pytest.raises(BackendUnavailable, match=r"1 of 4 test episodes of .*/1 were lost: out of reach") as lost:
        work(load_study(file), place)
    assert "the same command again" in lost.value.hint
    left = {name for name, found in figures(place).items() if found != whole[name]}
    assert left == {"cells/typed/cwrpo/1"}
    assert set(results(place)["cells/typed/cwrpo/1"]["tests"]) == {"0"}
    work(load_study(file), place)
    assert figures(place) == whole


def test_a_start_that_loses_episodes_holds_up_its_own_cells_only(tmp_path, monkeypatch):
    real, seen = policy_tests.play, []

    async def flaky(policy, groups, *more):
        played = await real(policy, groups, *more)
        seen.append(len(played))
        if len(seen) == 1:
            played[0] = replace(played[0], lost=Failure("BackendUnavailable", "out of reach"))
        return played

    monkeypatch.setattr(policy_tests, "play", flaky)
    text = STUDY.split("[swaps.flat]")[0].split("[arms.answer]")[0]
    study, place = load_study(write(tmp_path, text)), tmp_path / "run"
    with pytest.raises(BackendUnavailable, match="out of reach"):
        work(study, place)
    assert set(results(place)) == {"cells/typed/cwrpo/1"}
    work(study, place)
    assert len(results(place)) == 2


def test_curves_are_drawn_at_their_steps_also_where_the_first_ones_tell_nothing(copied):
    file, place = copied
    for metrics in place.glob("cells/*/cwrpo/*/metrics.jsonl"):
        (line,) = map(json.loads, metrics.read_text().splitlines())
        steps = [line | {"step": step, "episodes/accuracy": 0.5} for step in range(1, 5)]
        del steps[0]["episodes/accuracy"], steps[1]["episodes/accuracy"]
        metrics.write_text("".join(f"{json.dumps(step)}\n" for step in steps))
    summary = write_study_report(load_study(file), "s", place).summary
    (curve,) = [one for one in summary.curves if (one.arm, one.figure) == ("cwrpo", "accuracy")]
    assert (curve.steps, [point.mean for point in curve.points]) == ((3, 4), [0.5, 0.5])
    assert "cwrpo: 0.50 after 4 steps" in (place / "figure.svg").read_text()


def test_what_another_process_holds_is_left_to_it(tmp_path):
    text = STUDY.replace("seeds = [0, 1]", "seeds = [0]").split("[swaps.flat]")[0]
    place = tmp_path / "run"
    lock = place / "locks/cells-typed-cwrpo-0"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        seen = []

        def watch():
            seen.append(set(results(place)))
            if len(seen[-1]) == 2:
                fcntl.flock(held, fcntl.LOCK_UN)

        work(load_study(write(tmp_path, text)), place, watch)
    assert "cells/typed/cwrpo/0" not in next(found for found in seen if len(found) == 2)
    assert len(results(place)) == 3


def test_several_processes_share_a_study(tmp_path):
    file = write(tmp_path, STUDY.split("[swaps.flat]")[0].split("[arms.answer]")[0])
    done = run(file, "--run", tmp_path / "run", "--jobs", 2, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 2


def test_a_mistake_found_by_several_processes_is_one_message(finished, tmp_path):
    _, place, _, _ = finished
    done = run(write(tmp_path, OTHER), "--run", place, "--jobs", 2)
    assert done.exit_code == 1
    assert done.stderr.count("error: ") == 1


async def test_a_policy_without_the_canvas_reads_no_results(warm):
    async with arena(max_turns=4) as place:
        bare = replace(place, canvas=replace(place.canvas, feedback="status"))
        heard = {}
        for name, where in (("full", place), ("status", bare)):
            groups = [Group(f"{name}{number}", sample, 1) for number, sample in enumerate(samples(9))]
            trajectories = [one.trajectory for one in await play(warm, groups, where, DrawSettings(1.0, 24, 512), "p")]
            pairs = (pair for one in trajectories for pair in zip(one.ids, one.mask, strict=True))
            heard[name] = warm.decode(token for token, own in pairs if not own)
    assert "node_" in heard["full"]
    assert "ok" in heard["status"]
    assert "node_" not in heard["status"]


async def test_a_policy_without_turns_reads_nothing_in_between(warm):
    async with arena(max_turns=4) as place:
        silent = replace(place, canvas=replace(place.canvas, feedback="none"))
        played = await play(
            warm, [Group("g", sample, 1) for sample in samples(6)], silent, DrawSettings(1.0, 24, 512), "p"
        )
        scripts = await play_scripts(silent, CompactView(), Schedule(samples(9), 0), 4, 0)
    assert any(rollout.ended.turns > 1 for rollout in played)
    for rollout in played:
        unsaid = {token for token, own in zip(rollout.trajectory.ids, rollout.trajectory.mask, strict=True) if not own}
        assert unsaid <= {warm.end}
    assert {answer for script in scripts for _, answer in script.turns} == {""}


@pytest.mark.parametrize("feedback", ["full", "status", "none"])
def test_feedback_is_a_setting(feedback):
    config = check(TrainingConfig, {"warmup": {"episodes": 8}, "canvas": {"feedback": feedback}}, "here")
    assert config.canvas.feedback == feedback


@pytest.mark.parametrize("mask", [True, False])
def test_without_the_mask_every_token_is_trained_on(tmp_path, monkeypatch, mask):
    batches, score = [], trl_side.GRPOTrainer._generate_and_score_completions
    monkeypatch.setattr(
        trl_side.GRPOTrainer,
        "_generate_and_score_completions",
        lambda self, inputs: batches.append(score(self, inputs)) or batches[-1],
    )
    base = load_study(write(tmp_path)).cells[0].config
    config = replace(base, update=replace(base.update, mask=mask))
    train(config, tmp_path / "run")
    (batch,) = batches
    real = batch["completion_mask"].bool()
    assert bool(batch["tool_mask"][real].all()) == (not mask)


def test_a_study_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        work(load_study(write(tmp_path)), tmp_path / "run")
