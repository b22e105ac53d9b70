"""Full CPython in a namespace of its own, made by bubblewrap: no network, no files of the host, no keys.

Every program gets a fresh sandbox and a fresh interpreter. It sees the system's libraries, the interpreter and the
installed packages, all read-only; one small scratch folder, `/tmp`, which dies with it; its own process table; and an
empty environment.

The processes of a run share one processor, so that however many spin they take nothing from another run and no more
processor time than wall time. A filter refuses system calls that would undo this, make namespaces, or use memory that
nothing counts.

What it does not do: memory is limited for each process, and processes in number, so a program may use `processes` times
`memory_mb`; a container counts them together. The scratch folder is limited in bytes and not in files, for bubblewrap
has no such option: each empty file takes about 1 KB of the kernel's memory, and the kernel allows half as many as the
machine has pages of memory. And it relies on the kernel: a fault there that lets a program out of its namespaces lets
it out of here.
"""

import functools
import os
import platform
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits, Tier
from flowsteer.sandbox.clock import CHILDREN
from flowsteer.sandbox.group import FILTER, GATE, Launch
from flowsteer.sandbox.pair import Caller, PairOutcome
from flowsteer.sandbox.process import run_process
from flowsteer.sandbox.process_pair import run_pair
from flowsteer.sandbox.processors import Places
from flowsteer.sandbox.protocol import MIB, Role, encode_request, outcome, resource_limits
from flowsteer.sandbox.seccomp import seccomp_filter

GUEST = Path(__file__).with_name("guest")
"""What runs inside, started as `runner.py`."""
INSTALL = "install it: sudo apt install bubblewrap (Debian, Ubuntu), sudo dnf install bubblewrap (Fedora)"
ELSEWHERE = "use --sandbox monty, or --sandbox container with Docker or Podman"
PERMIT = (
    "bubblewrap 0.8 or later must be able to create namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1 "
    "kernel.apparmor_restrict_unprivileged_userns=0, or, in a container, run it with --privileged"
)
NOBODY = 65534
PYTHON_FLAGS = ("-I", "-S", "-B", "-X", "utf8")
"""Isolated, without `site`, without writing bytecode: nothing of the host's configuration, and 5 ms saved."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python to run programs with.

    Attributes:
        executable: Its binary, not a link into a virtual environment.
        files: Files and folders it needs, bound read-only where they are.
        packages: Folders of third-party packages, bound read-only elsewhere.
    """

    executable: Path
    files: tuple[Path, ...]
    packages: tuple[Path, ...]


def this_interpreter() -> Interpreter:
    """The Python that is running now, without the virtual environment around it, but with its packages."""
    base = Path(sys.base_prefix)
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    files = (executable,) if base == Path("/usr") else (base,)
    packages = tuple(
        path for path in map(Path, sys.path) if path.name in {"site-packages", "dist-packages"} and path.is_dir()
    )
    return Interpreter(executable, files, packages)


def bubblewrap_command(
    bwrap: str, interpreter: Interpreter, limits: SandboxLimits, *, privileged: bool, serves: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command line of one sandbox.

    Args:
        bwrap: Path of bubblewrap.
        interpreter: The Python to run.
        limits: `disk_mb` sizes the scratch folder.
        privileged: Whether the superuser starts it. Then the namespaces need no user namespace; the runner keeps the
            right to change its user and does so before it reads a line of the program. Otherwise a user namespace
            maps the caller to nobody, and no further one can be made inside.
        serves: Whether it runs many programs (`flowsteer.sandbox.fork_server`), which then have no scratch folder.

    Returns:
        The command, and the package folders as seen inside.
    """
    user = (
        ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        if privileged
        else ("--unshare-user", "--disable-userns", "--uid", f"{NOBODY}", "--gid", f"{NOBODY}", "--cap-drop", "ALL")
    )
    namespaces = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
    packages = tuple(f"/packages/{index}" for index in range(len(interpreter.packages)))
    binds: list[str] = []
    for source, target in (
        *((path, path) for path in interpreter.files),
        *((path, Path(inside)) for path, inside in zip(interpreter.packages, packages, strict=True)),
    ):
        binds += _bind(source, target)
    scratch = () if serves else ("--perms", "1777", "--size", f"{limits.disk_mb * MIB}", "--tmpfs", "/tmp")  # noqa: S108
    start = ("--chdir", "/", "--as-pid-1") if serves else ("--chdir", "/tmp")  # noqa: S108
    command = (
        *(bwrap, *user, *namespaces, "--die-with-parent", "--clearenv"),
        *(*_system_libraries(), *binds, "--ro-bind", f"{GUEST}", "/guest"),
        *("--proc", "/proc", "--dev", "/dev", *scratch, "--remount-ro", "/dev", "--remount-ro", "/"),
        *(*start, "--", f"{interpreter.executable}", *PYTHON_FLAGS, "/guest/runner.py", *(["serve"] if serves else [])),
    )
    return command, packages


def _bind(source: Path, target: Path) -> list[str]:
    """Bind read-only, below folders that any user may pass (left alone, bubblewrap makes `/root` private again)."""
    parents = [item for parent in reversed(target.parents[:-1]) for item in ("--perms", "0755", "--dir", f"{parent}")]
    return [*parents, "--ro-bind", f"{source}", f"{target}"]


@functools.cache
def _system_libraries() -> Sequence[str]:
    """Bind the shared libraries and the time zones, and nothing else of the system (no `/etc`, no programs)."""
    arguments: list[str] = []
    for folder in (Path("/lib"), Path("/lib32"), Path("/lib64")):
        if folder.is_symlink():
            arguments += ["--symlink", f"{folder.readlink()}", f"{folder}"]
        elif folder.is_dir():
            arguments += _bind(folder, folder)
    for path in map(Path, ("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache")):
        if path.exists():
            arguments += _bind(path, path)
    return tuple(arguments)


class BubblewrapSandbox:
    """Runs programs under full CPython, each in a fresh bubblewrap sandbox.

    Args:
        interpreter: The Python to run; by default the one running now.
        concurrency: Most sandboxes at once, by default one a processor; further runs wait, and their clock with them.

    Raises:
        SandboxError: If this is not Linux, bubblewrap is not installed, or the kernel is not supported.
    """

    tier: Tier = "bubblewrap"

    def __init__(self, interpreter: Interpreter | None = None, concurrency: int | None = None) -> None:
        if platform.system() != "Linux":
            raise SandboxError(f"bubblewrap is for Linux only, and this is {platform.system()}", ELSEWHERE)
        found = shutil.which("bwrap")
        if found is None:
            raise SandboxError("bubblewrap (the command bwrap) is not installed", INSTALL)
        if not CHILDREN.exists():
            raise SandboxError(
                f"this kernel does not list the children of a process ({CHILDREN} is missing), by which their time is "
                "counted",
                "use --sandbox container, or a kernel with CONFIG_PROC_CHILDREN",
            )
        self._bwrap = found
        self._filter = seccomp_filter(platform.machine())
        self._interpreter = interpreter or this_interpreter()
        self.places = Places(concurrency)

    async def run(self, program: Program, limits: SandboxLimits = SandboxLimits()) -> Outcome:
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`.

        Raises:
            SandboxError: If namespaces are not permitted here.
        """
        async with self.places.one() as processor:
            ended = await run_process(*self._prepare(program, limits, "alone", processor), limits)
        try:
            return outcome(self.tier, program, limits, ended)
        except SandboxError as error:
            raise SandboxError(error.message, PERMIT) from None

    async def run_pair(self, caller: Caller, callee: Program, limits: SandboxLimits = SandboxLimits()) -> PairOutcome:
        """Run two programs; see `flowsteer.sandbox.pair.PairSandbox.run_pair`.

        Raises:
            SandboxError: If namespaces are not permitted here.
        """
        async with self.places.one() as processor:
            ours = self._prepare(caller, limits, "caller", processor)
            theirs = self._prepare(callee, limits, "callee", processor)
            try:
                return await run_pair(self.tier, ours, theirs, limits)
            except SandboxError as error:
                raise SandboxError(error.message, PERMIT) from None

    def _prepare(
        self, program: Program | Caller, limits: SandboxLimits, role: Role, processor: int
    ) -> tuple[Launch, bytes]:
        launch, packages = self.launch(limits, processor)
        return launch, encode_request(program, resource_limits(limits), packages, own_user(), role)

    def launch(self, limits: SandboxLimits, processor: int, *, serves: bool = False) -> tuple[Launch, tuple[str, ...]]:
        """How to start a sandbox on a processor and behind the filter, and its package folders as seen inside.

        Args:
            limits: See `bubblewrap_command`.
            processor: The processor's number.
            serves: See `bubblewrap_command`.
        """
        privileged = os.geteuid() == 0
        command, packages = bubblewrap_command(
            self._bwrap, self._interpreter, limits, privileged=privileged, serves=serves
        )
        # It reads further options from the gate (there are none) before it starts its first child.
        command = (self._bwrap, "--args", GATE, "--seccomp", FILTER, *command[1:])
        return Launch(command, {}, processor=processor, filter=self._filter), packages

    async def aclose(self) -> None:
        """Nothing to end: every process ends with its run."""


def own_user() -> int | None:
    """A user id that no account and, but for a chance in a billion, no other run has; None if it cannot be changed.

    The kernel counts processes by user and lets a user signal its own: one user a run keeps runs apart.
    """
    return 1_000_000_000 + secrets.randbelow(1_000_000_000) if os.geteuid() == 0 else None
