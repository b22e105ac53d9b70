"""Tools of real MCP servers, over standard input and output and over HTTP on the loopback, as operators."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mcp.client.client", reason="pip install 'flowsteer[mcp]'")

from scripted import Scripted, call_of

from flowsteer.errors import ConfigError, OperatorError
from flowsteer.operators.mcp_servers import McpConnections, read_servers
from flowsteer.operators.mcp_tools import MOST_RESULT, mcp_library
from flowsteer.session import Setup, open_session
from flowsteer.task import Task
from flowsteer.workflow.dsl import parse_dsl

SERVER = '''
import os
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop")

@server.tool()
def price_of(item: str, count: int = 1) -> str:
    """Look up what something costs."""
    if item == "bomb":
        os._exit(3)
    if item == "nothing":
        raise ValueError("there is no such item")
    return str(7 * count) if item != "much" else "x" * 20_000

@server.tool()
def secret() -> str:
    """Not for models."""
    return "secret"
'''


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port):
    for _ in range(1500):
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


@contextmanager
def far_away(program):
    """A server in a process of its own."""
    process = subprocess.Popen([sys.executable, program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A server that is started, and the same one reached over HTTP."""
    path = tmp_path_factory.mktemp("mcp")
    (path / "shop.py").write_text(SERVER + 'if __name__ == "__main__":\n    server.run()\n')
    port, names = free_port(), {}
    exec(SERVER, names)
    run = threading.Thread(
        target=names["server"].run, args=("streamable-http",), kwargs={"host": "127.0.0.1", "port": port}, daemon=True
    )
    run.start()
    wait_for(port)
    servers = {
        "shop": {"command": sys.executable, "args": [str(path / "shop.py")]},
        "far-shop": {"url": f"http://127.0.0.1:{port}/mcp", "tools": ["price_of"]},
    }
    (path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    return path / "mcp.json"


@pytest.fixture(scope="module")
def library(config):
    return mcp_library(config)


def calling(library, name, *replies):
    backend = Scripted(*replies, json_schema=True)
    operator = library.operators[name]
    return (
        operator,
        replace(call_of("Custom", Task("What do 3 apples cost?", "math"), backend), operator=operator),
        backend,
    )


def test_every_tool_that_is_wanted_is_a_solving_operator_with_its_description(library):
    assert list(library.operators) == ["ShopPriceOf", "ShopSecret", "FarShopPriceOf"]
    assert set(library.categories.values()) == {"solving"}
    assert library.operators["ShopPriceOf"].summary == "Look up what something costs. (a tool of shop)"


@pytest.mark.parametrize("name", ["ShopPriceOf", "FarShopPriceOf"])
async def test_arguments_come_by_the_tools_schema_and_its_answer_is_the_solution(library, name):
    operator, call, backend = calling(library, name, {"item": "apple", "count": 3})
    draft = await operator.run(call)
    assert draft.answer == draft.output == "21"
    assert draft.solution.startswith('price_of({"item": "apple", "count": 3}) answers:')
    (request,) = backend.requests
    assert request.json_schema["properties"].keys() == {"item", "count"}
    assert "Look up what something costs." in backend.prompts[0]


async def test_arguments_that_do_not_fit_are_asked_for_once_more(library):
    operator, call, backend = calling(library, "ShopPriceOf", {"count": "three"}, {"item": "pear"})
    assert (await operator.run(call)).answer == "7"
    assert call.retries == 1
    assert "'item' is a required property" in backend.prompts[1]
    operator, call, _ = calling(library, "ShopPriceOf", "no idea", "none")
    with pytest.raises(OperatorError, match="no arguments for price_of"):
        await operator.run(call)


async def test_a_tool_that_fails_is_a_failed_node_and_a_long_answer_is_cut(library):
    operator, call, _ = calling(library, "ShopPriceOf", {"item": "nothing"})
    with pytest.raises(OperatorError, match="no such item"):
        await operator.run(call)
    operator, call, _ = calling(library, "ShopPriceOf", {"item": "much"})
    draft = await operator.run(call)
    assert draft.output.startswith("x" * MOST_RESULT + "\n(cut: 20,000")


async def test_a_workflow_uses_them_and_can_name_no_other(library):
    async with open_session(Setup(director="", executor="simulated:")) as session:
        own = replace(session, library=library, executor_backend=Scripted({"item": "apple"}, {"item": "fig"}))
        ran = await own.execute(parse_dsl("[ShopPriceOf, FarShopPriceOf]"), Task("What does it cost?", "math"))
        assert [node.wrote.answer for node in ran.ran] == ["7", "7"]
        with pytest.raises(ConfigError, match="PriceOf"):
            await own.execute(parse_dsl("OtherPriceOf"), Task("What does it cost?", "math"))


def test_what_is_wrong_with_a_file_or_a_server_is_told(tmp_path):
    with pytest.raises(ConfigError, match="is not there"):
        read_servers(tmp_path / "mcp.json")
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"x": {"command": "a", "url": "b"}}}')
    with pytest.raises(ConfigError, match="either a command or a url"):
        read_servers(tmp_path / "mcp.json")
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"x": {"command": "no-such-program"}}}')
    with pytest.raises(ConfigError, match=r"x \(no-such-program\) cannot be reached"):
        McpConnections(read_servers(tmp_path / "mcp.json"))


async def test_a_server_that_was_lost_is_connected_anew_by_the_next_call(tmp_path):
    """One that ended is started again; one that is reached answers once it is back."""
    port, own, far = free_port(), tmp_path / "own.py", tmp_path / "far.py"
    own.write_text(f"{SERVER}server.run()\n")
    far.write_text(f"{SERVER}server.run('streamable-http', host='127.0.0.1', port={port})\n")
    servers = {
        "own": {"command": sys.executable, "args": [str(own)]},
        "far": {"url": f"http://127.0.0.1:{port}/mcp"},
    }
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))

    async def fails(name, item, told):
        operator, call, _ = calling(library, name, {"item": item})
        with pytest.raises(OperatorError, match=told) as error:
            await operator.run(call)
        assert error.value.kind == "server_failed"

    with far_away(far):
        wait_for(port)
        library = mcp_library(tmp_path / "mcp.json")
        for name in ("OwnPriceOf", "FarPriceOf"):
            await fails(name, "bomb", "did not answer: Connection closed")
    await fails("FarPriceOf", "fig", "cannot be reached")
    with far_away(far):
        wait_for(port)
        for name in ("OwnPriceOf", "FarPriceOf"):
            operator, call, _ = calling(library, name, {"item": "fig"})
            assert (await operator.run(call)).answer == "7"


UNFIT = """
import asyncio
from pathlib import Path
import mcp.types as T
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

SHAPE = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

async def tools(context, asked):
    return T.ListToolsResult(tools=[T.Tool(name="f", input_schema={"type": "object"}, output_schema=SHAPE)])

async def call(context, asked):
    return T.CallToolResult(content=[T.TextContent(type="text", text="no number")])

async def main():
    with open("starts", "a") as file:
        file.write("x")
    server = Server("x", on_list_tools=tools, on_call_tool=call)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

asyncio.run(main())
"""


async def test_an_answer_that_breaks_the_tools_own_schema_costs_no_connection(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text(UNFIT)
    servers = {"x": {"command": sys.executable, "args": ["x.py"]}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    library = mcp_library(tmp_path / "mcp.json")
    for _ in range(2):
        operator, call, _ = calling(library, "XF", {})
        with pytest.raises(OperatorError) as error:
            await operator.run(call)
        assert error.value.kind == "tool_failed"
    assert (tmp_path / "starts").read_text() == "x"


def test_a_server_from_the_package_index(tmp_path):
    beside = Path(sys.prefix) / "mcp-server" / "bin" / "mcp-server-time"
    program = os.environ.get("MCP_SERVER_TIME") or shutil.which("mcp-server-time") or str(beside)
    if not Path(program).exists():
        pytest.skip("mcp-server-time is not here: make mcp")
    servers = {"time": {"command": program, "args": ["--local-timezone", "UTC"]}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    found = mcp_library(tmp_path / "mcp.json")
    assert set(found.operators) == {"TimeGetCurrentTime", "TimeConvertTime"}

    async def converted():
        arguments = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        operator, call, _ = calling(found, "TimeConvertTime", arguments)
        return await operator.run(call)

    import asyncio

    assert "21:00" in asyncio.run(converted()).answer
