"""The embedded sandbox: Monty, a Python interpreter in Rust, in worker processes that can touch nothing."""

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TypeVar

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits, Status, Tier
from flowsteer.sandbox.monty_pair import MontyPair
from flowsteer.sandbox.monty_session import MontyRun
from flowsteer.sandbox.pair import Caller, PairOutcome
from flowsteer.sandbox.processors import usable

if TYPE_CHECKING:
    from pydantic_monty import Monty

RUNS_PER_WORKER = 500
"""A worker is replaced after this many runs, which bounds whatever an interpreter might keep."""

GRACE_SECONDS = 0.25
"""How much later than the interpreter's own limit a worker is killed."""


Result = TypeVar("Result", covariant=True)


class _Run(Protocol[Result]):
    """A run of one program or of a pair."""

    def on(self, pool: "Monty") -> Result: ...

    def kill(self, status: Status, error: str) -> None: ...


class MontySandbox:
    """Runs programs in Monty, each in a fresh session, on as many worker processes as there are processors.

    Workers start with the first run. Monty's blocking interface is driven from threads: the asynchronous one aborts the
    interpreter now and then when the process exits soon after use. Use one sandbox in one event loop.

    Args:
        workers: Most runs at once, each on a worker process of its own (a pair on two); by default one a processor.
    """

    tier: Tier = "monty"

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or len(usable())
        self._places = asyncio.Semaphore(self._workers)
        self._starting = threading.Lock()
        self._threads = ThreadPoolExecutor(self._workers, "monty")
        self._pool: Monty | None = None

    async def run(self, program: Program, limits: SandboxLimits = SandboxLimits()) -> Outcome:
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`.

        Being cancelled kills the worker.

        Raises:
            SandboxError: If the worker processes cannot be started, or an argument of a call is no plain value.
        """
        run = MontyRun(program, limits)
        (status, error), seconds = await self._supervise(run, limits)
        value = run.value if status == "ok" else None
        return Outcome(status, "".join(run.printed), value, error, seconds, self.tier, tuple(run.returns))

    async def run_pair(self, caller: Caller, callee: Program, limits: SandboxLimits = SandboxLimits()) -> PairOutcome:
        """Run two programs; see `flowsteer.sandbox.pair.PairSandbox.run_pair`.

        Raises:
            SandboxError: If the worker processes cannot be started.
        """
        outcome, seconds = await self._supervise(MontyPair(caller, callee, limits), limits)
        return replace(outcome, seconds=seconds)

    async def _supervise(self, run: _Run[Result], limits: SandboxLimits) -> tuple[Result, float]:
        """Run on a thread, and kill what outlives its time; give the result and the wall time."""
        async with self._places:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._work, run)
            started = time.monotonic()
            try:
                await asyncio.wait((work,), timeout=limits.seconds + GRACE_SECONDS)
            finally:
                if not work.done():
                    run.kill("timeout", f"still running after {limits.seconds:g} s")
                    await asyncio.wait((work,))
            return work.result(), time.monotonic() - started

    async def aclose(self) -> None:
        """End all worker processes."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._threads.shutdown()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.__exit__(None, None, None)

    def _work(self, run: _Run[Result]) -> Result:
        return run.on(self._started())

    def _started(self) -> "Monty":
        with self._starting:
            if self._pool is None:
                from pydantic_monty import Monty, MontyError

                remember_absence("opentelemetry")
                pool = Monty(max_processes=2 * self._workers, max_checkouts_per_worker=RUNS_PER_WORKER)
                try:
                    pool.__enter__()
                except (OSError, RuntimeError, MontyError) as error:
                    raise SandboxError(
                        f"Monty's worker processes cannot be started: {error}",
                        "pip install --force-reinstall pydantic-monty",
                    ) from error
                self._pool = pool
            return self._pool


def remember_absence(package: str) -> None:
    """Have Python remember that a package is not installed.

    Monty looks for its tracing library twice with each piece of code that it runs, and Python searches every folder
    again each time, which takes longer than running the code.
    """
    if find_spec(package) is None:
        sys.modules[package] = None  # type: ignore[assignment]  # how the import system marks what is absent
