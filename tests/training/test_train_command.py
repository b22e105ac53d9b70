"""`flowsteer train`: from a file to a policy, and every mistake is one clear message."""

import json
import re
import subprocess
import time

import httpx
import pytest
import typer
from flowsteer_cli import COMMAND, environment, flowsteer
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.cli.train import train
from training.small import SHORT

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(train)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(SHORT)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_json_ends_with_one_object(file, tmp_path):
    done = run(file, "--run", tmp_path / "run", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["steps"] == 1
    assert result["seconds"]["training"] > 0
    for part in ("before", "after"):
        assert {"accuracy", "gate_open", "valid", "finished", "turns", "operators"} <= set(result[part])
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["after"] == result["after"]
    assert written["verdicts"] == result["verdicts"]
    assert all(verdict["name"] and verdict["seen"] for verdict in result["verdicts"])

    again = run(file, "--run", tmp_path / "run")
    assert again.exit_code == 1
    assert "--resume" in again.stderr
    resumed = run(file, "--run", tmp_path / "run", "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "before" in resumed.stdout
    said = [line for line in resumed.stdout.splitlines() if line.startswith("- ")]
    assert len(said) == len(result["verdicts"]) > 0
    assert all(line[2:].startswith(one["name"]) for line, one in zip(said, result["verdicts"], strict=True))
    assert str(tmp_path / "run" / "policy") in resumed.stderr


def test_a_training_is_watched_from_its_first_episode_to_its_last_step(file, tmp_path):
    pytest.importorskip("fastapi", reason="needs the extra: pip install 'flowsteer[view]'")
    command = [*COMMAND, "train", file, "--run", tmp_path / "run", "--view", "--json"]
    env, pipes = environment(FLOWSTEER_HOME=str(tmp_path / "home")), {"stdout": subprocess.PIPE, "text": True}
    with (tmp_path / "said").open("w+") as said, subprocess.Popen(command, env=env, stderr=said, **pipes) as training:
        base, token = _address(training, tmp_path / "said")
        with httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=60) as client:
            told = list(_until_a_step(client))
            page = client.get("/api/runs/~").json()
        result, _ = training.communicate(timeout=120)
    assert training.returncode == 0, (tmp_path / "said").read_text()
    assert json.loads(result)["steps"] == 1
    assert (page["kind"], page["training"]) == ("train", True)
    assert {kind for kind, _ in told} >= {"writing", "episode", "step"}
    assert ("writing", True) in told
    assert [data["step"] for kind, data in told if kind == "step"] == [1]
    assert any(data["episode"].startswith("train/1/") for kind, data in told if kind == "episode")


def _address(training, said):
    """The viewer's address and its token, once they are said."""
    for _ in range(600):
        if found := re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)\n", said.read_text()):
            return found.groups()
        assert training.poll() is None, said.read_text()
        time.sleep(0.1)
    raise AssertionError(said.read_text())


def _until_a_step(client):
    """What the run's stream says, by kind, to its first step."""
    for _ in range(600):
        if client.get("/api/runs").json()["runs"]:
            break
        time.sleep(0.1)
    with client.stream("GET", "/api/runs/~/stream") as stream:
        kind = ""
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            kind = value if name == "event" else kind
            if name == "data":
                yield kind, json.loads(value)
                if kind == "step":
                    return


def test_a_cold_start_alone(file, tmp_path):
    done = run(file, "--run", tmp_path / "run", "--set", "update.steps=0")
    assert done.exit_code == 0, done.stderr
    assert "held-out tasks, greedy" in done.stdout
    assert "while training" not in done.stdout
    assert (tmp_path / "run" / "policy" / "config.json").exists()


def test_a_tracker_that_is_not_installed(file, tmp_path):
    done = run(file, "--run", tmp_path / "run", "--set", 'report_to=["swanlab"]')
    assert done.exit_code == 2
    assert "swanlab is not installed" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_tiny_policy_in_a_folder_can_be_planned_with(file, tmp_path):
    assert run(file, "--run", tmp_path / "run", "--set", "update.steps=0", "--json").exit_code == 0
    policy = tmp_path / "run" / "policy"
    plan = run(file, "--set", f"policy.name={policy}", "--set", "warmup.episodes=0", "--dry-run", "--json")
    assert plan.exit_code == 0, plan.stderr
    assert json.loads(plan.stdout)["prompt"]["tokens"] < 20


def test_a_dry_run_does_nothing_but_count(file, tmp_path):
    done = run(file, "--dry-run", "--json", "--run", tmp_path / "run", "--set", "update.steps=7")
    plan = json.loads(done.stdout)
    assert (plan["steps"], plan["rollouts"], plan["train_tasks"], plan["test_tasks"]) == (7, 14, 20, 4)
    assert not (tmp_path / "run").exists()
    assert "7 steps, 14 rollouts" in run(file, "--dry-run", "--set", "update.steps=7").stdout


def test_the_users_own_defaults_do_not_win_over_a_training_file(file, tmp_path):
    own = '[defaults]\nexecutor = "simulated:null"\n[train]\nset = "update.steps=9"\n'
    (tmp_path / "flowsteer.toml").write_text(own)
    plan = flowsteer("train", str(file), "--dry-run", "--json", cwd=tmp_path).json
    assert (plan["executor"], plan["steps"]) == ("simulated:typed", 1)
    asked = ("--executor", "simulated:flat", "--set", "update.steps=3")
    plan = flowsteer("train", str(file), "--dry-run", "--json", *asked, cwd=tmp_path).json
    assert (plan["executor"], plan["steps"]) == ("simulated:flat", 3)


def test_a_dry_run_asks_no_server_and_knows_a_wrong_name(file, tmp_path):
    nowhere = "http://127.0.0.1:9/v1#m"
    servers = ("--executor", nowhere, "--set", f"executor.roster.cheap={nowhere}")
    plan = run(file, *servers, "--dry-run", "--json")
    assert plan.exit_code == 0, plan.stderr
    assert json.loads(plan.stdout)["executor"] == nowhere
    refused = run(file, "--set", "executor.roster.cheap=opnai:gpt-5-mini", "--dry-run")
    assert (refused.exit_code, "Did you mean openai:gpt-5-mini?" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "update.stepps=1"], "update.stepps: unknown key"),
        (["--resume"], "--run DIR"),
        (["--set", "data.datasets=['nothing']"], "no dataset 'nothing'"),
    ],
)
def test_mistakes_are_one_message_and_exit_2(file, arguments, said):
    done = run(file, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_warm_up_run_that_is_none(file, tmp_path):
    done = run(file, "--run", tmp_path / "run", "--warmup", tmp_path / "none")
    assert done.exit_code == 1
    assert "is not a run folder" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there(tmp_path):
    done = run(tmp_path / "none.toml")
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr


def test_a_folder_is_not_made_for_a_run_that_cannot_start(file, tmp_path):
    done = run(file, "--run", tmp_path / "run", "--set", "policy.name=/no/such/model", "--set", "warmup.episodes=0")
    assert done.exit_code == 2
    assert "cannot be loaded" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_rule_over_several_settings_says_what_it_is_in_its_own_words(file):
    refused = run(file, "--set", "sampler.turn_tokens=999", "--dry-run")
    assert refused.exit_code == 2
    assert "turn_tokens" in refused.stderr
    assert "value error" not in refused.stderr.lower()
    assert "found {" not in refused.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [("policy.name=/nowhere/policy", "there is no policy in /nowhere/policy"), ("warmup.run=nowhere", "nowhere")],
)
def test_a_dry_run_fails_on_what_is_not_there(file, change, words):
    refused = run(file, "--set", change, "--set", "warmup.learning_rate=3e-3", "--dry-run")
    assert refused.exit_code != 0
    assert words in refused.stderr
