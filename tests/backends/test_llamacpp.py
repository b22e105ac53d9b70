"""The embedded LLM for real: SmolLM2 in llama.cpp."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from flowsteer.backends import models
from flowsteer.backends.base import Backend, Message, Request, Sampling
from flowsteer.backends.connect import Backends
from flowsteer.backends.limits import Limits
from flowsteer.errors import BackendRejected, BackendUnavailable, ConfigError

SPEC = "llamacpp:smollm2"
LIMITS = {"llamacpp": Limits(concurrency=2, retries=1, backoff_seconds=0.01)}

needs_xllamacpp = pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
needs_model = pytest.mark.skipif(
    not models.MODELS["smollm2"].path.is_file(), reason="no model file; run: flowsteer models pull smollm2"
)
pytestmark = [pytest.mark.local, needs_xllamacpp]


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The spec of a server started by hand; all tests that only talk to one share it."""
    command = [sys.executable, "-m", "flowsteer.backends.llamacpp", "smollm2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()


@pytest.fixture
async def backend(served: str) -> AsyncIterator[Backend]:
    async with Backends() as backends:
        yield await backends.get(served)


def ask(text: str, max_tokens: int = 24, **fields: object) -> Request:
    return Request((Message("user", text),), Sampling(max_tokens=max_tokens), **fields)  # type: ignore[arg-type]


@needs_model
async def test_it_chats_and_counts(backend: Backend):
    reply = await backend.complete(ask("What is 2+3?"))
    assert "5" in reply.text
    assert reply.model == "smollm2"
    assert reply.usage.prompt_tokens > 10
    assert 0 < reply.usage.completion_tokens <= 24
    assert reply.usage.cost == 0.0


@needs_model
async def test_streamed_or_whole_greedy_replies_are_the_same(served: str):
    replies = []
    for stream in (True, False):
        async with Backends(stream=stream) as backends:
            replies.append(await (await backends.get(served)).complete(ask("Name three colours.", max_tokens=16)))
    assert replies[0].text == replies[1].text != ""
    assert replies[0].finish == replies[1].finish
    assert replies[0].usage.completion_tokens == replies[1].usage.completion_tokens


@needs_model
async def test_a_seed_draws_the_same_again_and_another_seed_another(backend: Backend):
    texts = [
        (
            await backend.complete(
                Request((Message("user", "Tell a story."),), Sampling(temperature=1.0, max_tokens=24, seed=seed))
            )
        ).text
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


@needs_model
async def test_a_schema_is_enforced(backend: Backend):
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "integer"}, "sure": {"type": "boolean"}},
        "required": ["answer", "sure"],
        "additionalProperties": False,
    }
    reply = await backend.complete(ask("How many legs has a horse?", max_tokens=64, json_schema=schema))
    value = json.loads(reply.text)
    assert set(value) == {"answer", "sure"}
    assert type(value["answer"]) is int


@needs_model
async def test_a_grammar_is_enforced(backend: Backend):
    grammar = 'root ::= "<action>" name "</action>"\nname ::= "add" | "finish"'
    reply = await backend.complete(ask("Tell me about horses.", grammar=grammar))
    assert reply.text in ("<action>add</action>", "<action>finish</action>")
    assert reply.finish == "stop"


@needs_model
@pytest.mark.parametrize("grammar", ["root ::= (", "root ::= missing"])
async def test_a_broken_grammar_is_a_rejected_request(backend: Backend, grammar: str):
    with pytest.raises(BackendRejected, match="failed to parse grammar"):
        await backend.complete(ask("Hello?", grammar=grammar))


@needs_model
async def test_a_broken_schema_is_a_rejected_request(backend: Backend):
    with pytest.raises(BackendRejected, match="weird"):
        await backend.complete(ask("Hello?", json_schema={"type": "weird"}))


@needs_model
async def test_a_prompt_beyond_the_context_is_a_rejected_request(backend: Backend):
    with pytest.raises(BackendRejected, match="exceeds the available context size"):
        await backend.complete(ask("hello " * 6000))


@needs_model
async def test_slots_and_their_context_are_those_of_the_spec():
    async with Backends() as backends:
        backend = await backends.get(f"{SPEC}?slots=3&context=256")
        assert len(await asyncio.gather(*(backend.complete(ask(f"Say {number}.")) for number in range(3)))) == 3
        with pytest.raises(BackendRejected, match="exceeds the available context size"):
            await backend.complete(ask("hello " * 300))


@needs_model
async def test_a_reply_that_fills_its_tokens_says_so(backend: Backend):
    assert (await backend.complete(ask("Tell a long story.", max_tokens=5))).finish == "length"


@needs_model
async def test_two_requests_are_decoded_at_once_and_a_cancelled_one_makes_room(backend: Backend):
    both = [asyncio.create_task(backend.complete(ask(text, max_tokens=3000))) for text in ("Count up.", "Count down.")]
    await asyncio.sleep(0.5)
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    started = time.monotonic()
    short = await asyncio.gather(*(backend.complete(ask(f"Say {word}.", max_tokens=4)) for word in ("hi", "ho")))
    assert time.monotonic() - started < 10  # decoding 3000 tokens takes most of a minute
    assert all(reply.text for reply in short)


@needs_model
async def test_one_server_may_serve_several_and_answers_to_any_name(served: str):
    other = served.partition("#")[0] + "#anything"
    async with Backends() as one, Backends() as two:
        assert (await one.get(served)).features == (await two.get(other)).features
        assert two.served(other) == "smollm2"


@needs_model
async def test_the_pools_own_server_is_loaded_once_guarded_by_a_key_and_stopped():
    async with Backends(limits=LIMITS) as backends:
        backend = await backends.get(SPEC)
        assert backend.features.grammar
        assert backends.served(SPEC) == "smollm2"
        assert (await backend.complete(ask("Hi"))).text
        server = backends._servers["smollm2"]
        assert server.key not in f"{server!r} {backend!r} {backend.spec}"
        async with Backends() as stranger:
            with pytest.raises(BackendUnavailable, match="FLOWSTEER_API_KEY"):
                await (await stranger.get(f"{server.base_url}#smollm2")).complete(ask("Hi"))
    assert not alive(server.pid)


@needs_model
async def test_a_killed_server_is_unavailable_also_in_the_middle_of_a_reply():
    async with Backends(limits=LIMITS) as backends:
        backend = await backends.get(SPEC)
        task = asyncio.create_task(backend.complete(ask("Tell a long story.", max_tokens=2000)))
        await asyncio.sleep(0.5)
        os.kill(backends._servers["smollm2"].pid, signal.SIGKILL)
        with pytest.raises(BackendUnavailable, match=r"2 attempt\(s\)"):
            await task
        with pytest.raises(BackendUnavailable):
            await backend.complete(ask("Hi"))


PARENT = """
import asyncio
from flowsteer.backends.llama_options import LlamaOptions
from flowsteer.backends.llamacpp import LlamaServer
async def main():
    print((await LlamaServer.start("smollm2", LlamaOptions())).pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@needs_model
def test_the_server_ends_when_its_owner_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


async def test_a_file_that_is_no_model_is_named(tmp_path: Path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    async with Backends() as backends:
        with pytest.raises(BackendUnavailable, match=r"did not start with .*broken\.gguf: \w"):
            await backends.get(f"llamacpp:{path}")


async def test_a_model_that_is_not_here_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("FLOWSTEER_HOME", str(tmp_path))
    async with Backends() as backends:
        with pytest.raises(ConfigError) as error:
            await backends.get(SPEC)
    assert error.value.hint == "flowsteer models pull smollm2"


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
