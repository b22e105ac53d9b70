"""The one protocol between this package and any place where model-written code may run."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

Tier = Literal["monty", "bubblewrap", "container"]
"""Tiers from weakest language support to strongest: `monty` runs a subset of Python, the others full CPython."""

Status = Literal["ok", "error", "timeout", "memory", "output", "unsupported"]


UNCROSSED = "Uncrossable"
"""Type of the error of a value that has no form outside its process; it stands before its message."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one run may use.

    Attributes:
        seconds: Wall time; under bubblewrap less what it waited for a processor on a busy machine, at most five times
            as much in all, and never less than its processor time.
        memory_mb: Memory in MiB.
        output_bytes: Most bytes printed; more ends the run.
        processes: Most processes and threads at once (full CPython tiers).
        disk_mb: Most MiB written to the private scratch folder (full CPython tiers).
    """

    seconds: float = 30.0
    memory_mb: int = 512
    output_bytes: int = 64 * 1024
    processes: int = 16
    disk_mb: int = 64


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make once the program's module has run.

    Attributes:
        function: An expression over the module's names that gives a callable, such as `f` or `Solution().f`; it is
            evaluated anew for each call.
        args: Positional arguments, plain values.
    """

    function: str
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Return:
    """What one call gave.

    Attributes:
        value: What it returned; None if it raised.
        error: Type and message of what it raised, or why its value cannot cross; empty when it returned.
    """

    value: Any = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """Python code to run.

    Attributes:
        code: The module's text.
        stdin: What it reads from standard input.
        result: Name of a module-level variable, or an expression over the module's names such as `solve()`, whose
            value comes back in `Outcome.value`; empty for none. Only plain values (None, bool, int, float, str, and
            lists, tuples, dicts, sets of them) cross.
        calls: Calls to make after the module, in order, in the same process and with the same globals. One that
            raises does not stop the next.
    """

    code: str
    stdin: str = ""
    result: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did.

    Status, output and time are observed from outside. `value` and `returns` are claims of the process that ran the
    program: a program can make its own process claim any plain value, just as a function can return a constant.
    Never put a verdict there; compare on the other side.

    Attributes:
        status: `ok`; `error` (an exception or non-zero exit); `timeout`, `memory`, `output` (a limit was hit); or
            `unsupported` (this tier lacks a language feature or module: a stronger tier may run it).
        stdout: What it printed, cut at the limit.
        value: The value of `Program.result`; None without one.
        error: Type and message of the exception, or the reason; empty when ok.
        seconds: Wall time.
        tier: Where it ran.
        returns: One record for each call made, in order; shorter than `Program.calls` when a limit ended the run.
    """

    status: Status
    stdout: str = ""
    value: Any = None
    error: str = ""
    seconds: float = 0.0
    tier: Tier = "monty"
    returns: tuple[Return, ...] = ()


class Sandbox(Protocol):
    """A place to run untrusted code. Calls may be concurrent."""

    @property
    def tier(self) -> Tier:
        """Which tier this is."""
        ...

    async def run(self, program: Program, limits: SandboxLimits = ...) -> Outcome:
        """Run a program with nothing from the host: no network, no environment, no files, no keys.

        Raises:
            SandboxError: The sandbox itself is missing or broke (never the program's fault).
        """
        ...

    async def aclose(self) -> None:
        """End all worker processes."""
        ...
