"""The embedded LLM: llama.cpp (through `xllamacpp`) as a server on the loopback, one process a model file.

The server is a process of its own rather than a thread of this one: a fault in native code then ends as
`BackendUnavailable`, stopping it never waits for a reply in the making, and it can serve several processes.
`python -m flowsteer.backends.llamacpp smollm2` serves until interrupted and prints its spec.
"""

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from flowsteer.backends.limits import START_SECONDS
from flowsteer.backends.llama_options import LlamaOptions
from flowsteer.backends.models import locate
from flowsteer.errors import BackendUnavailable, ConfigError, FlowSteerError

_KEY_ENV = "FLOWSTEER_API_KEY"
_CACHE_MIB = 1024  # llama.cpp would take up to 8 GiB of memory for prompts seen before
_WAITS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "3000"}  # 3,000 looks are as quick as looking on and on


@dataclass(frozen=True, slots=True)
class LlamaAddress:
    """Where a server that belongs to another process of this machine is reached.

    Attributes:
        base_url: Where it listens, ending in `/v1`.
        key: The key it wants.
    """

    base_url: str
    key: str = field(repr=False)


FindLlama = Callable[[str], Awaitable[LlamaAddress]]
"""Finds the server for what stands behind `llamacpp:`; raises what `LlamaServer.start` does."""


class LlamaServer:
    """A llama.cpp server that belongs to this process and ends with it.

    Attributes:
        base_url: Where it listens, ending in `/v1`.
        key: The key it wants, made for this server: no other user or web page of the machine can call it.
        pid: Its process id.
    """

    def __init__(self, process: asyncio.subprocess.Process, base_url: str, key: str, stderr: IO[bytes]) -> None:
        self._process = process
        self._stderr = stderr
        self.base_url = base_url
        self.key = key
        self.pid = process.pid

    @classmethod
    async def start(cls, model: str, options: LlamaOptions) -> "LlamaServer":
        """Start a server and wait until it answers; about a second for a small model.

        Args:
            model: A known model's name, or the path of a GGUF file.
            options: How it runs the model.

        Raises:
            ConfigError: `xllamacpp` or the model file is missing.
            BackendUnavailable: The server did not come up; the message says why.
        """
        _require(model)
        key = secrets.token_urlsafe(16)
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flowsteer.backends.llamacpp", model, "--child", *options.arguments()),
            stdin=asyncio.subprocess.PIPE,  # closes when this process ends, however it ends, and the child with it
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {_KEY_ENV: key},
        )
        server = cls(process, "", key, stderr)
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            async with asyncio.timeout(START_SECONDS):
                line = (await process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        except asyncio.CancelledError:
            await server.aclose()
            raise
        if not line.startswith("http"):
            said = server._last_words()
            await server.aclose()
            raise BackendUnavailable(
                f"The embedded server did not start with {model}: {said}", "Check that the file is a whole GGUF model."
            )
        server.base_url = line.partition("#")[0]
        return server

    def __repr__(self) -> str:
        return f"LlamaServer({self.base_url!r})"

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._process.returncode is not None

    async def aclose(self) -> None:
        """Kill the server and wait until it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()  # also closes the pipes
        self._stderr.close()

    def _last_words(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def serve(model: str, options: LlamaOptions, *, port: int = 0, child: bool = False) -> None:
    """Serve a model on 127.0.0.1 until interrupted; prints the spec that reaches it.

    A key is wanted from clients when `FLOWSTEER_API_KEY` is set.

    Args:
        model: A known model's name, or the path of a GGUF file.
        options: How it runs the model.
        port: Where to listen; 0 takes a free port.
        child: Serve only until standard input closes, as a part of another process.

    Raises:
        ConfigError: `xllamacpp` or the model file is missing, or the port is taken.
    """
    _require(model)
    os.environ |= brief_waits(os.environ)
    import xllamacpp  # type: ignore[import-untyped, unused-ignore]

    try:
        server = xllamacpp.Server(_parameters(model, port, options))
    except RuntimeError as error:
        raise ConfigError(f"llama.cpp cannot serve {model} on port {port}: {error}", "Try --port 0.") from error
    sys.stdout.write(f"{server.listening_address}/v1#{name_of(model)}\n")
    sys.stdout.flush()
    try:
        if child:
            sys.stdin.read()
        else:
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    os._exit(0)  # the server's own end would wait for replies in the making


def brief_waits(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Variables that let llama.cpp's threads look for each other for some microseconds before they sleep.

    They wait for each other after every operation. A thread that sleeps at once is woken too late: on idle processors
    that takes most of a small model's time. One that looks for long holds up, where others want the processors too, the
    very one it waits for: two threads on two busy cores all but stop. GNU's OpenMP knows something in between.

    Args:
        environment: What is set; a user's own choice stands.

    >>> brief_waits({})
    {'OMP_WAIT_POLICY': 'passive', 'GOMP_SPINCOUNT': '3000'}
    >>> brief_waits({"OMP_WAIT_POLICY": "active"})
    {}
    """
    return {} if _WAITS.keys() & environment.keys() else _WAITS


def name_of(model: str) -> str:
    """The name a model is served under: no path of this machine.

    >>> name_of("/data/Qwen3-0.6B-Q4_K_M.gguf")
    'Qwen3-0.6B-Q4_K_M'
    """
    return Path(model).stem if model.endswith(".gguf") else model


def _parameters(model: str, port: int, options: LlamaOptions) -> Any:
    import xllamacpp  # type: ignore[import-untyped, unused-ignore]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(locate(model))
    parameters.model_alias = {name_of(model)}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = options.slots
    parameters.n_ctx = options.slots * options.context  # llama.cpp divides it among the slots
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = options.threads
    parameters.cache_ram_mib = _CACHE_MIB
    parameters.api_keys = [key] if (key := os.environ.get(_KEY_ENV)) else []
    parameters.cors_origins = ""  # no web page may call it
    parameters.endpoint_slots = False  # would show one client's prompt to another
    parameters.ui = False
    parameters.verbosity = -1
    return parameters


def _require(model: str) -> None:
    if find_spec("xllamacpp") is None:
        raise ConfigError("The embedded LLM needs xllamacpp, which is not installed.", "pip install 'flowsteer[local]'")
    locate(model)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    usual = LlamaOptions()
    parser = argparse.ArgumentParser(prog="flowsteer.backends.llamacpp", description="Serve a model on 127.0.0.1.")
    parser.add_argument("model", help="a known model's name, or the path of a GGUF file")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--slots", type=int, default=usual.slots, help="requests decoded at once")
    parser.add_argument("--context", type=int, default=usual.context, help="tokens of each slot")
    parser.add_argument("--threads", type=int, default=usual.threads, help="processors to use")
    parser.add_argument("--child", action="store_true", help="serve until standard input closes")
    asked = parser.parse_args(arguments)
    try:
        options = LlamaOptions(asked.threads, asked.slots, asked.context)
        serve(asked.model, options, port=asked.port, child=asked.child)
    except FlowSteerError as error:
        sys.stderr.write(f"{error.message} {error.hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
