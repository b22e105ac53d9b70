"""The commands: `flowsteer view`, and `--view` beside a command that writes the run."""

import errno
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from flowsteer_cli import COMMAND, environment

pytest.importorskip("fastapi")

from flowsteer.viewing.viewer_server import viewer_beside

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
        said, noted = viewer.communicate(timeout=20)
    assert said == ""
    assert noted == "runs holds no run yet; those that are made in it will be shown\ninterrupted\n"
    assert viewer.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize(
    ("named", "code", "said"),
    [
        (("none",), 1, "there is no folder none\n  try: name a run folder, or one that holds some"),
        (("runs/onn",), 1, "there is no folder runs/onn\n  try: flowsteer view runs/one\n"),
        (("runs/one/config.json",), 1, "is a file; a run is a folder\n  try: flowsteer view runs/one\n"),
        (("runs", "--port", "70000"), 2, "65535"),
        (("runs", "--port", "{taken}"), 2, "port {taken}: Address already in use\n  try: --port 0 takes a free one\n"),
    ],
)
def test_a_wrong_input_is_one_message_that_says_what_to_type(tmp_path, named, code, said):
    (tmp_path / "runs/one").mkdir(parents=True)
    (tmp_path / "runs/one/config.json").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "view", *(word.replace("{taken}", port) for word in named), "--no-browser"],
            cwd=tmp_path,
            env=environment(FLOWSTEER_HOME=str(tmp_path)),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (code, "")
    assert said.replace("{taken}", port) in done.stderr


def test_a_viewer_that_is_killed_while_it_directs_leaves_a_run_that_the_next_one_shows(tmp_path):
    command = [*COMMAND, "solve", "What is 6 times 7?", "--director", "human", "--executor", "simulated:", "--view"]
    env = environment(FLOWSTEER_HOME=str(tmp_path / "home"))
    with subprocess.Popen(
        [*command, "--run", "run"], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
    ) as solving:
        with asked(solving.stderr.readline()) as client:
            rows = first(lambda: client.get("/api/runs/~/episodes").json().get("rows"))
            path = f"/api/live/{rows[0]['episode']}"
            first(lambda: client.get(f"{path}/moves").json().get("moves"))
            client.post(f"{path}/act", json={"text": "add Plan"}).raise_for_status()
            first(lambda: client.get(f"{path}/moves").json().get("turn") == 2)
        solving.kill()
    command = [*COMMAND, "view", "run", "--no-browser"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as viewer:
        with asked(viewer.stdout.readline()) as client:
            (row,) = client.get("/api/runs/~/episodes").json()["rows"]
            page = client.get(f"/api/runs/~/episodes/{row['episode']}").json()
        viewer.kill()
    assert (row["state"], page["state"]) == ("lost", "lost")
    assert [event["echo"] for event in page["events"] if event["kind"] == "edit_applied"] == [
        "added node_1 Plan at the end"
    ]


def asked(said):
    """A client of the viewer whose address a line says."""
    base, _, token = ADDRESS.search(said)[0].partition("/?token=")
    return httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}", "x-flowsteer": "1"}, timeout=20)


def first(ask, seconds=20.0):
    """The first answer that is one."""
    until = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


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


@pytest.mark.parametrize("step", ["asyncio.run", "view_runs"])
def test_a_viewer_beside_a_command_that_cannot_begin_says_so(tmp_path, monkeypatch, step):
    def fail(*given):
        if hasattr(given[0], "close"):
            given[0].close()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(f"flowsteer.viewing.viewer_server.{step}", fail)
    with pytest.raises(OSError, match="Too many open files"), viewer_beside(tmp_path, tmp_path / "cache"):
        pass
