"""Streams that are full, closed, gone or of an old encoding: one message, never a traceback, and nothing lost."""

import json
import subprocess
from pathlib import Path

import pytest
from flowsteer_cli import COMMAND, OFFLINE, Outcome, environment


def shell(line: str, cwd: Path, **changes: str) -> Outcome:
    """Run a line of a shell in which `$FLOWSTEER` is the command."""
    env = environment(FLOWSTEER=" ".join(COMMAND), **changes)
    done = subprocess.run(["bash", "-c", line], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_told(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome
    assert outcome.err.count("error: ") == 1, outcome.err
    assert "Traceback" not in outcome.err
    assert "Exception ignored" not in outcome.err
    for word in words:
        assert word in outcome.err


@pytest.mark.parametrize("command", ["backends", "backends --json", "operators", "--help", "export Plan"])
def test_a_full_disk_behind_standard_output(tmp_path: Path, command: str):
    outcome = shell(f"$FLOWSTEER {command} > /dev/full", tmp_path)
    assert_told(outcome, 1, "cannot write to standard output: No space left on device")


def test_an_episode_that_cannot_be_shown_is_kept(tmp_path: Path):
    command = f"$FLOWSTEER solve hi {' '.join(OFFLINE)} --run r"
    assert_told(shell(f"{command} > /dev/full", tmp_path), 1, "what was done is kept", "--run r")
    assert shell(command, tmp_path).code == 0


def test_a_closed_output_is_refused_before_anything_is_done(tmp_path: Path):
    assert_told(shell(f"$FLOWSTEER solve hi {' '.join(OFFLINE)} --run r >&-", tmp_path), 2, "output is closed")
    assert not list(tmp_path.iterdir())


def test_messages_that_nobody_can_read_stop_nothing(tmp_path: Path):
    for sink in ("2>&-", "2>/dev/full"):
        outcome = shell(f"$FLOWSTEER solve hi {' '.join(OFFLINE)} --run r{sink[-1]} --json {sink}", tmp_path)
        assert outcome.code == 0
        assert json.loads(outcome.out)["run"]
    assert "error" not in (tmp_path / "r-" / "episodes.jsonl").read_text()[:9]


def test_a_closed_input_is_an_empty_one(tmp_path: Path):
    assert_told(shell(f"$FLOWSTEER solve - {' '.join(OFFLINE)} <&-", tmp_path), 2, "the question is empty")


def test_an_output_without_unicode(tmp_path: Path):
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    shown = shell(f"$FLOWSTEER solve 'café?' {' '.join(OFFLINE)} --run r", tmp_path, **ascii_only)
    assert shown.code == 0, shown.err
    outcome = shell("$FLOWSTEER show r --json", tmp_path, **ascii_only)
    assert outcome.json["events"][0]["task"]["question"] == "café?"


def test_a_reader_that_leaves(tmp_path: Path):
    for command in ("backends", "backends --json"):
        assert shell(f"set -o pipefail; $FLOWSTEER {command} | true", tmp_path).code == 141


def test_python_without_docstrings(tmp_path: Path):
    outcome = shell(f"$FLOWSTEER solve hi {' '.join(OFFLINE)} --run r", tmp_path, PYTHONOPTIMIZE="2")
    assert_told(outcome, 2, "without docstrings", "PYTHONOPTIMIZE")
