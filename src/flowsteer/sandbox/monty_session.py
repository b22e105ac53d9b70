"""One program in one Monty session: what is fed, what comes back, and what each ending means."""

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Call, Program, Return, SandboxLimits, Status
from flowsteer.sandbox.monty_gaps import is_gap
from flowsteer.sandbox.monty_prelude import ENCODER, STANDARD_INPUT, spell_for_monty
from flowsteer.sandbox.plain import decode
from flowsteer.sandbox.process import CHANNEL_BYTES
from flowsteer.sandbox.protocol import ERROR_CHARS

if TYPE_CHECKING:
    from pydantic_monty import Monty, MontySession

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What ends a worker at once; Windows has one way to, under the other name."""

LEFT = ("SystemExit", "SystemExit: 0")
"""What Monty shows of a program that left of its own accord, and well."""

SUSPENSIONS = 1_000_000
"""Most sleeps in one run; Monty counts them, and time bounds them anyway."""


class RunEnded(Exception):
    """The run is over before its program is."""

    def __init__(self, status: Status, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error[:ERROR_CHARS]


class MontyRun:
    """A run and what it has given so far. `on` runs in a worker thread; `kill` may come from any other.

    Attributes:
        printed: Pieces of output, together no longer than the limit.
        returns: What the calls made so far gave.
        value: The value of the program's result.
    """

    def __init__(self, program: Program, limits: SandboxLimits) -> None:
        self.printed: list[str] = []
        self.returns: list[Return] = []
        self.value: Any = None
        self._program = program
        self._limits = limits
        self._room = limits.output_bytes
        self._lock = threading.Lock()
        self._worker: int | None = None
        self._killed: RunEnded | None = None

    def on(self, pool: "Monty") -> tuple[Status, str]:
        """Run on a worker of this pool; give status and error."""
        seconds = self._limits.seconds
        limits: Any = {
            "max_feed_duration_secs": seconds,
            "max_total_sleep_secs": seconds,
            "max_memory": self._limits.memory_mb * 1024 * 1024,
            "max_suspensions": SUSPENSIONS,
        }
        policy: Any = {"sleep_system_max": float("inf")}  # the limit on all sleep ends the run; a cap would shorten it
        session = pool.checkout(limits=limits, os_policy=policy, assert_message_annotations=False)
        try:
            with session:
                self._attach(session.worker_pid)
                try:
                    self._drive(session)
                finally:
                    self._attach(None)
        except RunEnded as ended:
            ended = self._killed or ended
            return ended.status, ended.error
        return "ok", ""

    def kill(self, status: Status, error: str) -> None:
        """Kill the worker process; the run ends with this status."""
        with self._lock:
            self._killed = RunEnded(status, error)
            if self._worker is not None:
                with contextlib.suppress(OSError):  # it has just ended
                    os.kill(self._worker, KILL)

    def _attach(self, worker: int | None) -> None:
        """Note which process to kill; only while the session holds it is its id sure to be its own."""
        with self._lock:
            self._worker = worker
            if worker is not None and self._killed is not None:
                raise self._killed

    def _drive(self, session: "MontySession") -> None:
        self._feed(session, STANDARD_INPUT, {"__stdin_text": self._program.stdin})
        try:
            self._feed(session, spell_for_monty(self._program.code))
        except RunEnded as ended:
            if ended.error not in LEFT:
                raise
        if self._program.calls or self._program.result:
            self._feed(session, ENCODER)
        for call in self._program.calls:
            self.returns.append(self._call(session, call))
        if self._program.result:
            self.value = self._evaluate(session, self._program.result)

    def _call(self, session: "MontySession", call: Call) -> Return:
        try:
            return Return(self._evaluate(session, f"({call.function})(*__args)", {"__args": call.args}))
        except RunEnded as ended:
            if ended.status != "error" or self._killed:
                raise
            return Return(error=ended.error)

    def _evaluate(self, session: "MontySession", expression: str, inputs: dict[str, Any] | None = None) -> Any:
        """The plain value of an expression; an f-string makes sure that text is all that crosses, and cuts it there."""
        shown = f"f'{{__plain(__value)}}'[:{CHANNEL_BYTES + 1}]"
        text = self._feed(session, f"__value = (\n{expression}\n)\n{shown}", inputs)
        if len(text) > CHANNEL_BYTES:
            raise RunEnded("output", f"returned more than {CHANNEL_BYTES} bytes")
        try:
            return decode(text)
        except ValueError as error:
            raise RunEnded("error", f"ValueError: {error}") from None

    def _feed(
        self,
        session: "MontySession",
        code: str,
        inputs: dict[str, Any] | None = None,
        lookup: dict[str, Any] | None = None,
    ) -> Any:
        from pydantic_monty import MontyConversionError, MontyCrashedError, MontyRuntimeError, MontySyntaxError

        try:
            return session.feed_run(code, inputs=inputs, external_lookup=lookup, print_callback=self._print)
        except (MontyRuntimeError, MontySyntaxError) as error:
            raise RunEnded(*judge(error.display("type-msg"))) from None
        except MontyCrashedError as error:
            status: Status = "timeout" if error.timed_out else "unsupported"
            raise RunEnded(status, f"Monty's worker process died: {error}") from None
        except UnicodeEncodeError as error:
            raise RunEnded("unsupported", f"Monty has no lone surrogates in strings: {error}") from None
        except MontyConversionError as error:
            raise SandboxError(
                f"an argument of a call is no plain value: {error}",
                "pass None, bool, int, float, str, list, tuple, dict, set",
            ) from None

    def _print(self, stream: str, text: str) -> None:
        """Keep what is printed, and kill the worker that prints too much (an error here it would see only later)."""
        if stream != "stdout" or self._room < 0:
            return
        data = text.encode()
        self.printed.append(text if len(data) <= self._room else data[: self._room].decode(errors="ignore"))
        self._room -= len(data)
        if self._room < 0:
            self.kill("output", f"printed more than {self._limits.output_bytes} bytes")


def judge(error: str) -> tuple[Status, str]:
    """What an error shown by Monty means for the run.

    Args:
        error: Type and message.

    >>> judge("ZeroDivisionError: division by zero")
    ('error', 'ZeroDivisionError: division by zero')
    """
    if error.startswith("TimeoutError: ") and "limit exceeded: " in error:
        return "timeout", error
    if error.startswith("MemoryError"):
        return "memory", error
    if is_gap(error):
        return "unsupported", f"Monty lacks this: {error}"
    return "error", error
