"""The same words mean the same in every command."""

import json
from pathlib import Path

from flowsteer_cli import flowsteer

SIMULATED = ("--executor", "simulated:")
EVAL = ("eval", "simulated:math", "--limit", "1", *SIMULATED, "--run", "r")


def test_old_spellings_of_run_work_with_a_note(tmp_path: Path):
    new = flowsteer("run", "Custom", "hi", *SIMULATED, "-q", cwd=tmp_path)
    for old in (
        ("--workflow", "Custom", "--question", "hi"),
        ("--workflow", "Custom", "hi"),
        ("Custom", "--question", "hi"),
    ):
        outcome = flowsteer("run", *old, *SIMULATED, "-q", cwd=tmp_path)
        assert outcome.out == new.out
        assert "write: flowsteer run WORKFLOW QUESTION" in outcome.err
    assert new.err == ""


def test_dsl_and_fixed_mean_the_same(tmp_path: Path):
    for scheme in ("dsl:", "fixed:", ""):
        assert flowsteer("run", f"{scheme}Custom", "hi", *SIMULATED, cwd=tmp_path).code == 0
    for scheme in ("dsl", "fixed"):
        solved = flowsteer(
            "solve", "hi", "--director", f"{scheme}:Custom", *SIMULATED, "--json", "--allow-unfinished", cwd=tmp_path
        )
        assert solved.json["dsl"] == "Custom"
    outcome = flowsteer(*EVAL, "--system", "dsl:Custom", "--json", cwd=tmp_path)
    assert "fixed:Custom" in outcome.out


def test_a_system_can_be_named_and_a_name_means_one_system(tmp_path: Path):
    outcome = flowsteer(*EVAL, "--system", "mine=fixed:Custom", "--json", cwd=tmp_path)
    assert outcome.code == 0
    (line,) = (tmp_path / "r" / "index.jsonl").read_text().splitlines()
    assert json.loads(line)["summary"]["system"] == "mine"
    assert flowsteer(*EVAL, "--system", "mine=fixed:Custom", "--json", cwd=tmp_path).code == 0
    other = flowsteer(*EVAL, "--system", "mine=cot", cwd=tmp_path)
    assert other.code == 1
    assert "mine is the system fixed:Custom, not cot" in other.err
    notes = tmp_path / "r" / "notes.jsonl"
    kept = notes.read_bytes()
    notes.unlink()
    assert flowsteer(*EVAL, "--system", "mine=cot", cwd=tmp_path).err == other.err
    for other_plan in ("[]", '{"systems": 3}', '{"systems": [1, "cot"]}'):
        (tmp_path / "r" / "plan.json").write_text(other_plan)
        assert flowsteer(*EVAL, "--system", "mine=fixed:Custom", cwd=tmp_path).code == 0
    notes.write_bytes(kept)
    swapped = flowsteer("swap", "r", "--executor", "simulated:flat", "--run", "s", "--json", cwd=tmp_path)
    assert [row["system"] for row in swapped.json["systems"]] == ["mine"]


def test_options_have_the_same_names(tmp_path: Path):
    common = {"--executor", "--executor-tokens", "--temperature", "--seed", "--library", "--max-calls", "--max-tokens"}
    for command in ("solve", "run", "eval", "train", "serve"):
        helped = flowsteer(command, "--help", cwd=tmp_path).out
        assert {name for name in common if name in helped} == common, command


def test_temperature_and_tokens_reach_the_operators(tmp_path: Path):
    sampling = ("--temperature", "0.25", "--executor-tokens", "50")
    assert flowsteer(*EVAL, *sampling, "--json", cwd=tmp_path).code == 0
    asked = json.loads((tmp_path / "r" / "config.json").read_text())["config"]["executor_sampling"]
    assert (asked["temperature"], asked["max_tokens"]) == (0.25, 50)


def test_options_of_train_are_settings(tmp_path: Path):
    (tmp_path / "t.toml").write_text("[warmup]\nepisodes = 1\n")
    refused = flowsteer(
        "train", "t.toml", "--dry-run", "--temperature", "0.5", "--set", "canvas.max_turn=3", cwd=tmp_path
    )
    assert "Did you mean canvas.max_turns?" in refused.err


def test_datasets_are_known_as_the_authors_of_the_method_spell_them(tmp_path: Path):
    for spelled, repository in (("GSM8K", "openai/gsm8k"), ("NQ", "nq_open"), ("SQuAD-v2", "squad_v2")):
        planned = flowsteer("eval", spelled, *SIMULATED, "--dry-run", cwd=tmp_path)
        assert repository in planned.out
    (tmp_path / "gsm8k.jsonl").write_text('{"id": "1", "type": "math", "question": "6 * 7?", "answer": "42"}\n')
    assert flowsteer("eval", "GSM8K", *SIMULATED, "--data", ".", "--dry-run", cwd=tmp_path).code == 0


def test_a_note_that_is_damaged_is_told(tmp_path: Path):
    assert flowsteer(*EVAL, cwd=tmp_path).code == 0
    with (tmp_path / "r" / "notes.jsonl").open("a") as notes:
        notes.write(f"{json.dumps({'note': 'x', 'content': {'calls': 'many'}})}\n")
    outcome = flowsteer(*EVAL, cwd=tmp_path)
    assert (outcome.code, "the note x of the run is damaged: calls is 'many'" in outcome.err) == (1, True)


def test_a_swap_that_stops_early_says_why_as_an_evaluation_does(tmp_path: Path):
    assert flowsteer("eval", "simulated:math", "--limit", "4", *SIMULATED, "--run", "r", cwd=tmp_path).code == 0
    swap = ("swap", "r", "--executor", "simulated:flat", "--run", "s", "--concurrency", "1", "--json")
    stopped = flowsteer(*swap, "--max-calls", "2", cwd=tmp_path)
    assert stopped.code == 4
    assert (stopped.json["done"], stopped.json["total"]) == (2, 4)
    assert "budget of 2 calls" in stopped.json["stopped"]
    assert "2 of 4 episodes: " in stopped.err
    assert "budget of 2 calls" in stopped.err
    assert "--run s to go on" in stopped.err
    done = flowsteer(*swap, "--max-calls", "4", cwd=tmp_path)
    assert (done.code, done.json["done"], done.json["stopped"]) == (0, 4, "")
