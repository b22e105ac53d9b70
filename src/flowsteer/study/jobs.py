"""The processes of a study: this one, or several of one thread each that share the work."""

import multiprocessing
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from flowsteer.errors import FlowSteerError, RunError
from flowsteer.study.cells import work
from flowsteer.study.study_config import load_study

LOOK = 1.0
"""Seconds between two looks at what the processes have done."""

GRACE = 10.0
"""Seconds that a process has to clean up when it is ended."""


def run_study(file: Path, run: Path, jobs: int, on_change: Callable[[], None] = lambda: None) -> None:
    """Do what is left of a study.

    Args:
        file: The study file.
        run: The study's folder.
        jobs: Processes.
        on_change: Called now and then.

    Raises:
        FlowSteerError: See `flowsteer.study.cells.work`; of several processes, the first one's, and all are ended.
        RunError: A process ended without a word, as when it is killed.
    """
    if jobs == 1:
        work(load_study(file), run, on_change)
        return
    context = multiprocessing.get_context("spawn")
    running = []
    for _ in range(jobs):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(file, run, theirs))
        process.start()
        theirs.close()
        running.append((process, ours))
    try:
        while running:
            time.sleep(LOOK)
            on_change()
            for process, ours in [pair for pair in running if not pair[0].is_alive()]:
                _check(process.exitcode, ours)
                running.remove((process, ours))
    finally:
        for process, _ in running:
            process.terminate()
        for process, _ in running:
            process.join(GRACE)
            process.kill()
            process.join()


def _check(code: int | None, told: Connection) -> None:
    """Raise what a process has told, if it failed."""
    if told.poll():
        with suppress(EOFError):
            error = told.recv()
            assert isinstance(error, FlowSteerError)  # noqa: S101 - nothing else is sent
            raise error
    if code:
        raise RunError(f"a process of the study ended with code {code}", "run the same command again to go on")


def _work(file: Path, run: Path, told: Connection) -> None:
    """What a process of a study does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it is ended as by Ctrl-C, and cleans up
    try:
        work(load_study(file), run)
    except FlowSteerError as error:
        told.send(error)
    except KeyboardInterrupt:
        pass  # the process that waits for this one says so
