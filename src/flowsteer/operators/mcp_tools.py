"""A third library, `mcp`: every tool of the MCP servers in `mcp.json` is an operator that solves.

A workflow can name the tools that were listed, and nothing else: no server is started by its text.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from flowsteer.draft import Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import Operator, OperatorCall
from flowsteer.operators.mcp_servers import McpConnections, McpTool, read_servers
from flowsteer.operators.prompting import ask_messages, follow_up
from flowsteer.operators.registry import Library
from flowsteer.operators.reply import RETRIES, json_objects
from flowsteer.operators.solution import NEW_SOLUTION

MOST_RESULT = 8_000
"""Most characters of what a tool answers; what is longer is cut there, and says so."""
MOST_SUMMARY = 200
READS = ("plan", "subproblems", "solution", "output", "answer")


def mcp_library(path: Path | None = None) -> Library:
    """The tools of the servers that a file names, as operators.

    Args:
        path: The file; `mcp.json`, or the one that FLOWSTEER_MCP names, without it.

    Raises:
        ConfigError: There is no such file, a server cannot be reached, or two tools have one name.
    """
    servers = read_servers(path)
    connections = McpConnections(servers)
    return Library.of("mcp", (mcp_operator(tool, connections) for tool in connections.tools(servers)))


def mcp_operator(tool: McpTool, connections: McpConnections) -> Operator:
    """A tool as an operator: an LLM writes the arguments by its schema, and what it answers is the solution."""

    async def run(call: OperatorCall) -> Draft:
        arguments = await _arguments(call, tool)
        text = await connections.call(tool, arguments)
        if not text.strip():
            raise OperatorError(f"{tool.name} answered nothing", "empty_reply")
        if len(text) > MOST_RESULT:
            text = f"{text[:MOST_RESULT]}\n(cut: {len(text):,} characters)"
        asked = json.dumps(arguments, ensure_ascii=False)
        return Draft(solution=f"{tool.name}({asked}) answers:\n{text}", output=text, answer=text.strip())

    said = " ".join(tool.description.split())[:MOST_SUMMARY] or tool.name
    name = _camel((tool.server, tool.name))
    return Operator(name, "solving", READS, NEW_SOLUTION, f"{said} (a tool of {tool.server})", run)


async def _arguments(call: OperatorCall, tool: McpTool) -> dict[str, Any]:
    """Arguments that fit the tool's schema; one bounded retry.

    Raises:
        OperatorError: `bad_reply` if the retry does not fit either.
    """
    from jsonschema import Draft202012Validator

    schema = json.dumps(tool.schema, ensure_ascii=False)
    fits = Draft202012Validator(tool.schema)
    messages = ask_messages(call, "mcp_tool", tool=tool.name, description=tool.description, schema=schema)
    for attempt in range(RETRIES + 1):
        reply = await call.ask(messages, json_schema=tool.schema)
        objects = list(json_objects(reply.text))
        faults = [error.message for error in fits.iter_errors(objects[-1])] if objects else ["there is no JSON object"]
        if not faults:
            arguments: dict[str, Any] = objects[-1]
            return arguments
        if attempt == RETRIES:
            break
        call.retries += 1
        messages = follow_up(messages, reply.text, f"That did not work: {'; '.join(faults)}. Reply with JSON only.")
    raise OperatorError(f"no arguments for {tool.name}: {'; '.join(faults)[:300]}", "bad_reply")


def _camel(parts: Iterable[str]) -> str:
    words = (word for part in parts for word in re.split(r"[^A-Za-z0-9]+", part) if word)
    return "".join(word[0].upper() + word[1:] for word in words)


@cache
def _library() -> Library:
    return mcp_library()


def __getattr__(name: str) -> Library:
    """`LIBRARY`, which the entry point `mcp` loads: made when it is asked for, once a process."""
    if name != "LIBRARY":
        raise AttributeError(name)
    return _library()
