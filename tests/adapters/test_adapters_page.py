"""The examples of docs/adapters.md run, each where the package that it speaks of is installed."""

import asyncio
import doctest
import re
import socket
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_server import FakeServer, say
from tiny_qwen import save

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL))
MODULES = {"verifiers": "verifiers", "OpenEnv": "openenv", "TRL": "trl", "inspect_ai": "inspect_ai"}


@contextmanager
def director():
    """A model on the loopback that adds an operator each turn, in a thread of its own."""
    loop, address = asyncio.new_event_loop(), []
    ready, over = threading.Event(), asyncio.Event()

    async def serve():
        async with FakeServer() as server:
            server.then = say("<action>add</action><operator>Custom</operator>")
            address.append(server.url)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    yield address[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_example_does_what_the_page_says(section, tmp_path, monkeypatch):
    if find_spec(MODULES[section]) is None:
        pytest.skip(f"{MODULES[section]} is not installed" + (": make openenv" if section == "OpenEnv" else ""))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    one_call = {"use_cpu": True, "bf16": False, "generation_kwargs": {"max_new_tokens": 1}}
    given = {"PORT": free_port(), "MACHINE": one_call}
    if section == "TRL":
        given["MODEL"] = save(tmp_path / "tiny")
    with director() as url:
        example = doctest.DocTestParser().get_doctest(
            SECTIONS[section], given | {"DIRECTOR_URL": url}, section, str(PAGE), 0
        )
        assert example.examples
        told = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=told.append)
    assert result.failed == 0, "".join(told)
