"""Full CPython in a Docker or Podman container: the same runner and protocol as bubblewrap, another launcher.

The command line and the protocol are tested; no container engine runs where the tests do.
"""

import asyncio
import os
import platform
import secrets
import shutil
from pathlib import Path

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits, Tier
from flowsteer.sandbox.bubblewrap import GUEST, NOBODY
from flowsteer.sandbox.group import Launch
from flowsteer.sandbox.pair import Caller, PairOutcome
from flowsteer.sandbox.process import run_process
from flowsteer.sandbox.process_pair import run_pair
from flowsteer.sandbox.processors import usable
from flowsteer.sandbox.protocol import Role, encode_request, outcome, resource_limits

ENGINES = ("docker", "podman")
IMAGE = "python:3.12-slim"
CLIENT_VARIABLES = ("HOME", "PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "XDG_RUNTIME_DIR")
"""What the engine's client, which runs on the host, needs to find its engine; nothing of it enters the container."""


def container_command(
    engine: str, image: str, name: str, limits: SandboxLimits, processors: float = 1.0
) -> tuple[str, ...]:
    """The command line of one container.

    Args:
        engine: `docker` or `podman`.
        image: An image with Python 3.8 or later; it must be present, none is pulled.
        name: The container's name, to end it by.
        limits: Memory, processes and scratch folder; here memory and processes are counted over the whole program.
        processors: How many processors' time it may use.
    """
    return (
        *(engine, "run", "--rm", "--interactive", "--name", name, "--pull", "never"),
        *("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", f"{NOBODY}:{NOBODY}", "--ipc", "private", "--log-driver", "none"),
        *("--pids-limit", f"{limits.processes}", "--cpus", f"{processors:g}"),
        *("--memory", f"{limits.memory_mb}m", "--memory-swap", f"{limits.memory_mb}m"),
        *("--tmpfs", f"/tmp:rw,nosuid,nodev,size={limits.disk_mb}m,mode=1777", "--workdir", "/tmp"),  # noqa: S108
        *("--volume", f"{GUEST}:/guest:ro", "--entrypoint", "python3"),
        *(image, "-I", "-B", "-X", "utf8", "/guest/runner.py"),
    )


def container_rlimits(limits: SandboxLimits) -> dict[str, int]:
    """The rlimits that the engine's own limits do not replace.

    Processes are counted by `--pids-limit`: an rlimit would count those of all containers of one user together.
    """
    kept = resource_limits(limits)
    del kept["NPROC"]
    return kept


class ContainerSandbox:
    """Runs programs under full CPython, each in a fresh container.

    Args:
        engine: `docker` or `podman`; by default the first that is installed.
        image: An image that is present and holds Python and the packages programs may import.
        concurrency: Most containers at once, by default one a processor.

    Raises:
        SandboxError: If no engine is installed, or this is Windows.
    """

    tier: Tier = "container"

    def __init__(self, engine: str = "", image: str = IMAGE, concurrency: int | None = None) -> None:
        if platform.system() == "Windows":
            raise SandboxError(
                "containers are started from Linux and macOS only, and this is Windows",
                "use --sandbox monty, or install FlowSteer in WSL",
            )
        candidates = (engine,) if engine else ENGINES
        found = next(filter(None, map(shutil.which, candidates)), None)
        if found is None:
            raise SandboxError(
                f"no container engine is installed (looked for {' and '.join(candidates)})",
                "install Docker or Podman, then fetch the image once: docker pull " + image,
            )
        self._engine = found
        self._image = image
        self._places = asyncio.Semaphore(concurrency or len(usable()))

    async def run(self, program: Program, limits: SandboxLimits = SandboxLimits()) -> Outcome:
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`.

        Raises:
            SandboxError: If the engine does not run, or the image is not present.
        """
        launch, request = self._prepare(program, limits, "alone")
        async with self._places:
            ended = await run_process(launch, request, limits)
        try:
            return outcome(self.tier, program, limits, ended)
        except SandboxError as error:
            raise SandboxError(error.message, self._hint()) from None

    async def run_pair(self, caller: Caller, callee: Program, limits: SandboxLimits = SandboxLimits()) -> PairOutcome:
        """Run two programs; see `flowsteer.sandbox.pair.PairSandbox.run_pair`.

        Raises:
            SandboxError: If the engine does not run, or the image is not present.
        """
        sides = self._prepare(caller, limits, "caller"), self._prepare(callee, limits, "callee")
        async with self._places:
            try:
                return await run_pair(self.tier, *sides, limits)
            except SandboxError as error:
                raise SandboxError(error.message, self._hint()) from None

    def _prepare(self, program: Program | Caller, limits: SandboxLimits, role: Role) -> tuple[Launch, bytes]:
        name = f"flowsteer-{secrets.token_hex(8)}"
        environment = {key: os.environ[key] for key in CLIENT_VARIABLES if key in os.environ}
        command = container_command(self._engine, self._image, name, limits)
        launch = Launch(command, environment, (self._engine, "rm", "--force", name))
        return launch, encode_request(program, container_rlimits(limits), (), None, role)

    def _hint(self) -> str:
        return f"check that {Path(self._engine).name} runs and has the image: {self._engine} pull {self._image}"

    async def aclose(self) -> None:
        """Nothing to end: every container ends with its run."""
