"""Several episodes on one task, and the answer that most of them give.

It is self-consistency (Wang et al. 2022, arXiv 2203.11171), applied to whole workflows.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from flowsteer.canvas.episode import Episode
from flowsteer.canvas.together import together
from flowsteer.draft import Candidate
from flowsteer.operators.ensemble import ballot
from flowsteer.runs.events import Emit, EpisodeEnded, EpisodeStarted, Event, Voted
from flowsteer.usage import NO_USAGE

Play = Callable[[int, Emit], Coroutine[Any, Any, Episode]]
"""Plays one of the episodes, by its number from 0, and emits its events."""


async def voted(play: Play, votes: int, emit: Emit) -> Episode:
    """Play several episodes at once and take the first with the answer that most of the finished ones give.

    Where none is finished, or none of those has an answer, all vote. The record is that of the episode taken; before
    its turns stands one event that holds the others. Its end counts what all of them cost.

    Args:
        play: Plays one episode.
        votes: How many.
        emit: Gets the events.

    Raises:
        BackendUnavailable: A backend is gone; the other episodes are stopped.
        SandboxError: The sandbox broke.
        BudgetExceeded: The budget is spent.
    """
    if votes == 1:
        return await play(0, emit)
    began, streams = perf_counter(), [list[Event]() for _ in range(votes)]

    def first(event: Event) -> None:
        if isinstance(event, EpisodeStarted):
            emit(event)
        streams[0].append(event)

    keep: list[Emit] = [first, *(stream.append for stream in streams[1:])]
    episodes = await together(play(number, tell) for number, tell in enumerate(keep))
    taken, agreed = _elected(episodes)
    others = tuple(tuple(stream) for number, stream in enumerate(streams) if number != taken)
    emit(Voted(agreed, tuple(episode.ended.answer for episode in episodes), others, taken))
    ended = _whole(episodes[taken].ended, episodes, perf_counter() - began)
    for event in streams[taken]:
        if not isinstance(event, EpisodeStarted | EpisodeEnded):
            emit(event)
    emit(ended)
    return replace(episodes[taken], ended=ended)


def _elected(episodes: Sequence[Episode]) -> tuple[int, int]:
    """Number of the episode that is taken, and how many agree with it."""
    answered = [number for number, episode in enumerate(episodes) if episode.ended.answer.strip()]
    finished = [number for number in answered if episodes[number].ended.finished]
    candidates = tuple(_candidate(number, episodes[number]) for number in finished or answered)
    if not candidates:
        return 0, len(episodes)
    winner, agreed = ballot(candidates)[0]
    return int(winner.source), agreed


def _candidate(number: int, episode: Episode) -> Candidate:
    code = episode.execution.draft.code if episode.execution else ""
    return Candidate(str(number), episode.ended.answer, code=code)


def _whole(ended: EpisodeEnded, episodes: Sequence[Episode], seconds: float) -> EpisodeEnded:
    """The end of the episode taken, with the cost of all."""
    director = sum((episode.ended.director_usage for episode in episodes), NO_USAGE)
    executor = sum((episode.ended.executor_usage for episode in episodes), NO_USAGE)
    return replace(ended, director_usage=director, executor_usage=executor, seconds=seconds)
