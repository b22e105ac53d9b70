"""What a command prints, and where: exit codes, events as lines, the bare answer, progress off a terminal, the log."""

import json
import re
import time
from pathlib import Path

import pytest
from flowsteer_cli import COMMAND, Outcome, environment, flowsteer

from flowsteer.backends.models import default_executor
from flowsteer.cli import progress_display
from flowsteer.cli.exit_codes import MEANINGS

ROOT = Path(__file__).parents[2]
FINISHING = (
    "--director",
    "dsl:Plan -> Programmer -> Verify ? Revise : done -> Format",
    "--executor",
    "simulated:",
    "--type",
    "math",
)


def lines(outcome: Outcome) -> list[dict]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_the_page_and_the_help_list_all_codes(tmp_path: Path):
    page = (ROOT / "docs" / "exit_codes.md").read_text()
    helped = " ".join(flowsteer("--help", cwd=tmp_path).out.split())
    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning} |" in page
        assert f"{code} {meaning}" in helped


def test_an_episode_that_is_not_finished_says_so_by_its_code(tmp_path: Path):
    short = ("solve", "What is 6 times 7?", *FINISHING, "--max-turns", "1", "--run", "r")
    outcome = flowsteer(*short, cwd=tmp_path)
    assert outcome.code == 3
    assert "turn limit" in outcome.err
    assert "--allow-unfinished" in outcome.err
    assert flowsteer(*short, "--allow-unfinished", cwd=tmp_path).code == 0
    assert flowsteer(*short, "--json", cwd=tmp_path).json["finished"] is False
    assert flowsteer("solve", "What is 6 times 7?", *FINISHING, "--run", "whole", cwd=tmp_path).code == 0


def test_quiet_prints_the_bare_answer(tmp_path: Path):
    outcome = flowsteer("solve", "What is 6 times 7?", *FINISHING, "--quiet", "--run", "r", cwd=tmp_path)
    answer = flowsteer("show", "r", "--json", cwd=tmp_path).json["events"][-1]["answer"]
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{answer}\n", "")
    ran = flowsteer("run", "Programmer", "6*7?", *FINISHING[2:], "-q", cwd=tmp_path)
    assert (len(ran.out.splitlines()), ran.err) == (1, "")


def test_events_of_solve_are_those_of_the_record(tmp_path: Path):
    told = lines(flowsteer("solve", "6*7?", *FINISHING, "--events", "--run", "r", cwd=tmp_path))
    recorded = flowsteer("show", "r", "--json", cwd=tmp_path).json
    assert [line["event"] for line in told[:-1]] == recorded["events"]
    assert {line["episode"] for line in told[:-1]} == {recorded["episode"]}
    assert told[-1]["result"]["run"] == "r"


def test_events_of_run_and_eval(tmp_path: Path):
    ran = lines(flowsteer("run", "Plan -> Custom", "hi", *FINISHING[2:4], "--events", cwd=tmp_path))
    assert [line["event"]["operator"] for line in ran[:-1]] == ["Plan", "Custom"]
    assert ran[-1]["result"]["answer"]
    evaluated = lines(
        flowsteer("eval", "simulated:math", "--limit", "2", "--executor", "simulated:", "--events", cwd=tmp_path)
    )
    kinds = [line["event"]["kind"] for line in evaluated if "event" in line]
    assert kinds.count("episode_started") == kinds.count("graded") == 2
    assert [line["progress"]["done"] for line in evaluated if "progress" in line] == [0, 1, 2]
    assert evaluated[-1]["result"]["progress"]["done"] == 2


@pytest.mark.parametrize(("flag", "taken"), [("--json", lambda told: told), ("--events", lambda told: told["result"])])
@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("eval", "simulated:math", "--limit", "1", "--executor", "simulated:", "--dry-run"), "datasets"),
        (("train", str(ROOT / "examples" / "demo.toml"), "--dry-run"), "policy"),
    ],
)
def test_a_plan_is_a_result_like_any_other(tmp_path: Path, command, key, flag, taken):
    if command[0] == "train":
        pytest.importorskip("trl", reason="needs the extra: pip install 'flowsteer[train]'")
    done = flowsteer(*command, flag, cwd=tmp_path)
    assert done.code == 0, done.err
    assert key in taken(done.json)


def test_the_page_of_an_episode_is_told_as_the_report_is(tmp_path: Path):
    assert flowsteer("solve", "6*7?", *FINISHING, "--run", "r", "--json", cwd=tmp_path).code == 0
    episode = flowsteer("show", "r", "--json", cwd=tmp_path).json["episode"]
    told = flowsteer("report", "r", "--episode", episode, "--json", cwd=tmp_path).json
    assert (told["run"], told["episode"]) == ("r", episode)
    assert (tmp_path / told["report"]).is_file()
    assert flowsteer("report", "r", "--episode", episode, cwd=tmp_path).out == f"{told['report']}\n"


def test_an_error_is_the_last_line_of_events(tmp_path: Path):
    told = lines(flowsteer("solve", "hi", *FINISHING, "--max-calls", "0", "--events", cwd=tmp_path))
    assert [*told[-1]] == ["error"]


def test_no_line_is_wrapped_or_cut_off_a_terminal(tmp_path: Path):
    import subprocess

    long = " -> ".join(["Programmer", *["Revise"] * 12, "Verify", "Format"])
    env = environment()
    del env["COLUMNS"]
    command = (*COMMAND, "solve", "6*7?", "--director", f"dsl:{long}", *FINISHING[2:], "--run", "r")
    out = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120).stdout
    assert f"workflow {long}\n" in out
    assert "…" not in re.sub("→.*", "", out)


def test_a_plain_line_of_progress_every_few_seconds(monkeypatch, capsys):
    monkeypatch.setattr(progress_display, "EVERY", 0.05)
    with progress_display.progress_display() as show:
        show(3, 8, "coldstart 7/375")
        time.sleep(0.4)
        show(4, 8, "accuracy 0.50")
        time.sleep(0.4)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("] ")[2] for line in said] == ["3 of 8  coldstart 7/375", "4 of 8  accuracy 0.50"]


def test_the_log(tmp_path: Path):
    solve = ("solve", "6*7?", *FINISHING, "--json", "--run")
    assert flowsteer(*solve, "a", cwd=tmp_path).err == ""
    assert "info: connected to simulated:" in flowsteer(*solve, "b", "--verbose", cwd=tmp_path).err
    assert flowsteer(*solve, "c", "--log-file", "log", cwd=tmp_path).err == ""
    assert "INFO flowsteer.session: connected to simulated:" in (tmp_path / "log").read_text()


FLAT = 'executor = "simulated:flat"'


@pytest.mark.parametrize(
    ("line", "more", "taken"),
    [
        ("", ("--executor", "simulated:"), "simulated:"),
        ("", ("--set", "executor=simulated:flat"), "simulated:flat"),
        (FLAT, (), "simulated:flat"),
        (FLAT, ("--executor", "simulated:flat"), "simulated:flat"),
        (FLAT, ("--executor", "simulated:"), "simulated:"),
        (FLAT, ("--executor", "simulated:flat", "--set", "executor=simulated:"), "simulated:"),
    ],
)
def test_an_evaluation_file_may_leave_the_executor_to_the_command(tmp_path: Path, line, more, taken):
    (tmp_path / "e.toml").write_text(f'datasets = ["simulated:math"]\nsystems = ["direct"]\nlimit = 1\n{line}\n')
    done = flowsteer("eval", "e.toml", "--run", "r", *more, cwd=tmp_path)
    assert (done.code, said_of_executor(done)) == (0, [])
    assert json.loads((tmp_path / "r" / "config.json").read_text())["config"]["executor"] == taken


def test_what_the_command_line_says_wins_over_a_file_and_its_defaults_do_not(tmp_path: Path):
    file = """
datasets = ["simulated:math"]
systems = ["cot"]
limit = 3
seed = 5
concurrency = 3
executor = "simulated:"
caps = { tokens = 1000000 }
[executor_sampling]
temperature = 0.5
"""
    (tmp_path / "e.toml").write_text(file)
    options = ("--system", "direct", "--limit", "1", "--epochs", "2", "--executor-tokens", "64", "--max-calls", "99")
    done = flowsteer("eval", "e.toml", "--run", "r", *options, "--min-steps", "1", cwd=tmp_path)
    assert done.code == 0, done.err
    plan = json.loads((tmp_path / "r" / "plan.json").read_text())
    assert (plan["systems"], plan["limit"], plan["epochs"], plan["min_steps"]) == (["direct"], 1, 2, 1)
    assert (plan["seed"], plan["concurrency"]) == (5, 3)
    assert (plan["executor_sampling"]["temperature"], plan["executor_sampling"]["max_tokens"]) == (0.5, 64)
    assert (plan["caps"]["calls"], plan["caps"]["tokens"]) == (99, 1_000_000)


def test_the_users_own_defaults_do_not_win_over_a_file(tmp_path: Path):
    (tmp_path / "flowsteer.toml").write_text(
        '[defaults]\nexecutor = "simulated:null"\nmax-calls = 50\n[eval]\nlimit = 2\nset = "epochs=2"\n'
    )
    (tmp_path / "e.toml").write_text(f'datasets = ["simulated:math"]\nsystems = ["direct"]\nlimit = 1\n{FLAT}\n')
    done = flowsteer("eval", "e.toml", "--run", "r", cwd=tmp_path)
    assert (done.code, said_of_executor(done)) == (0, [])
    plan = json.loads((tmp_path / "r" / "plan.json").read_text())
    assert (plan["executor"], plan["limit"], plan["caps"]["calls"]) == ("simulated:flat", 1, None)
    assert plan["epochs"] == 1


def test_an_executor_that_nobody_named_is_told_with_a_file_too(tmp_path: Path):
    (tmp_path / "e.toml").write_text('datasets = ["simulated:math"]\nsystems = ["direct"]\n')
    told = [f"executor: {default_executor()} (--executor names another)"]
    assert said_of_executor(flowsteer("eval", "e.toml", "--dry-run", cwd=tmp_path)) == told
    assert said_of_executor(flowsteer("eval", "simulated:math", "--dry-run", cwd=tmp_path)) == told
    setting = ("--set", "executor=simulated:")
    assert said_of_executor(flowsteer("eval", "simulated:math", "--dry-run", *setting, cwd=tmp_path)) == []


def said_of_executor(done: Outcome) -> list[str]:
    return [row for row in done.err.splitlines() if row.startswith("executor:")]


def test_a_refused_evaluation_leaves_no_folder(tmp_path: Path):
    refused = flowsteer("eval", "simulated:math", "--executor", "openai:gpt-5-mini", "--run", "r", cwd=tmp_path)
    assert refused.code == 2
    assert not list(tmp_path.iterdir())
