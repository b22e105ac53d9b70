"""`flowsteer autopsy`: tables and verdicts for people, the same as JSON; what is not there is one clear message."""

import json

import pytest

from cli.flowsteer_cli import flowsteer
from flowsteer.runs.folder import RunFolder
from training.test_autopsy import LOOP, STEP, course, measured, play


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path / "run", {"command": "train", "update": {"steps": 12}}) as run:
        course(run.path, steps=10)
        for step in range(1, 11):
            for number in range(6):
                dsl, said = ("Custom -> Verify" if number % 2 else "Custom"), [(STEP, True), (LOOP, False)] * 3
                play(run, f"train/{step}/{step}/t{step}/{number}", dsl=dsl, score=float(number % 2), said=said)
                play(run, f"train/{step}/{step}1/u{step}/{number}", dsl=dsl, score=float(number % 2), said=said)
        play(run, "before/T0/a/0", dsl="Custom")
    return tmp_path


def test_a_run_in_tables_and_verdicts(folder):
    done = flowsteer("autopsy", "run", cwd=folder)
    assert done.code == 0
    assert "run: 10 of 12 steps, unfinished; 120 training episodes" in done.out
    rejected = next(line for line in done.out.splitlines() if line.strip().startswith("add loop"))
    assert rejected.split() == ["add", "loop", *["100"] * 11, "360"]
    verify = next(line for line in done.out.splitlines() if "Verify" in line)
    assert verify.split("│")[1].split() == ["Verify"]
    assert verify.split("│")[3].split() == ["24"]
    assert "100.0 [" in verify
    assert "cannot write add loop: " in done.out
    assert "not told: no greedy test after training" in done.err


def test_the_same_as_json(folder):
    done = flowsteer("autopsy", "run", "--json", cwd=folder)
    assert done.json["steps"] == 10
    assert [(one["name"], one["about"]) for one in done.json["verdicts"]] == [("cannot write", "add loop")]


def test_one_episode_with_its_group(folder):
    done = flowsteer("autopsy", "run", "train/3/3/t3/5", cwd=folder)
    lines = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if line.strip()}
    assert lines["answer"] == ["0", "1", "0", "1", "0", "1"]
    assert lines["R"] == ["-1", "0", "-1", "0", "-1", "0"]
    assert lines["5*:"] == ["Custom", "->", "Verify", "(graded", "1)"]
    assert "mean -0.5" in done.out
    assert len(flowsteer("autopsy", "run", "train/3/3/t3/5", "--json", cwd=folder).json["members"]) == 6


@pytest.mark.parametrize(
    ("beginning", "marked"),
    [("train/3/3", "0*:"), ("train/3/31", "0*:"), ("train/3/3/", "0*:"), ("train/3/3/t3/4", "4*:"), ("before", "0*:")],
)
def test_the_beginning_of_one_group_means_this_group(folder, beginning, marked):
    done = flowsteer("autopsy", "run", beginning, cwd=folder)
    assert done.code == 0
    assert marked in done.out
    assert ("Â = (R − mean)" in done.out) == beginning.startswith("train")


def test_json_has_no_number_that_json_has_not(folder):
    measured(folder / "run", 10, kl=float("nan"), entropy=float("nan"))
    done = flowsteer("autopsy", "run", "--json", cwd=folder)
    found = json.loads(done.out, parse_constant=lambda name: pytest.fail(f"bare {name}"))
    assert found["course"][-1]["figures"]["entropy"] is None
    assert "diverged" in {verdict["name"] for verdict in found["verdicts"]}
    assert "diverged: entropy, kl" in flowsteer("autopsy", "run", cwd=folder).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "there is no folder nowhere"),
        (("run", "train/99"), "no episode begins with"),
        (("run", "train/3"), "12 episodes fit"),
    ],
)
def test_what_is_not_there_is_one_message(folder, arguments, said):
    done = flowsteer("autopsy", *arguments, cwd=folder)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
