"""The one protocol between this package and any place where model-written code may run."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

Tier = Literal["monty", "bubblewrap", "container"]
"""Tiers from weakest language support to strongest: `monty` runs a subset of Python, the others full CPython."""

Status = Literal["ok", "error", "timeout", "memory", "output", "unsupported"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use.

    Attributes:
        seconds: Wall time.
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
class Program:
    """Python code to run.

    Attributes:
        code: The module's text.
        stdin: What it reads from standard input.
        result: Name of a module-level variable, or an expression over the module's names such as `solve()`, whose
            value comes back in `Outcome.value`; empty for none. Only plain values (None, bool, int, float, str, and
            lists, tuples, dicts, sets of them) cross.
    """

    code: str
    stdin: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did.

    Attributes:
        status: `ok`; `error` (an exception or non-zero exit); `timeout`, `memory`, `output` (a limit was hit); or
            `unsupported` (this tier lacks a language feature or module: a stronger tier may run it).
        stdout: What it printed, cut at the limit.
        value: The value of `Program.result`; None without one.
        error: Type and message of the exception, or the reason; empty when ok.
        seconds: Wall time.
        tier: Where it ran.
    """

    status: Status
    stdout: str = ""
    value: Any = None
    error: str = ""
    seconds: float = 0.0
    tier: Tier = "monty"


class Sandbox(Protocol):
    """A place to run untrusted code. Calls may be concurrent."""

    @property
    def tier(self) -> Tier:
        """Which tier this is."""
        ...

    async def run(self, program: Program, limits: Limits = ...) -> Outcome:
        """Run a program with nothing from the host: no network, no environment, no files, no keys.

        Raises:
            SandboxError: The sandbox itself is missing or broke (never the program's fault).
        """
        ...

    async def aclose(self) -> None:
        """End all worker processes."""
        ...
