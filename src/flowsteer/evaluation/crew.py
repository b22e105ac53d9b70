"""Ray actors that take episodes: the least busy one that is there; what a dead one had begun is done by another.

Ray starts an actor, and a dead one again, where it finds room, which may be much later, on a node that joins, or never.
So nothing waits for one: episodes go to those that are there.
"""

import asyncio
from asyncio import FIRST_COMPLETED
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

Coming = asyncio.Task[bool]
"""Waits until an actor is there, or there again: true; or false, if it never will be."""


@dataclass(eq=False, slots=True)
class _Member:
    actor: Any
    coming: Coming
    busy: int = 0

    @property
    def is_there(self) -> bool:
        return self.coming.done() and self.coming.result()


class Crew:
    """The actors.

    Args:
        actors: Handles of `flowsteer.evaluation.ray_engine.Worker`; made while an event loop runs.
    """

    def __init__(self, actors: list[Any]) -> None:
        exceptions = import_module("ray.exceptions")
        self._gone: tuple[type[Exception], ...] = (exceptions.RayActorError, exceptions.NodeDiedError)
        self._gone_for_good: type[Exception] = exceptions.ActorDiedError
        self._members = [_Member(actor, self._expected(actor)) for actor in actors]

    async def run(self, job: Any) -> dict[str, Any]:
        """What `Worker.run` returns for an episode, from another worker should one die.

        Raises:
            BackendUnavailable: No worker is there, or the episode's died each time.
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
                    member.coming = self._expected(member.actor)
            else:
                return done
            finally:
                member.busy -= 1
        raise BackendUnavailable(f"{TRIES} Ray workers died of it: {failure}", "run it again to go on") from failure

    async def _least_busy(self) -> _Member:
        while not (there := [member for member in self._members if member.is_there]):
            awaited = [member.coming for member in self._members if not member.coming.done()]
            came = awaited and (await asyncio.wait(awaited, timeout=PATIENCE_SECONDS, return_when=FIRST_COMPLETED))[0]
            if not came:
                raise BackendUnavailable("no Ray worker is there", "add a node, then run it again to go on")
        return min(there, key=lambda member: member.busy)

    def _expected(self, actor: Any) -> Coming:
        return asyncio.create_task(self._comes(actor))

    async def _comes(self, actor: Any) -> bool:
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
        for member in self._members:
            member.coming.cancel()
        await asyncio.gather(*(member.coming for member in self._members), return_exceptions=True)


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
