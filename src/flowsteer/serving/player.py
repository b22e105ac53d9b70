"""Plays the episodes of a server: admits, runs, records, counts, and breaks off what nobody waits for."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from flowsteer.backends.budget import Caps
from flowsteer.canvas.canvas import changed_canvas
from flowsteer.errors import FlowSteerError, RunError
from flowsteer.evaluation.systems import System
from flowsteer.runs.events import EpisodeEnded, EpisodeStarted, Event
from flowsteer.runs.failure import Failure, failure_of, unexpected
from flowsteer.runs.folder import EpisodeWriter, RunFolder
from flowsteer.runs.summary import EpisodeSummary, Tally
from flowsteer.serving.admission import Admission, ServeLimits
from flowsteer.serving.gauges import Gauges
from flowsteer.serving.live_episode import LiveEpisode
from flowsteer.serving.own_budget import within
from flowsteer.serving.refusals import RequestRefused
from flowsteer.session import Session
from flowsteer.task import Task

log = logging.getLogger(__name__)

STOPPING = "the server is stopping"


@dataclass(frozen=True, slots=True)
class EpisodeAsked:
    """One episode that a client asks for.

    Attributes:
        system: Who works on it.
        task: The task.
        seed: Seed of every draw; None for the server's.
        max_turns: Most turns of a Director; None for the server's.
        caps: What it may cost.
    """

    system: System
    task: Task
    seed: int | None = None
    max_turns: int | None = None
    caps: Caps = Caps()


class Player:
    """Plays episodes in one session, and records them in one folder.

    Args:
        session: What is connected; all episodes share it.
        folder: Where they are recorded.
        limits: What is taken on.

    Attributes:
        admission: The places.
        gauges: The figures.
        folder: The run folder.
        live: The episodes in flight, by id.
    """

    def __init__(self, session: Session, folder: RunFolder, limits: ServeLimits) -> None:
        self._session, self._limits = session, limits
        self.admission = Admission(limits)
        self.gauges = Gauges(self.admission)
        self.folder = folder
        self.live: dict[str, LiveEpisode] = {}
        self._stopping = False

    def start(self, ask: EpisodeAsked) -> LiveEpisode:
        """Begin an episode, or line it up.

        Raises:
            RequestRefused: The queue is full, or the server is stopping.
        """
        if self._stopping:
            raise RequestRefused(503, "stopping", STOPPING, "ask again once it is back")
        self.admission.refuse_if_full(len(self.live))
        live = LiveEpisode(f"ep-{uuid4().hex}")
        self.live[live.id] = live
        live.task = asyncio.create_task(self._play(ask, live))
        live.task.add_done_callback(lambda task: self._over(live))
        return live

    async def stop(self) -> None:
        """Take no further request, and break off the episodes in flight."""
        self._stopping = True
        await asyncio.gather(*(live.stop(STOPPING) for live in list(self.live.values())))

    def _over(self, live: LiveEpisode) -> None:
        del self.live[live.id]
        live.close()

    async def _play(self, ask: EpisodeAsked, live: LiveEpisode) -> EpisodeEnded:
        own, most = ask.caps.seconds, self._limits.seconds
        seconds = most if own is None else min(own, most)
        try:
            async with asyncio.timeout(seconds) as clock, self.admission.place():
                return await self._recorded(ask, live)
        except TimeoutError:
            if not clock.expired():
                raise
            found = f"the request took longer than {seconds:g} s, waiting included"
            raised = "--timeout" if own is None or own > most else "budget.seconds"
            raise RequestRefused(504, "timeout", found, f"ask for fewer max_turns, or raise {raised}") from None

    async def _recorded(self, ask: EpisodeAsked, live: LiveEpisode) -> EpisodeEnded:
        """Play an episode whose turn it is; what breaks off is in the record as well."""
        writer, tally, seed = self.folder.begin(live.id), Tally(), self._seed(ask)

        def emit(event: Event) -> None:
            if isinstance(event, EpisodeStarted):
                event = replace(event, episode=live.id)
            tally.see(event)
            writer.emit(event)
            live.emit(event)

        try:
            # The task names the draws, so that the same question with the same seed draws the same.
            ended = await ask.system.run(self._seat(ask), ask.task, emit, ask.task.digest, seed)
        except BaseException as error:  # whatever ends it, the record says that it broke off
            self._broke_off(ask, live, writer, error)
            raise
        writer.commit(tally.summary(ask.system.name, seed=seed, served=self._session.served))
        self.gauges.played(ask.system.name, ended, tally)
        return ended

    def _seed(self, ask: EpisodeAsked) -> int:
        return self._session.setup.seed if ask.seed is None else ask.seed

    def _seat(self, ask: EpisodeAsked) -> Session:
        """The session, with what this client asks of the canvas and may spend."""
        session, setup = within(self._session, ask.caps), self._session.setup
        if ask.max_turns is None:
            return session
        return replace(session, setup=replace(setup, canvas=changed_canvas(setup.canvas, max_turns=ask.max_turns)))

    def _broke_off(self, ask: EpisodeAsked, live: LiveEpisode, writer: EpisodeWriter, error: BaseException) -> None:
        failure = _failure(error, ask, live.stopped)
        self.gauges.broke(failure.kind)
        writer.abandon()
        summary = EpisodeSummary(
            system=ask.system.name,
            dataset="",
            type=ask.task.type,
            task=ask.task.id,
            digest=ask.task.digest,
            seed=self._seed(ask),
            lost=failure,
        )
        with suppress(RunError):  # on a full disk, that is why it broke off
            self.folder.lose(live.id, summary)


def _failure(error: BaseException, ask: EpisodeAsked, stopped: str) -> Failure:
    if isinstance(error, asyncio.CancelledError):
        return Failure("cancelled", stopped) if stopped else Failure("timeout", "the request took too long")
    if isinstance(error, FlowSteerError):
        return failure_of(error)
    if isinstance(error, Exception):
        log.exception("an episode of %s broke off", ask.system.name)
        return unexpected(error, f"system {ask.system.name}")
    return Failure(type(error).__name__, str(error))
