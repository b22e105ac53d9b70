"""`flowsteer calibrate` from the command line, on a simulated LLM whose true rates are known."""

import json
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.backends.simulated_profiles import TYPED_2, Profile
from flowsteer.calibration.design_of_runs import CHAINS, FITTED, HELD_OUT, SOLVERS
from flowsteer.cli.exit_codes import INCOMPLETE
from flowsteer.cli.main import app
from flowsteer.errors import ConfigError

TASKS = 24


def called(*words):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*map(str, words)])


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    words = ("calibrate", "simulated:math", "simulated:qa", "--executor", "simulated:typed-2", "--tasks", TASKS)
    done = called(*words, "--run", folder / "run", "--json")
    assert done.exit_code == 0, done.output
    return words, folder / "run", json.loads(done.stdout)


def test_it_counts_what_the_operators_of_a_known_world_do(calibrated):
    _, _, found = calibrated
    power, alarm = found["rates"]["power"], found["rates"]["false_alarm"]
    assert power["Verify"]["math"]["hits"] > 0.5 * power["Verify"]["math"]["count"]  # truly 0.88
    assert power["Verify"]["qa"]["hits"] == 0
    assert alarm["Verify"]["math"]["hits"] == 0
    for table, truth in (("skill", TYPED_2.skill), ("power", TYPED_2.power)):
        for operator, row in found["rates"][table].items():
            for kind, rate in row.items():
                assert rate["low"] - 0.25 <= truth.get(operator, truth.get("solving"))[kind] <= rate["high"] + 0.25


def test_it_says_how_well_it_predicts_workflows_that_it_was_not_fitted_to(calibrated):
    _, _, found = calibrated
    rows = found["predictions"]
    assert {row["workflow"] for row in rows if not row["fitted"]} == set(HELD_OUT)
    assert {row["workflow"] for row in rows if row["fitted"]} == set(FITTED)
    missed = [row["predicted"] - row["measured"]["hits"] / row["measured"]["count"] for row in rows]
    assert sum(map(abs, missed)) / len(missed) < 0.2  # with 8 tasks of a chain a share alone is off by 0.17


def test_solvers_are_run_on_all_tasks_and_chains_on_a_third(calibrated):
    _, _, found = calibrated
    run_on = {(row["workflow"], row["type"]): row["measured"]["count"] for row in found["predictions"]}
    for kind in ("math", "qa"):
        assert {run_on[text, kind] for text in SOLVERS} == {TASKS}
        assert {run_on[text, kind] for text in (*CHAINS, *HELD_OUT)} == {TASKS // 3}
        assert {found["rates"]["skill"][name][kind]["count"] for name in SOLVERS} == {TASKS}


def test_the_profile_is_an_executor(calibrated, tmp_path):
    _, folder, found = calibrated
    spec = f"simulated:{folder / 'profile.json'}"
    backend = SimulatedBackend.from_spec(spec)
    assert backend.spec == f"{spec}#{found['hash']}"
    assert SimulatedBackend.from_spec(backend.spec).profile == backend.profile
    done = called(
        "eval", "simulated-2:math", "--system", "cot", "--executor", spec, "--limit", 4, "--run", tmp_path / "e"
    )
    assert done.exit_code == 0, done.output


def test_the_same_command_again_runs_nothing_twice(calibrated):
    words, folder, found = calibrated
    size = (folder / "episodes.jsonl").stat().st_size
    again = called(*words, "--run", folder, "--json")
    assert json.loads(again.stdout)["predictions"] == found["predictions"]
    assert (folder / "episodes.jsonl").stat().st_size == size


def test_a_spent_budget_leaves_a_profile_of_what_was_run_and_says_how_to_go_on(tmp_path):
    words = ("calibrate", "simulated:math", "--executor", "simulated:typed-2", "--tasks", 4, "--run", tmp_path / "r")
    done = called(*words, "--max-calls", 25, "--concurrency", 1)
    assert done.exit_code not in (0, 1)
    assert f"--run {tmp_path / 'r'} to go on" in done.output.replace("\n", "")
    assert json.loads((tmp_path / "r" / "profile.json").read_text())["tasks"]["math"] >= 1
    assert "workflows that it was not fitted to: none of them has been run yet" in done.output
    stopped = json.loads(called(*words, "--max-calls", 25, "--concurrency", 1, "--json").stdout)["progress"]
    assert (stopped["solvers"]["done"], stopped["solvers"]["total"], stopped["solvers"]["stopped"]) == (12, 12, "")
    assert 0 < stopped["chains"]["done"] < stopped["chains"]["total"]
    assert "budget of 25 calls" in stopped["chains"]["stopped"]


def test_a_calibration_is_graded_again_and_swapped_as_a_whole(calibrated, tmp_path):
    _, folder, found = calibrated
    total = sum(row["measured"]["count"] for row in found["predictions"])
    assert json.loads(called("score", folder, "--json").stdout)["graded"] == total
    swapped = called("swap", folder, "--executor", "simulated:flat", "--run", tmp_path / "s", "--json")
    assert (json.loads(swapped.stdout)["done"], swapped.exit_code) == (total, 0)


def test_the_folder_of_another_evaluation_is_left_alone(tmp_path):
    words = ("simulated:math", "--executor", "simulated:", "--run", tmp_path / "r", "--json")
    assert called("eval", *words, "--limit", 1, "--system", "cot").exit_code == 0
    before = (tmp_path / "r" / "plan.json").read_bytes()
    refused = called("calibrate", *words, "--tasks", 1)
    assert "holds an evaluation and no calibration" in json.loads(refused.stdout)["error"]["message"]
    assert (tmp_path / "r" / "plan.json").read_bytes() == before


def test_the_tables_are_shown(calibrated):
    words, folder, _ = calibrated
    shown = called(*words, "--run", folder)
    for word in ("faults found", "false alarms", "held out", "missed by"):
        assert word in shown.output


def test_a_budget_that_lets_nothing_through_leaves_no_profile_and_says_so(tmp_path):
    words = ("calibrate", "simulated:math", "--executor", "simulated:typed-2", "--tasks", 2, "--run", tmp_path / "r")
    done = called(*words, "--max-tokens", 1)
    assert done.exit_code == INCOMPLETE, done.output
    assert "to go on" in done.output
    assert not (tmp_path / "r" / "profile.json").exists()
    told = json.loads(called(*words, "--max-tokens", 1, "--json").stdout)
    assert (told["run"], told["profile"]) == (str(tmp_path / "r"), None)
    assert (told["progress"]["solvers"]["done"], told["progress"]["solvers"]["total"]) == (0, 6)
    assert "tokens" in told["progress"]["solvers"]["stopped"]
    assert told["progress"]["chains"] is None


def test_fewer_tasks_than_before_are_fitted_alone(tmp_path):
    words = ("calibrate", "simulated:math", "--executor", "simulated:typed-2", "--run", tmp_path / "r", "--json")
    assert called(*words, "--tasks", 3).exit_code == 0
    fewer = called(*words, "--tasks", 2)
    assert json.loads(fewer.stdout)["tasks"]["math"] == 2


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"profile": 3}', '{"profile": {"name": "x"}}', '{"profile": {"name": "x", "skill": "no"}}'],
)
def test_a_file_that_holds_no_profile_is_refused(tmp_path, text):
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="no profile"):
        SimulatedBackend.from_spec(f"simulated:{file}")


def test_the_profile_of_a_small_llm_comes_along_and_is_found_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    profile = SimulatedBackend.from_spec("simulated:examples/qwen2.5-coder-1.5b.json").profile
    assert profile.name == "qwen2.5-coder-1.5b"


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        SimulatedBackend.from_spec(f"simulated:{tmp_path / 'none.json'}")


def test_a_changed_file_is_another_executor(tmp_path):
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"profile": asdict(TYPED_2)}))
    spec = SimulatedBackend.from_spec(f"simulated:{file}").spec
    file.write_text(json.dumps({"profile": asdict(replace(TYPED_2, trap=0.1))}))
    with pytest.raises(ConfigError, match="another"):
        SimulatedBackend.from_spec(spec)


def test_a_profile_read_again_is_the_same():
    text = json.dumps({"profile": asdict(TYPED_2)})
    assert Profile.read(text, "text") == TYPED_2
    assert Profile.read(text, "text").digest == TYPED_2.digest
