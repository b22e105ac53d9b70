"""The same episodes in worker processes of Ray (optional extra `scale`), on this machine or a cluster.

Each worker connects a session of its own and gets an equal share of the calls, tokens and money that are left of the
budget, so that together they never exceed it. Only this process writes the run folder. The session's seed and the
episode's decide every draw, so scores are those of a local run.

Ray starts a worker where it finds room, which may be much later, on a node that joins, or never. On a cluster that
grows by itself, a worker that waits for room is what makes it grow.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

from flowsteer.backends.budget import Budget, Caps
from flowsteer.errors import ConfigError
from flowsteer.evaluation.llama_host import LlamaHost
from flowsteer.evaluation.ray_worker import Finished, Worker
from flowsteer.evaluation.worker_pool import Exchange, WorkerPool
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.session import Setup
from flowsteer.usage import NO_USAGE, Usage


@asynccontextmanager
async def ray_engine(
    setup: Setup, budget: Budget, folder: RunFolder, workers: int, concurrency: int, llama: bool = False
) -> AsyncIterator[WorkerPool]:
    """Start Ray, or join the cluster that `RAY_ADDRESS` names, and end it on leaving the block.

    Args:
        setup: What each worker connects.
        budget: Of the run; what the workers pay is booked there.
        folder: Where episodes are committed.
        workers: Most worker processes.
        concurrency: Episodes at once over all workers.
        llama: Whether embedded servers are asked: then each node has its own, which its workers share.

    Raises:
        ConfigError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise ConfigError("the engine ray is not installed", "pip install 'flowsteer[scale]'") from error
    workers = min(workers, concurrency)
    _begin(ray, workers)
    each, caps = -(-concurrency // workers), setup.caps
    # What a worker that died has spent is not known, so under a budget none takes its place.
    again = caps.calls is None and caps.tokens is None and caps.cost is None
    own = replace(setup, roster=dict(setup.roster), caps=shared(caps, budget.spent, workers))
    actor, hosts = ray.remote(num_cpus=1)(Worker), dict[str, Any]()

    @asynccontextmanager
    async def start() -> AsyncIterator[Exchange]:
        worker: Any = actor.remote(own, each)
        try:
            node = await worker.node.remote()
            if llama:
                hosts[node] = hosts.get(node) or _host_on(ray, node)
                await worker.share.remote(hosts[node])
            yield worker.exchange.remote
        finally:
            ray.kill(worker)

    def commit(batch: Sequence[Finished]) -> None:
        budget.book(sum((one.paid for one in batch), NO_USAGE))
        folder.append_all(
            [
                (one.episode, one.outcome, one.events)
                for one in batch
                if isinstance(one.outcome, EpisodeSummary) and one.outcome.lost is None
            ]
        )

    try:
        async with WorkerPool(start, workers, each, commit, again) as pool:
            yield pool
    finally:
        ray.shutdown()


def _begin(ray: Any, workers: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(**quiet, num_cpus=workers, include_dashboard=False, _node_ip_address="127.0.0.1")


def _host_on(ray: Any, node: str) -> Any:
    """What owns the embedded servers of a node; this process owns it, so it ends with the run."""
    there = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=there)(LlamaHost).remote()


def shared(caps: Caps, spent: Usage, workers: int) -> Caps:
    """An equal share of what is left of a budget; seconds are no share, but count from each worker's own start.

    >>> shared(Caps(calls=10, seconds=60.0), Usage(calls=3), 2)
    Caps(calls=3, tokens=None, seconds=60.0, cost=None)
    """
    return Caps(
        calls=None if caps.calls is None else max(0, caps.calls - spent.calls) // workers,
        tokens=None if caps.tokens is None else max(0, caps.tokens - spent.tokens) // workers,
        seconds=caps.seconds,
        cost=None if caps.cost is None else max(0.0, caps.cost - (spent.cost or 0.0)) / workers,
    )
