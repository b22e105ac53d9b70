"""From spec to backend: forms, keys, model names and errors that say what to do."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_server import NO_LIST, FakeServer, status

from flowsteer.backends import presets
from flowsteer.backends.base import Message, Request
from flowsteer.backends.connect import Backends
from flowsteer.backends.limits import Limits
from flowsteer.errors import BackendUnavailable, ConfigError

ASK = Request((Message("user", "Hello?"),))


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    monkeypatch.delenv("FLOWSTEER_API_KEY", raising=False)
    async with FakeServer() as fake:
        yield fake


async def test_the_same_spec_is_the_same_backend_and_is_asked_for_models_once(server: FakeServer):
    async with Backends() as backends:
        first = await backends.get(server.spec)
        assert await backends.get(server.spec) is first
        assert first.spec == server.spec
    assert len(server.headers) == 1


@pytest.mark.parametrize(
    "spec", ["", "gpt-4o", "openai:", "nobody:x", "llamacpp:", "recorded:", "http://127.0.0.1:1/v1", "http:#x"]
)
async def test_an_unknown_spec_lists_the_forms_and_presets(spec: str):
    async with Backends() as backends:
        with pytest.raises(ConfigError) as error:
            await backends.get(spec)
    told = error.value.message + error.value.hint
    assert "#MODEL" in told
    if not spec.startswith("http"):
        assert all(name in told for name in ("openai", "openrouter", "vllm", "recorded:FILE", "simulated:PROFILE"))


@pytest.mark.parametrize("name", sorted(name for name, preset in presets.PRESETS.items() if preset.key_required))
async def test_a_missing_key_names_its_variable(name: str, monkeypatch: pytest.MonkeyPatch):
    variable = presets.PRESETS[name].key_env
    monkeypatch.delenv(variable, raising=False)
    async with Backends() as backends:
        with pytest.raises(ConfigError, match=variable):
            await backends.get(f"{name}:some-model")


async def test_a_model_the_server_does_not_list_names_the_closest(server: FakeServer):
    server.models = [(f"model-{number}", "x") for number in range(30)] + [("qwen3-8b", "x"), ("qwen3-32b", "x")]
    async with Backends() as backends:
        with pytest.raises(ConfigError) as error:
            await backends.get(f"{server.url}#qwen3-9b")
    shown = error.value.message.partition("closest of its 32: ")[2].rstrip(".").split(", ")
    assert shown[0] == "qwen3-8b"
    assert len(shown) == 10


@pytest.mark.parametrize(
    ("models", "asked", "served"),
    [
        ([("models/gemini-x", "google")], "gemini-x", "models/gemini-x"),
        ([("llama3:latest", "library")], "llama3", "llama3:latest"),
        ([("smollm2", "llamacpp")], "whatever", "smollm2"),
        (NO_LIST, "whatever", "whatever"),
    ],
)
async def test_the_name_the_server_has_for_a_model_is_recorded(server: FakeServer, models, asked: str, served: str):
    server.models = models
    spec = f"{server.url}#{asked}"
    async with Backends() as backends:
        backend = await backends.get(spec)
        assert backend.served == backends.served(spec) == served


async def test_a_preset_that_serves_unlisted_names_takes_them(server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    preset = replace(presets.PRESETS["openrouter"], base_url=server.url)
    monkeypatch.setitem(presets.PRESETS, "openrouter", preset)
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    async with Backends() as backends:
        reply = await (await backends.get("openrouter:tiny:nitro")).complete(ASK)
    assert reply.text == "fine"
    assert server.seen[0]["model"] == "tiny:nitro"


async def test_an_unreachable_host_says_what_was_tried():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    async with Backends(limits={"http": Limits(backoff_seconds=0.01)}) as backends:
        with pytest.raises(BackendUnavailable, match=rf"127\.0\.0\.1:{port}/v1/models.*3 attempt\(s\): no connection"):
            await backends.get(f"http://127.0.0.1:{port}/v1#tiny")


async def test_a_refused_key_is_found_at_connect(server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLOWSTEER_API_KEY", "sk-wrong-key")
    monkeypatch.setattr(server, "_list", lambda writer: status(401, "sk-wrong-key is wrong")(writer, {}))
    async with Backends() as backends:
        with pytest.raises(BackendUnavailable, match="FLOWSTEER_API_KEY") as error:
            await backends.get(server.spec)
    assert "sk-wrong-key" not in str(error.value)


@pytest.mark.parametrize("spec", ["http://me:secret@127.0.0.1/v1#x", "https://host/v1?key=secret#x"])
async def test_a_url_with_a_secret_in_it_is_refused_unrepeated(spec: str):
    async with Backends() as backends:
        with pytest.raises(ConfigError, match="no user") as error:
            await backends.get(spec)
    assert "secret" not in str(error.value) + error.value.hint


async def test_a_backend_made_elsewhere_is_found_by_name_and_left_open():
    class Fake:
        spec, closed = "fake", False

        async def aclose(self) -> None:
            self.closed = True

    fake = Fake()
    async with Backends(extra={"fake": fake}) as backends:  # type: ignore[dict-item]
        assert await backends.get("fake") is fake
    assert not fake.closed


async def test_simulated_and_recorded_need_no_server(tmp_path: Path):
    async with Backends() as backends:
        assert (await backends.get("simulated:typed")).spec.startswith("simulated:typed")
        with pytest.raises(ConfigError, match="missing"):
            await backends.get(f"recorded:{tmp_path / 'missing.jsonl'}")


@pytest.mark.parametrize("first", ["vllm:tiny", "URL"])
async def test_two_names_of_one_server_have_each_its_own_key_and_one_limit(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, first: str
):
    monkeypatch.setitem(presets.PRESETS, "vllm", replace(presets.PRESETS["vllm"], base_url=server.url))
    monkeypatch.setenv("VLLM_API_KEY", "one")
    monkeypatch.setenv("FLOWSTEER_API_KEY", "two")
    specs = {"vllm:tiny": "one", server.spec: "two"}
    one = Limits(concurrency=1)
    async with Backends(limits={"http": one, "vllm": one}) as backends:
        made = [await backends.get(spec) for spec in sorted(specs, reverse=first != "URL")]
        for backend in made:
            await backend.complete(ASK)
            assert server.headers[-1]["authorization"] == f"Bearer {specs[backend.spec]}"
        await asyncio.gather(*(backend.complete(ASK) for backend in made * 3))
    assert server.most_at_once == 1


def test_importing_it_loads_nothing_heavy():
    code = "import sys, flowsteer.backends.connect; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"openai", "httpx", "httpx2", "xllamacpp", "pydantic"} & set(done.stdout.split())


async def test_a_server_that_only_chats_is_taken_at_its_word(server: FakeServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "_list", lambda writer: status(405, "what list?")(writer, {}))
    async with Backends() as backends:
        assert (await (await backends.get(server.spec)).complete(ASK)).text == "fine"
