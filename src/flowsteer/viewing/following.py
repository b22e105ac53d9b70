"""What happens in a run, as server-sent events: the events of an episode, and the episodes of a run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flowsteer.runs.event_json import with_defaults
from flowsteer.runs.files import parsed
from flowsteer.viewing.plain_json import text_of
from flowsteer.viewing.run_view import RunView
from flowsteer.web.headers import number_in
from flowsteer.web.sse import sse

PAUSE = 0.1
"""Seconds between two looks at a file that grows."""

LOOKS = 10
"""So many of them between two looks at what costs more: whether anybody writes."""


async def episode_events(
    view: RunView, episode: str, start: int, closing: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """The events of an episode from a number on: as they happen, to its end.

    Args:
        view: The run.
        episode: Its id.
        start: Number of the first event that is wanted, from 0.
        closing: Set when the server stops.
    """
    number = 0
    file = await asyncio.to_thread(view.open_file, episode)
    if file is not None:
        async for line in _growing(view, file, closing):
            if number >= start:
                yield sse(line, "fact", number)
            number += 1
    if closing.is_set():
        return
    # It is over: what is left of its events stands in the run.
    recorded = await asyncio.to_thread(view.events, episode)
    for left in range(max(start, number), len(recorded)):
        yield sse(text_of(recorded[left]), "fact", left)
    yield sse({}, "end")


async def _growing(view: RunView, file: Path, closing: asyncio.Event) -> AsyncGenerator[str, None]:
    """The events in a file as they come, until it is moved, or begun anew, or nobody writes any longer."""
    with file.open("rb") as lines:
        looks, rest = 0, b""
        while True:
            rest += lines.read()
            *whole, rest = rest.split(b"\n")
            for line in whole:
                if (event := parsed(line + b"\n")) is not None:  # as the page leaves out what is damaged
                    yield text_of(with_defaults(event))
            if whole:
                continue
            if _size(file) < lines.tell():
                return
            looks += 1
            if looks % LOOKS == 1 and not await asyncio.to_thread(lambda: view.writing):
                return
            if await _is_set_soon(closing):
                return


async def run_events(view: RunView, last: str, closing: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """What happens in a run: episodes that begin and finish, steps of training, whether it is being written to.

    Args:
        view: The run.
        last: The id of the last message that the reader has; empty for none.
        closing: Set when the server stops.
    """
    at = _Place.of(last)
    if at is None:
        at = await asyncio.to_thread(_now, view)
    writing: bool | None = None
    looks, indexed = 0, 1.0
    while True:
        if looks % LOOKS == 0:
            now = await asyncio.to_thread(lambda: view.writing)
            if now != writing:
                writing = now
                yield sse(writing, "writing", at.id)
        looks += 1
        for change, row in await asyncio.to_thread(view.changed_since, at.change):
            at.change = change
            yield sse(text_of(row), "episode", at.id)
        for change, row in await asyncio.to_thread(view.flying.since, at.flying):
            at.flying = change
            yield sse(text_of(row), "episode", at.id)
        steps, count = await asyncio.to_thread(view.steps.since, at.line)
        for line, step in enumerate(steps, count - len(steps) + 1):
            at.line = line
            yield sse(text_of(step), "step", at.id)
        at.line = count
        if view.store.indexed != indexed:
            indexed = view.store.indexed
            yield sse(indexed, "indexed", at.id)
        if await _is_set_soon(closing):
            return


@dataclass(slots=True)
class _Place:
    """How much of a run a reader has been told.

    Attributes:
        change: The latest change of a finished or lost episode.
        line: Lines of the metrics.
        flying: The latest change of an episode in flight.
    """

    change: int
    line: int
    flying: int = 0

    @property
    def id(self) -> str:
        """The id of a message that was sent at this place."""
        return f"{self.change}-{self.line}-{self.flying}"

    @classmethod
    def of(cls, id: str) -> "_Place | None":  # noqa: A002 - what the protocol calls it
        """The place of a message's id; None if it is none."""
        parts = id.split("-")
        numbers = [number for part in parts if (number := number_in(part)) is not None]
        return cls(*numbers) if len(parts) == len(numbers) == 3 else None


def _now(view: RunView) -> _Place:
    """Where a reader begins who has been told nothing; what is in flight then is told."""
    return _Place(view.latest_change(), view.steps.since(0)[1])


async def _is_set_soon(closing: asyncio.Event) -> bool:
    """Wait for a pause, or for the server to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PAUSE):
            await closing.wait()
    return closing.is_set()


def _size(file: Path) -> int:
    """Bytes of a file; -1 once it is gone."""
    try:
        return file.stat().st_size
    except OSError:
        return -1
