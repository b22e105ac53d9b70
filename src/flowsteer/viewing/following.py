"""What happens in a run, as server-sent events: the events of an episode, and the episodes of a run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from flowsteer.runs.event_json import JSON
from flowsteer.viewing.plain_json import text_of
from flowsteer.viewing.run_view import RunView
from flowsteer.viewing.training_pages import metrics_since
from flowsteer.web.sse import sse

PAUSE = 0.1
"""Seconds between two looks at a file that grows."""

MOST_DIGITS = 16
"""Longest number that a reader may have been told."""

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
    """The whole lines of a file as they come, until it is moved, or begun anew, or nobody writes any longer."""
    with file.open("rb") as lines:
        looks, rest = 0, b""
        while True:
            rest += lines.read()
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield line.decode()
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
    change, line = await asyncio.to_thread(_place, view, last)
    steps, at = await asyncio.to_thread(metrics_since, view.path, 0)
    steps, line = (steps[line:], line) if line is not None else ([], len(steps))
    writing: bool | None = None
    flying, looks, indexed = dict[str, JSON](), 0, 1.0
    while True:
        if looks % LOOKS == 0:
            now = await asyncio.to_thread(lambda: view.writing)
            if now != writing:
                writing = now
                yield sse(writing, "writing", f"{change}-{line}")
        looks += 1
        change, rows = await asyncio.to_thread(view.changed_since, change)
        for row in rows:
            yield sse(text_of(row), "episode", f"{change}-{line}")
        current = {row["episode"]: row for row in await asyncio.to_thread(view.flying)}
        for episode, row in current.items():
            if flying.get(episode) != row:
                yield sse(text_of(row), "episode", f"{change}-{line}")
        flying = current
        more, at = await asyncio.to_thread(metrics_since, view.path, at)
        for step in (*steps, *more):
            line += 1
            yield sse(text_of(step), "step", f"{change}-{line}")
        steps = []
        if view.store.indexed != indexed:
            indexed = view.store.indexed
            yield sse(indexed, "indexed", f"{change}-{line}")
        if await _is_set_soon(closing):
            return


def _place(view: RunView, last: str) -> tuple[int, int | None]:
    """From where on a reader is to be told: from the change and the line that it had last, or from now."""
    change, _, line = last.partition("-")
    if all(part.isdecimal() and len(part) < MOST_DIGITS for part in (change, line)):
        return int(change), int(line)
    return view.latest_change(), None


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
