"""Director and executor over HTTP for real: SmolLM2 in a llama.cpp server, through the command line."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from flowsteer_cli import ended, flowsteer, open_events, run, start

from flowsteer.backends.models import MODELS

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed"),
    pytest.mark.skipif(not MODELS["smollm2"].path.is_file(), reason="run: flowsteer models pull smollm2"),
]


@contextmanager
def served(port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own, as a user starts one: its spec, and the process."""
    command = [sys.executable, "-m", "flowsteer.backends.llamacpp", "smollm2", "--port", str(port), "--threads", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "FLOWSTEER_API_KEY"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        spec = server.stdout.readline().strip()
        assert spec.endswith("/v1#smollm2"), spec
        try:
            yield spec, server
        finally:
            server.kill()


def command(spec: str, *more: str, executor: str = "") -> tuple[str, ...]:
    limits = ("--max-turns", "2", "--director-tokens", "80", "--executor-tokens", "16")
    models = ("--director", spec, "--executor", executor or spec)
    return (
        "solve",
        "What is 2+3?",
        "--type",
        "math",
        *models,
        *limits,
        "--run",
        "r",
        "--json",
        "--allow-unfinished",
        *more,
    )


@pytest.fixture(scope="module")
def spec() -> Iterator[str]:
    """A server that lives through several tests."""
    with served() as (spec, _):
        yield spec


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
def test_smollm2_directs_and_executes(tmp_path: Path, spec: str, stream: str):
    outcome = flowsteer(*command(spec, stream), cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    value = outcome.json
    assert (value["turns"], value["parsed"]) == (2, 2)  # the grammar lets nothing but actions through
    assert value["usage"]["director"]["calls"] == 2
    assert value["usage"]["director"]["completion_tokens"] > 10
    assert value["served"] == {spec: "smollm2"}


async def test_the_server_dies_in_the_middle_and_the_run_goes_on_with_another(tmp_path: Path):
    with served() as (spec, server):
        process = await start(*command(spec, executor="simulated:"), cwd=tmp_path)
        async with asyncio.timeout(60):
            while not turns(tmp_path / "r"):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        server.send_signal(signal.SIGKILL)
        outcome = await ended(process)
    assert outcome.code == outcome.json["error"]["code"] == 1
    assert "did not answer" in outcome.err
    assert "add --run r to the same command" in outcome.err
    kept = turns(tmp_path / "r")
    assert len(kept) == 1
    with served(int(spec.split("/")[2].split(":")[1])) as (again, _):
        assert again == spec
        resumed = await run(*command(spec, executor="simulated:"), cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    events = flowsteer("show", "r", "--json", cwd=tmp_path).json["events"]
    said = [event for event in events if event["kind"] == "turn_taken"]
    assert len(said) == 2
    assert said[0]["text"] == kept[0]["text"]
    assert said[0]["usage"] == kept[0]["usage"]  # what was answered is not asked again, to the millisecond


def turns(folder: Path) -> list[dict[str, object]]:
    """The turns in the record of an episode in flight."""
    if not (folder / "open").is_dir() or not list((folder / "open").iterdir()):
        return []
    return [event for event in open_events(folder) if event["kind"] == "turn_taken"]


def test_a_model_is_measured_once_and_listed_with_it(tmp_path: Path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / MODELS["smollm2"].path.name).symlink_to(MODELS["smollm2"].path)
    measured = flowsteer("models", "measure", "smollm2", "--json", cwd=tmp_path, FLOWSTEER_HOME=str(tmp_path))
    assert measured.code == 0, measured.err
    speed = measured.json["tokens_per_second"]
    assert speed > 0
    rows = flowsteer("models", "list", "--json", cwd=tmp_path, FLOWSTEER_HOME=str(tmp_path)).json["models"]
    assert [row["tokens_per_second"] for row in rows] == [None, None, speed]
    assert f"{speed} tokens/s" in flowsteer("models", "list", cwd=tmp_path, FLOWSTEER_HOME=str(tmp_path)).out
