"""MCP servers: which there are stands in a file of the user's own; they are connected once, in a thread of their own.

    {"mcpServers": {"time": {"command": "mcp-server-time", "args": []},
                    "docs": {"url": "http://127.0.0.1:8000/mcp", "tools": ["search"]}}}

A server is a program of the user's: it runs outside of the sandbox, with what the user may do.
"""

import asyncio
import atexit
import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import MinLen

from flowsteer.errors import ConfigError, OperatorError
from flowsteer.operators.mcp_stderr import McpStderr
from flowsteer.runs.files import read_json
from flowsteer.settings import check

if TYPE_CHECKING:
    from mcp.client import Client

_log = logging.getLogger(__name__)

VARIABLE, DEFAULT_FILE = "FLOWSTEER_MCP", "mcp.json"
"""Where servers are named: the file of the variable, else this one in the current folder."""

CONNECT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """One server: a program to start, or an address to reach.

    Attributes:
        command: The program; it speaks over its standard input and output.
        args: Its arguments.
        env: Environment variables for it, besides the few that every program gets.
        url: Address of a server that runs already (streamable HTTP).
        tools: Which of its tools become operators; None for all.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    tools: Annotated[tuple[str, ...], MinLen(1)] | None = None

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise ValueError("a server has either a command or a url")


@dataclass(frozen=True, slots=True)
class McpTool:
    """One tool, as its server describes it."""

    server: str
    name: str
    description: str
    schema: dict[str, Any]


def read_servers(path: Path | None = None) -> dict[str, McpServer]:
    """The servers that a file names.

    Raises:
        ConfigError: There is no such file, or what it holds does not fit.
        RunError: It is no JSON.
    """
    path = path or Path(os.environ.get(VARIABLE) or DEFAULT_FILE)
    plain = read_json(path)
    if not isinstance(plain, dict) or not isinstance(plain.get("mcpServers"), dict) or not plain["mcpServers"]:
        found = "names no server" if path.exists() else "is not there"
        raise ConfigError(
            f"{path} {found}", f'{{"mcpServers": {{"NAME": {{"command": "…"}}}}}}, in it or in {VARIABLE}'
        )
    return {name: check(McpServer, server, f"{path}: {name}") for name, server in plain["mcpServers"].items()}


@dataclass(frozen=True, slots=True)
class McpConnection:
    """One connection to a server.

    Attributes:
        client: Calls its tools.
        stderr: What its program says beside its answers; None for a server that is reached.
        leave: Closed to end it.
    """

    client: "Client"
    stderr: McpStderr | None
    leave: ExitStack

    def last_words(self) -> str:
        """What the program last said, if it is one and has ended."""
        return self.stderr.last_words() if self.stderr else ""


class McpConnections:
    """Servers, connected; any event loop may call their tools. One that was lost is connected anew by the next call.

    Args:
        servers: The servers by name.

    Raises:
        ConfigError: The package `mcp` is not installed, or a server cannot be reached.
    """

    def __init__(self, servers: Mapping[str, McpServer]) -> None:
        from anyio.from_thread import start_blocking_portal

        try:
            import mcp.client  # noqa: F401 - found out before a thread is started
        except ImportError as error:
            raise ConfigError("the library mcp needs the package mcp", "pip install 'flowsteer[mcp]'") from error
        self._servers, self._lock = servers, Lock()
        self._open: dict[str, McpConnection] = {}
        with ExitStack() as self._stack:
            self._portal = self._stack.enter_context(start_blocking_portal())
            for name in servers:
                self._connected(name)
            self._stack = self._stack.pop_all()
        atexit.register(self.close)

    def close(self) -> None:
        """End the connections, and the programs that were started for them."""
        _leave(self._stack)

    def tools(self, servers: Mapping[str, McpServer]) -> list[McpTool]:
        """What the servers offer, in their own order."""
        offered = [
            (name, tool) for name, one in self._open.items() for tool in self._portal.call(one.client.list_tools).tools
        ]
        return [
            McpTool(name, tool.name, tool.description or "", dict(tool.input_schema))
            for name, tool in offered
            if (wanted := servers[name].tools) is None or tool.name in wanted
        ]

    async def call(self, tool: McpTool, arguments: dict[str, Any]) -> str:
        """The text that a tool answers with.

        Raises:
            OperatorError: `tool_failed` if the tool says so, `server_failed` if its server does not answer.
        """
        known = self._open.get(tool.server)
        try:
            found = await asyncio.to_thread(self._connected, tool.server) if known is None else known
        except ConfigError as error:
            raise OperatorError(error.message, "server_failed") from error
        client = found.client
        try:
            result = await asyncio.wrap_future(self._portal.start_task_soon(client.call_tool, tool.name, arguments))
        except Exception as error:  # whatever the wire raises: the node fails, the workflow goes on
            raise await asyncio.to_thread(self._failed, tool, found, error) from error
        text = "\n".join(part.text for part in result.content if getattr(part, "text", None))
        if result.is_error:
            raise OperatorError(f"{tool.name} failed: {text[:500]}", "tool_failed")
        return text

    def _connected(self, name: str) -> McpConnection:
        """The connection to a server, which is made if there is none.

        Raises:
            ConfigError: It cannot be reached.
        """
        with self._lock:
            if name not in self._open:
                server = self._servers[name]
                stderr = McpStderr(name) if server.command else None
                opening = self._portal.wrap_async_context_manager(_client(server, stderr))
                leave = self._stack.enter_context(ExitStack())
                try:
                    with stderr.end if stderr else nullcontext():
                        client = leave.enter_context(opening)
                except Exception as error:  # whatever the transport or the server raises at its start
                    told = f"{_told(error)}{stderr.last_words() if stderr else ''}"
                    what = server.command or server.url
                    raise ConfigError(f"the MCP server {name} ({what}) cannot be reached: {told}") from error
                self._open[name] = McpConnection(client, stderr, leave)
            return self._open[name]

    def _failed(self, tool: McpTool, found: McpConnection, error: Exception) -> OperatorError:
        """What a call that got no result fails with; a connection that is lost is forgotten."""
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        code = error.code if isinstance(error, MCPError) else None
        late, refused = code == REQUEST_TIMEOUT, code not in (None, CONNECTION_CLOSED, REQUEST_TIMEOUT)
        if refused or isinstance(error, RuntimeError):  # that is a result which the client cannot take
            return OperatorError(f"{tool.name} failed: {_told(error)[:500]}", "tool_failed")
        said = ""
        if not late:
            said = found.last_words()
            with self._lock:
                if self._open.get(tool.server) is found:
                    del self._open[tool.server]
            _leave(found.leave)
        return OperatorError(f"{tool.server} did not answer: {_told(error)}{said}", "server_failed")


def _leave(connections: ExitStack) -> None:
    try:
        connections.close()
    except Exception as error:  # noqa: BLE001 - a connection that broke ends with what broke it, told before
        _log.debug("a connection to an MCP server had broken: %s", _told(error))


def _client(server: McpServer, stderr: McpStderr | None) -> "Client":
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    if stderr is None:
        reached = server.url
    else:
        started = StdioServerParameters(command=server.command, args=list(server.args), env=dict(server.env))
        reached = stdio_client(started, stderr.end)
    client: Client = Client(reached, read_timeout_seconds=CONNECT_SECONDS)
    return client


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
