"""SIGTERM and SIGHUP end a command as Ctrl-C does: cleaned up, resumable, and with the exit code of the signal."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from flowsteer_cli import COMMAND, ended, environment, start

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


async def interrupted(how: signal.Signals, cwd: Path, command: Callable[[str], tuple[str, ...]], *before: str):
    """How a command ends that is sent a signal while a server keeps it waiting."""
    asked, never = asyncio.Event(), asyncio.Event()

    async def hang(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        asked.set()
        await never.wait()

    async with FakeServer(models=[("tiny", "someone")]) as server:
        server.then = hang
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *before, *COMMAND, *command(f"{server.url}#tiny"), cwd=cwd, stdout=pipe, stderr=pipe, env=environment()
        )
        await asyncio.wait_for(asked.wait(), 60)
        process.send_signal(how)
        outcome = await ended(process)
        never.set()
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    return outcome


def has_children(pid: int) -> bool:
    """Whether a process has started others."""
    return any(Path(thread, "children").read_text() for thread in Path(f"/proc/{pid}/task").iterdir())


def evaluation(executor: str) -> tuple[str, ...]:
    return ("eval", "simulated:math", "--limit", "2", "--executor", executor, "--run", "r")


def fixed(executor: str) -> tuple[str, ...]:
    return ("run", "Custom", "hi", "--type", "qa", "--executor", executor)


@pytest.mark.parametrize("how", ENDING)
async def test_an_evaluation_says_how_to_go_on(tmp_path: Path, how: signal.Signals):
    outcome = await interrupted(how, tmp_path, evaluation)
    assert outcome.code == 128 + how
    told = "what is done is kept: run the same command with --run r to go on"
    assert outcome.err.splitlines()[-2:] == [told, "interrupted"]


@pytest.mark.parametrize("how", ENDING)
async def test_a_workflow_is_broken_off(tmp_path: Path, how: signal.Signals):
    outcome = await interrupted(how, tmp_path, fixed)
    assert (outcome.code, outcome.err) == (128 + how, "interrupted\n")


async def test_a_background_job_of_a_script_that_ignores_ctrl_c(tmp_path: Path):
    ignoring = ("bash", "-c", "trap '' INT; exec \"$@\"", "-")
    outcome = await interrupted(signal.SIGTERM, tmp_path, evaluation, *ignoring)
    assert outcome.code == 128 + signal.SIGTERM
    assert "--run r to go on" in outcome.err


async def test_what_was_started_to_outlive_its_terminal_does(tmp_path: Path):
    ignoring = ("bash", "-c", "trap '' HUP; exec \"$@\"", "-")
    outcome = await interrupted(signal.SIGTERM, tmp_path, fixed, *ignoring)
    assert outcome.code == 128 + signal.SIGTERM


@pytest.mark.parametrize("how", ENDING)
async def test_grading_is_broken_off(tmp_path: Path, how: signal.Signals):
    task = {"id": "t", "type": "code", "question": "f?", "entry_point": "f", "tests": "assert f() == 1"}
    (tmp_path / "t.jsonl").write_text(f"{json.dumps(task)}\n")
    answer = {"id": "t", "answer": "def f():\n    while True:\n        pass"}
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(answer)}\n" * 50)
    process = await start("grade", "--tasks", "t.jsonl", "--answers", "a.jsonl", cwd=tmp_path)
    for _ in range(1200):
        if has_children(process.pid):  # those in which answers run
            break
        await asyncio.sleep(0.05)
    process.send_signal(how)
    outcome = await ended(process)
    assert (outcome.code, outcome.out, outcome.err) == (128 + how, "", "interrupted\n")
