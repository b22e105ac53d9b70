"""A client from the package index, Simon Willison's `llm`, asks a server that the command started."""

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from flowsteer_cli import COMMAND, environment

pytest.importorskip("fastapi")

from flowsteer.runs.events import EpisodeEnded, EpisodeStarted
from flowsteer.runs.folder import RunFolder

PROGRAM = os.environ.get("LLM_CLIENT") or shutil.which("llm") or str(Path(sys.prefix) / "llm" / "bin" / "llm")
pytestmark = pytest.mark.skipif(not Path(PROGRAM).exists(), reason="the client llm is not here: make llm")

FIXED = "fixed:Plan -> Custom"
MODELS = """
- model_id: flow
  model_name: "{system}"
  api_base: {url}/v1
  api_key_name: flowsteer
  supports_tools: true
"""


async def ran(program, *arguments, cwd, **more):
    """Exit status, standard output and standard error of a program."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *program, *arguments, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, **more
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, out.decode().strip(), err.decode().strip()


@asynccontextmanager
async def served(folder, *more):
    """The command, with a key; the client's own, that asks it."""
    (folder / "llm").mkdir()
    own = environment(LLM_USER_PATH=str(folder / "llm"))
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "serve", "--system", FIXED, "--executor", "simulated:", "--port", "0", "--run", "r", *more,
        cwd=folder, env=environment(FLOWSTEER_API_KEY="right-key"), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    (folder / "llm" / "extra-openai-models.yaml").write_text(MODELS.format(system=FIXED, url=url))

    async def ask(*arguments, key="right-key"):
        (folder / "llm" / "keys.json").write_text(json.dumps({"flowsteer": key}))
        return await ran([PROGRAM], *arguments, cwd=folder, env=own)

    try:
        yield url, ask
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def test_the_client_gets_the_recorded_answers_whole_and_streamed(tmp_path):
    async with served(tmp_path) as (_, ask):
        whole = await ask("-m", "flow", "--no-stream", "--usage", "What is 6 times 7?")
        streamed = await ask("-m", "flow", "--usage", "-s", "Be brief.", "What is 6 times 7?")
        next_one = await ask("-c", "And 8 times 7?")
    run = RunFolder.read(tmp_path / "r")
    episodes = [run.events(episode) for episode in run.entries]
    tasks = [event.task for events in episodes for event in events if isinstance(event, EpisodeStarted)]
    ends = [event for events in episodes for event in events if isinstance(event, EpisodeEnded)]
    assert [code for code, _, _ in (whole, streamed, next_one)] == [0, 0, 0]
    assert [out for _, out, _ in (whole, streamed, next_one)] == [end.answer for end in ends]
    for (_, _, told), end in zip((whole, streamed), ends, strict=False):
        spent = end.director_usage + end.executor_usage
        assert told == f"Token usage: {spent.prompt_tokens} input, {spent.completion_tokens} output"
    assert [task.context for task in tasks[:2]] == ["", "Be brief."]
    assert tasks[2].question == "And 8 times 7?"
    assert tasks[2].context.startswith("Be brief.\n\nuser: What is 6 times 7?\n\nassistant: ")


async def test_the_client_tells_its_user_what_was_refused(tmp_path):
    async with served(tmp_path, "--max-calls", "3") as (url, ask):
        wrong = await ask("-m", "flow", "What is 6 times 7?", key="wrong-key")
        tools = await ask("-m", "flow", "-T", "llm_time", "What is 6 times 7?")
        listed = await ask("openai", "endpoint", f"{url}/v1", "--models", "--key", "right-key")
        base = await ask("openai", "endpoint", url, "-m", FIXED, "--key", "right-key", "What is 6 times 7?")
        await ask("-m", "flow", "What is 6 times 7?")
        spent = await ask("-m", "flow", "What is 6 times 8?")
    assert listed == (0, FIXED, "")
    for outcome, told in (
        (wrong, "the key is wrong"),
        (tools, "tools: a system calls its operators and no tools of a client"),
        (base, "the base URL of a client ends in /v1"),
        (spent, "raise --max-calls to go on"),
    ):
        assert outcome[0] == 1, outcome
        assert told in outcome[2]
        assert "Traceback" not in outcome[2]
