"""The embedded sandbox: Monty, a Python interpreter in Rust, in worker processes that can touch nothing."""

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Limits, Outcome, Program, Tier
from flowsteer.sandbox.monty_session import MontyRun

if TYPE_CHECKING:
    from pydantic_monty import Monty

RUNS_PER_WORKER = 500
"""A worker is replaced after this many runs, which bounds whatever an interpreter might keep."""

GRACE_SECONDS = 0.25
"""How much later than the interpreter's own limit a worker is killed."""


class MontySandbox:
    """Runs programs in Monty, each in a fresh session, on as many worker processes as there are processors.

    Workers start with the first run. Monty's blocking interface is driven from threads: the asynchronous one aborts the
    interpreter now and then when the process exits soon after use. Use one sandbox in one event loop.

    Args:
        workers: Most worker processes; by default one a processor.
    """

    tier: Tier = "monty"

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or len(os.sched_getaffinity(0))
        self._places = asyncio.Semaphore(self._workers)
        self._starting = threading.Lock()
        self._threads = ThreadPoolExecutor(self._workers, "monty")
        self._pool: Monty | None = None

    async def run(self, program: Program, limits: Limits = Limits()) -> Outcome:  # noqa: B008  # a frozen record
        """Run a program; see `flowsteer.sandbox.base.Sandbox.run`.

        Being cancelled kills the worker.

        Raises:
            SandboxError: If the worker processes cannot be started, or an argument of a call is no plain value.
        """
        async with self._places:
            run = MontyRun(program, limits)
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._work, run)
            started = time.monotonic()
            try:
                await asyncio.wait((work,), timeout=limits.seconds + GRACE_SECONDS)
            finally:
                if not work.done():
                    run.kill("timeout", f"still running after {limits.seconds:g} s")
                    await asyncio.wait((work,))
            status, error = work.result()
        value = run.value if status == "ok" else None
        seconds = time.monotonic() - started
        return Outcome(status, "".join(run.printed), value, error, seconds, self.tier, tuple(run.returns))

    async def aclose(self) -> None:
        """End all worker processes."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._threads.shutdown()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.__exit__(None, None, None)

    def _work(self, run: MontyRun) -> Any:
        return run.on(self._started())

    def _started(self) -> "Monty":
        with self._starting:
            if self._pool is None:
                from pydantic_monty import Monty, MontyError

                pool = Monty(max_processes=self._workers, max_checkouts_per_worker=RUNS_PER_WORKER)
                try:
                    pool.__enter__()
                except (OSError, RuntimeError, MontyError) as error:
                    raise SandboxError(
                        f"Monty's worker processes cannot be started: {error}",
                        "pip install --force-reinstall pydantic-monty",
                    ) from error
                self._pool = pool
            return self._pool
