"""Tools of MCP servers as operators, as a user has them: `mcp.json`, the command line, and what the record shows."""

import json
import os
import re
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fake_server import FakeServer, say
from flowsteer_cli import flowsteer, run

pytest.importorskip("mcp.client.client", reason="pip install 'flowsteer[mcp]'")

from flowsteer.runs.events import EpisodeEnded, EpisodeStarted, NodeRan
from flowsteer.runs.folder import RunFolder

BESIDE = Path(sys.prefix) / "mcp-server" / "bin" / "mcp-server-time"
TIME = os.environ.get("MCP_SERVER_TIME") or shutil.which("mcp-server-time") or str(BESIDE)
FIXED = "Plan -> {tool} -> Format"
EDITED = "Plan -> [{tool}, Custom] -> ScEnsemble -> Verify ? Revise : done -> Format"
SHOP = '''
import os, sys
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop")

@server.tool()
def price_of(item: str) -> str:
    """Look up what something costs."""
    if item == "bomb":
        print("\\x1b[31mit goes off", file=sys.stderr, flush=True)
        os._exit(3)
    return "7"

server.run()
'''


def model(tool: str, arguments: Callable[[str], dict[str, str]]) -> Callable[..., Awaitable[None]]:
    """An executor that calls the tool with what the question says, and else answers 7."""

    async def behave(writer, body):
        text = "\n".join(str(message["content"]) for message in body["messages"])
        await say(json.dumps(arguments(text)) if f"A tool can help. {tool}:" in text else "Answer: 7")(writer, body)

    return behave


def item(text: str) -> dict[str, str]:
    return {"item": re.findall(r"What does a (\w+) cost", text)[-1]}


def servers(folder: Path, name: str, *command: str) -> None:
    server = {"command": command[0], "args": list(command[1:])}
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": {name: server}}))


@pytest.mark.parametrize(("system", "after"), [(f"fixed:{FIXED}", ""), (f"director:dsl:{EDITED}", "7")])
async def test_an_evaluation_calls_a_tool_whose_server_dies_on_the_way(tmp_path: Path, system: str, after: str):
    (tmp_path / "shop.py").write_text(SHOP)
    servers(tmp_path, "shop", sys.executable, "shop.py")
    rows = [
        {"id": name, "type": "math", "question": f"What does a {name} cost?", "answer": "7"}
        for name in ("fig", "bomb", "nut")
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    async with FakeServer() as server:
        server.then = model("price_of", item)
        done = await run(
            "eval", "rows.jsonl", "--system", system.format(tool="ShopPriceOf"), "--library", "paper+mcp",
            "--executor", server.spec, "--concurrency", "1", "--run", "r", cwd=tmp_path,
        )  # fmt: skip
    assert done.code == 0, done.err
    assert "goes off" not in done.out + done.err
    record, found = RunFolder.read(tmp_path / "r"), {}
    for episode in record.entries:
        events = record.events(episode)
        (asked,) = (event.task.question for event in events if isinstance(event, EpisodeStarted))
        (end,) = (event for event in events if isinstance(event, EpisodeEnded))
        (found[item(asked)["item"]],) = (
            (event, end) for event in events if isinstance(event, NodeRan) and event.operator == "ShopPriceOf"
        )
    for name in ("fig", "nut"):
        node, end = found[name]
        assert (node.failure, node.wrote.output, end.answer) == (None, "7", "7")
        assert node.wrote.solution == f'price_of({{"item": "{name}"}}) answers:\n7'
    node, end = found["bomb"]
    assert node.failure.kind == "server_failed"
    assert node.failure.message == "shop did not answer: Connection closed; it last said: \x1b[31mit goes off"
    assert end.answer == after


def test_a_server_that_cannot_start_says_why(tmp_path: Path):
    (tmp_path / "shop.py").write_text("import sys; sys.exit('no \x1b[31mlicence')")
    servers(tmp_path, "shop", sys.executable, "shop.py")
    done = flowsteer("operators", "--library", "paper+mcp", cwd=tmp_path, FLOWSTEER_MCP="mcp.json")
    assert (done.code, done.out) == (2, "")
    assert "cannot be reached: Connection closed; it last said: no \ufffd[31mlicence" in done.err


@pytest.mark.skipif(not Path(TIME).exists(), reason="mcp-server-time is not here: make mcp")
async def test_an_answer_shows_the_call_of_a_server_from_the_package_index(tmp_path: Path):
    servers(tmp_path, "time", TIME, "--local-timezone", "UTC")
    arguments = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    async with FakeServer() as server:
        server.then = model("convert_time", lambda _: arguments)
        solved = await run(
            "solve", "What time is it in Tokyo when it is 12:00 UTC?", "--director",
            f"dsl:{EDITED.format(tool='TimeConvertTime')}", "--library", "paper+mcp", "--executor", server.spec,
            "--run", "r", "--json", cwd=tmp_path,
        )  # fmt: skip
    assert (solved.code, solved.json["finished"]) == (0, True)
    (node,) = (
        event
        for event in RunFolder.read(tmp_path / "r").events(solved.json["episode"])
        if isinstance(event, NodeRan) and event.operator == "TimeConvertTime"
    )
    assert node.wrote.solution.startswith(f"convert_time({json.dumps(arguments)}) answers:")
    assert "21:00" in node.wrote.answer
    shown = await run("show", "r", "--prompts", cwd=tmp_path)
    assert "node_3 TimeConvertTime" in shown.out
    assert "source_timezone" in shown.out
