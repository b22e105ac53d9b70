"""The same episodes in worker processes of Ray (optional extra `scale`), on this machine or a cluster.

Each worker connects a session of its own and gets an equal share of what is left of the budget, so that together they
never exceed it. Only this process writes the run folder. The session's seed and the episode's decide every draw, so
scores are those of a local run.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

from flowsteer.backends.budget import Caps
from flowsteer.errors import BackendUnavailable, BudgetExceeded, ConfigError, FlowSteerError, SandboxError
from flowsteer.evaluation.crew import Crew, crew_of
from flowsteer.evaluation.episodes import Job, run_job
from flowsteer.grading.connect import GradeAnswer, open_grader
from flowsteer.runs.event_json import event_line
from flowsteer.runs.events import Event
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.session import Session, Setup, open_session
from flowsteer.usage import Usage

_ERRORS: dict[str, type[FlowSteerError]] = {
    kind.__name__: kind for kind in (BackendUnavailable, SandboxError, BudgetExceeded)
}


class RayEngine:
    """An `JobEngine` that has Ray actors run episodes and commits what they send back.

    Args:
        crew: The actors.
        width: Episodes in flight over all of them.
        folder: Where episodes are committed.
    """

    def __init__(self, crew: Crew, width: int, folder: RunFolder) -> None:
        self.width = width
        self._crew = crew
        self._failure: type[Exception] = import_module("ray.exceptions").RayError
        self._folder = folder

    async def run(self, job: Job) -> EpisodeSummary:
        """See `JobEngine.run`."""
        try:
            done = await self._crew.run(job)
        except self._failure as error:
            raise BackendUnavailable(f"a Ray worker failed: {error}", "run it again to go on") from error
        if "error" in done:
            raise _ERRORS[done["error"]](done["message"], done["hint"])
        return self._folder.append(job.id, done["summary"], done["events"]).summary


@asynccontextmanager
async def ray_engine(
    setup: Setup, spent: Usage, folder: RunFolder, workers: int, concurrency: int
) -> AsyncIterator[RayEngine]:
    """Start Ray, or join the cluster that `RAY_ADDRESS` names, and end it on leaving the block.

    Args:
        setup: What each worker connects.
        spent: What the run has cost so far.
        folder: Where episodes are committed.
        workers: Worker processes.
        concurrency: Episodes at once over all workers.

    Raises:
        ConfigError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise ConfigError("the engine ray is not installed", "pip install 'flowsteer[scale]'") from error
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level="ERROR")
    else:
        ray.init(
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
        )
    try:
        each = -(-concurrency // workers)
        caps = setup.caps
        # What a worker that died has spent is not known, so under a budget none takes its place.
        again = caps.calls is None and caps.tokens is None and caps.cost is None
        actor = ray.remote(num_cpus=1, max_concurrency=each, max_restarts=-1 if again else 0)(Worker)
        own = replace(setup, roster=dict(setup.roster), caps=shared(caps, spent, workers))
        async with crew_of([actor.remote(own) for _ in range(workers)]) as crew:
            yield RayEngine(crew, each * workers, folder)
    finally:
        ray.shutdown()


def shared(caps: Caps, spent: Usage, workers: int) -> Caps:
    """An equal share of what is left of a budget; all workers' clocks run at once.

    >>> shared(Caps(calls=10, seconds=60.0), Usage(calls=3), 2)
    Caps(calls=3, tokens=None, seconds=60.0, cost=None)
    """
    return Caps(
        calls=None if caps.calls is None else max(0, caps.calls - spent.calls) // workers,
        tokens=None if caps.tokens is None else max(0, caps.tokens - spent.tokens) // workers,
        seconds=caps.seconds,
        cost=None if caps.cost is None else max(0.0, caps.cost - (spent.cost or 0.0)) / workers,
    )


class Worker:
    """One worker process: a session, opened with the first episode, and a grader.

    Args:
        setup: What to connect.
    """

    def __init__(self, setup: Setup) -> None:
        import asyncio

        self._setup = setup
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._ready: tuple[Session, GradeAnswer] | None = None

    async def is_there(self) -> bool:
        """Answers once the worker has begun, again too."""
        return True

    async def run(self, job: Job) -> dict[str, Any]:
        """Run and grade one episode.

        Returns:
            `summary` and `events` (JSON texts); or `error`, `message` and `hint` of an error that is no bug.
        """
        events: list[str] = []

        def emit(event: Event) -> None:
            events.append(event_line(event))

        try:
            session, grade = await self._open()
            return {"summary": await run_job(session, job, grade, emit), "events": events}
        except tuple(_ERRORS.values()) as error:
            return {"error": type(error).__name__, "message": error.message, "hint": error.hint}

    async def _open(self) -> tuple[Session, GradeAnswer]:
        async with self._opening:
            if self._ready is None:
                session = await self._stack.enter_async_context(open_session(self._setup))
                self._ready = session, await self._stack.enter_async_context(open_grader())
            return self._ready
