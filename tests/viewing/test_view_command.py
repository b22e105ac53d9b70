"""The commands: `flowsteer view`, and `--view` beside a command that writes the run."""

import re
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from flowsteer_cli import COMMAND, environment

pytest.importorskip("fastapi")

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}")


def test_view_says_one_line_when_it_answers_and_ends_at_ctrl_c(tmp_path):
    (tmp_path / "runs").mkdir()
    command = [*COMMAND, "view", "runs", "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment(FLOWSTEER_HOME=str(tmp_path)), **pipes) as viewer:
        address = viewer.stdout.readline().strip()
        assert ADDRESS.fullmatch(address)
        base, _, token = address.partition("/?token=")
        answer = httpx.get(f"{base}/api/runs", headers={"authorization": f"Bearer {token}"})
        assert answer.json()["runs"] == []
        viewer.send_signal(signal.SIGINT)
        said, _ = viewer.communicate(timeout=20)
    assert said == ""
    assert viewer.returncode == 128 + signal.SIGINT


def test_view_of_no_folder_says_so(tmp_path):
    done = subprocess.run(
        [*COMMAND, "view", "none", "--no-browser"],
        cwd=tmp_path,
        env=environment(FLOWSTEER_HOME=str(tmp_path)),
        capture_output=True,
    )
    assert done.returncode == 1
    assert b"none is no folder" in done.stderr


def test_a_run_can_be_watched_and_in_a_script_the_viewer_ends_with_the_command(tmp_path):
    command = [*COMMAND, "solve", "What is 6 times 7?", "--executor", "simulated:", "--director", "dsl:Plan -> Custom"]
    workflow = "dsl:Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done"
    done = subprocess.run(
        [*command[:-1], workflow, "--view", "--json"],
        cwd=tmp_path,
        env=environment(FLOWSTEER_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(ADDRESS.findall(done.stderr)) == 1
    assert ADDRESS.search(done.stdout) is None


def test_the_browsers_command_line_does_not_hold_the_token(tmp_path):
    (tmp_path / "runs").mkdir()
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked.part\nmv {tmp_path}/asked.part {tmp_path}/asked\n')
    browser.chmod(0o755)
    known = environment(FLOWSTEER_HOME=str(tmp_path), BROWSER=f"{browser} %s", TMPDIR=str(tmp_path))
    with subprocess.Popen(
        [*COMMAND, "view", "runs"], cwd=tmp_path, env=known, stdout=subprocess.PIPE, text=True
    ) as viewer:
        address = viewer.stdout.readline().strip()
        for _ in range(200):
            if (tmp_path / "asked").exists():
                break
            time.sleep(0.05)
        asked = (tmp_path / "asked").read_text().strip()
        page = Path(unquote(urlsplit(asked).path))
        assert address.partition("token=")[2] not in asked
        assert address in page.read_text()
        assert (page.stat().st_mode & 0o777, page.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        viewer.send_signal(signal.SIGINT)
        viewer.communicate(timeout=20)
    assert not page.parent.exists()
