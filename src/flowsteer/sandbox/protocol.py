"""The host's side of the conversation with `runner.py`: writes the request, reads the report, gives the outcome."""

import json
import marshal
import math
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Outcome, Program, Return, SandboxLimits, Status, Tier
from flowsteer.sandbox.pair import Caller
from flowsteer.sandbox.plain import decode
from flowsteer.sandbox.process import Ended

MARSHAL_VERSION = 2
"""A format that every Python 3 reads, whichever version the sandbox holds."""

Role = Literal["alone", "caller", "callee"]

STATUSES: dict[str, Status] = {"ok": "ok", "error": "error", "memory": "memory"}
INTERFERENCE = "the program interfered with the channel its result leaves by"
ERROR_CHARS = 2000
"""Most characters of an error, which may quote values of any size; it is recorded and shown to LLMs."""
MIB = 1024 * 1024


def resource_limits(limits: SandboxLimits) -> dict[str, int]:
    """The limits as rlimits by name; they hold for each process of the program."""
    return {
        "AS": limits.memory_mb * MIB,
        "CPU": math.ceil(limits.seconds) + 1,
        "FSIZE": limits.disk_mb * MIB,
        "NPROC": limits.processes,
        "NOFILE": 256,
        "CORE": 0,
    }


def encode_request(
    program: Program | Caller, rlimits: dict[str, int], packages: Iterable[str], user: int | None, role: Role = "alone"
) -> bytes:
    """The bytes `runner.py` reads.

    Args:
        program: What to run.
        rlimits: Resource limits by name, without the `RLIMIT_` prefix.
        packages: Folders, as seen inside, to import third-party packages from.
        user: The user id to change to first; None if the sandbox has already left the superuser.
        role: What it is in a pair of programs (`flowsteer.sandbox.pair`), if in one; then it has no standard input.

    Raises:
        SandboxError: If an argument of a call is no plain value (the caller's mistake, not the program's).
    """
    parts: tuple[str, str, list[Any]]
    if isinstance(program, Caller):
        parts = program.before, program.after, [*program.names]
    else:
        parts = program.code, program.result, [(call.function, call.args) for call in program.calls]
    request = {
        **dict(zip(("code", "result", "calls"), parts, strict=True)),
        "rlimits": rlimits,
        "packages": list(packages),
        "user": user,
        "role": role,
    }
    data = encode(request)
    stdin = program.stdin.encode("utf-8", "surrogatepass") if isinstance(program, Program) and role == "alone" else b""
    return len(data).to_bytes(8, "little") + data + stdin


def encode(message: Any) -> bytes:
    """What the host writes to `runner.py`.

    Raises:
        SandboxError: If something in it is no plain value.
    """
    try:
        return marshal.dumps(message, MARSHAL_VERSION)
    except ValueError:
        raise SandboxError(
            "an argument of a call is no plain value", "pass None, bool, int, float, str, list, tuple, dict, set"
        ) from None


@dataclass(slots=True)
class Report:
    """What the channel said, up to the first frame that makes no sense."""

    ready: bool = False
    value: Any = None
    valued: bool = False
    returns: list[Return] = field(default_factory=list)
    status: Status | None = None
    error: str = ""
    forged: bool = False


def read_report(channel: bytes) -> Report:
    """Read the frames of a channel; those after `end` are ignored."""
    report = Report()
    for line in channel.split(b"\n"):
        if not line or report.status is not None:
            break
        try:
            _read_frame(report, line.decode("ascii"))
        except ValueError:
            report.forged = True
            break
    return report


def _read_frame(report: Report, line: str) -> None:
    kind, _, payload = line.partition(" ")
    match kind:
        case "ready":
            report.ready = True
        case "value":
            report.value, report.valued = decode(payload), True
        case "return":
            report.returns.append(_decode_return(payload))
        case "raised":
            report.returns.append(Return(error=read_error(payload)))
        case "end":
            status, _, error = payload.partition(" ")
            report.error = read_error(error)
            report.status = STATUSES.get(status, "error")
        case _:
            raise ValueError(f"unknown frame {kind}")


def _decode_return(payload: str) -> Return:
    try:
        return Return(decode(payload))
    except ValueError as error:
        return Return(error=f"ValueError: {error}"[:ERROR_CHARS])


def read_error(payload: str) -> str:
    """The error that a frame carries, at most `ERROR_CHARS` of it; raises ValueError if it carries none."""
    text = json.loads(payload)
    if not isinstance(text, str):
        raise ValueError("expected a string")
    return text[:ERROR_CHARS]


def outcome(tier: Tier, program: Program, limits: SandboxLimits, ended: Ended) -> Outcome:
    """What a finished process means.

    Args:
        tier: Where it ran.
        program: What was run.
        limits: What it was allowed.
        ended: How its process ended and what it wrote.

    Raises:
        SandboxError: If the program was never started; the launcher's own words say why.
    """
    report = read_report(ended.channel)
    if not report.ready and ended.cause == "exit":
        reason = ended.channel.decode(errors="replace").strip() or f"exit status {ended.returncode}"
        raise SandboxError(f"{tier} could not start its sandbox: {reason[-500:]}")
    status, error = _verdict(report, program, limits, ended)
    value = report.value if status == "ok" else None
    stdout = ended.stdout.decode(errors="replace")
    return Outcome(status, stdout, value, error, ended.seconds, tier, tuple(report.returns))


def _verdict(report: Report, program: Program, limits: SandboxLimits, ended: Ended) -> tuple[Status, str]:
    if ended.cause == "timeout":
        return "timeout", f"still running after {limits.seconds:g} s"
    if ended.cause == "output":
        return "output", ended.detail
    complete = report.valued == bool(program.result) and len(report.returns) == len(program.calls)
    if report.forged or (report.status == "ok" and not complete):
        return "error", INTERFERENCE
    if report.status is not None:
        return report.status, report.error
    number = ended.returncode - 128 if ended.returncode > 128 else -ended.returncode
    if number == signal.SIGXCPU:
        return "timeout", f"used more than {math.ceil(limits.seconds) + 1} s of processor time"
    if number > 0:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return "error", f"the process was ended by {name}"
    if ended.returncode == 0 and not program.result and not program.calls:
        return "ok", ""
    return "error", f"the process exited with status {ended.returncode} before it had reported"
