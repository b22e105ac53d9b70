"""An episode in flight: its events so far, for any number of readers that come at any time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from flowsteer.runs.event_json import event_to_json
from flowsteer.runs.events import EpisodeEnded, Event
from flowsteer.serving.refusals import JSON


class LiveEpisode:
    """An episode in flight.

    Args:
        episode: Its id.

    Attributes:
        id: Its id.
        events: Its events so far.
        over: Whether no further one comes.
        opened: Set at the first event, or at the end if there is none.
        stopped: Why it was cancelled; empty if it was not.
        task: Plays it; the result is its last event.
    """

    task: "asyncio.Task[EpisodeEnded]"

    def __init__(self, episode: str) -> None:
        self.id = episode
        self.events: list[Event] = []
        self.over = False
        self.stopped = ""
        self.opened = asyncio.Event()
        self._changed = asyncio.Event()

    def emit(self, event: Event) -> None:
        """Tell one event."""
        self.events.append(event)
        self._wake()

    def close(self) -> None:
        """No further event comes."""
        self.over = True
        self._wake()

    async def follow(self, start: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """The events with their numbers, as they come, to the end.

        Args:
            start: Number of the first.
        """
        while True:
            for number in range(start, len(self.events)):
                start = number + 1
                yield number, self.events[number]
            if self.over and start >= len(self.events):
                return
            if start >= len(self.events):
                await self._changed.wait()

    async def stop(self, why: str) -> None:
        """Cancel it if it is not over, and wait until what it holds is given back.

        Args:
            why: The reason, for the record.
        """
        if not self.task.done():
            self.stopped = why
            self.task.cancel()
            await asyncio.wait({self.task})

    def _wake(self) -> None:
        self.opened.set()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def told(event: Event) -> JSON:
    """An event as a client may read it: without the traceback of code that failed."""
    return {name: _untraced(value, name) for name, value in event_to_json(event).items()}


def _untraced(value: Any, name: str = "") -> Any:
    """What stands under a name without the traceback of a failure: an event may hold the events of other votes."""
    match value:
        case list():
            return [_untraced(one) for one in value]
        case dict() if name == "failure":
            return value | {"trace": ""}
        case dict():
            return {inner: _untraced(one, inner) for inner, one in value.items()}
    return value
