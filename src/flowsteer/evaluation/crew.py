"""Ray actors that take episodes: the least busy one that is there; what a dead one had begun is done by another.

Ray starts a dead actor again where it finds room, which may be much later, on a node that joins, or never. So nothing
waits for one: episodes go to those that are there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from flowsteer.errors import BackendUnavailable

TRIES = 3
"""Times an episode is begun: one that ends its worker each time ends no more than so many."""

PATIENCE_SECONDS = 600.0
"""Longest wait for a worker when none is there."""

PING_SECONDS = 1.0
"""Between two looks at a worker that is away."""

Returning = asyncio.Task[bool]
"""Waits until an actor is there again: true; or false, if it never will be."""


@dataclass(eq=False, slots=True)
class _Member:
    actor: Any
    busy: int = 0
    returning: Returning | None = None

    @property
    def is_there(self) -> bool:
        return self.returning is None or (self.returning.done() and self.returning.result())


class Crew:
    """The actors.

    Args:
        actors: Handles of `flowsteer.evaluation.ray_engine.Worker`.
    """

    def __init__(self, actors: list[Any]) -> None:
        exceptions = import_module("ray.exceptions")
        self._gone: tuple[type[Exception], ...] = (exceptions.RayActorError, exceptions.NodeDiedError)
        self._gone_for_good: type[Exception] = exceptions.ActorDiedError
        self._members = [_Member(actor) for actor in actors]

    async def run(self, job: Any) -> dict[str, Any]:
        """What `Worker.run` returns for an episode, from another worker should one die.

        Raises:
            BackendUnavailable: No worker is left, or the episode's died each time.
            RayError: Ray itself failed.
        """
        failure: Exception | None = None
        for _ in range(TRIES):
            member = await self._least_busy()
            member.busy += 1
            try:
                done: dict[str, Any] = await member.actor.run.remote(job)
            except self._gone as error:
                failure = error
                if member.is_there:
                    member.returning = asyncio.create_task(self._return(member.actor))
            else:
                return done
            finally:
                member.busy -= 1
        raise BackendUnavailable(f"{TRIES} Ray workers died of it: {failure}", "run it again to go on") from failure

    async def _least_busy(self) -> _Member:
        while not (there := [member for member in self._members if member.is_there]):
            awaited = [one.returning for one in self._members if one.returning and not one.returning.done()]
            if (
                not awaited
                or not (await asyncio.wait(awaited, timeout=PATIENCE_SECONDS, return_when="FIRST_COMPLETED"))[0]
            ):
                raise BackendUnavailable("no Ray worker is left", "add a node, then run it again to go on")
        return min(there, key=lambda member: member.busy)

    async def _return(self, actor: Any) -> bool:
        while True:
            try:
                await actor.is_there.remote()
            except self._gone_for_good:
                return False
            except self._gone:
                await asyncio.sleep(PING_SECONDS)
            else:
                return True

    async def dismiss(self) -> None:
        """Wait for nobody any more."""
        awaited = [member.returning for member in self._members if member.returning is not None]
        for task in awaited:
            task.cancel()
        await asyncio.gather(*awaited, return_exceptions=True)


@asynccontextmanager
async def crew_of(actors: list[Any]) -> AsyncIterator[Crew]:
    """A crew, dismissed on leaving the block.

    Args:
        actors: Handles of `flowsteer.evaluation.ray_engine.Worker`.
    """
    crew = Crew(actors)
    try:
        yield crew
    finally:
        await crew.dismiss()
