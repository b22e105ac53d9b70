"""Votes: several episodes on one task, and the answer that most of them give."""

from dataclasses import replace

import pytest

from flowsteer.canvas.episode import Episode
from flowsteer.canvas.votes import voted
from flowsteer.errors import BackendUnavailable
from flowsteer.runs.event_json import event_to_json, events_from_json
from flowsteer.runs.events import EpisodeEnded, EpisodeStarted, Event, TurnTaken, Voted
from flowsteer.task import Task
from flowsteer.usage import Usage
from flowsteer.workflow.nodes import Workflow

TASK = Task("How much is it?", "math")


def player(*ends: tuple[str, bool]):
    """Plays episodes that end so: answer, and whether it was finished."""

    async def play(number, emit):
        answer, finished = ends[number]
        spent = Usage(calls=1, prompt_tokens=10, completion_tokens=number)
        reason = "finished" if finished else "turn limit"
        ended = EpisodeEnded.of(Workflow(), answer, reason, spent, 1.0, turns=1, director_usage=spent)
        emit(EpisodeStarted("e", TASK, "it", "simulated:"))
        emit(TurnTaken(1, f"turn of {number}", "", spent, 0.1))
        emit(ended)
        return Episode("e", TASK, ended, None, 1, 1)

    return play


async def record(*ends: tuple[str, bool]) -> tuple[Episode, list[Event]]:
    events: list[Event] = []
    return await voted(player(*ends), len(ends), events.append), events


@pytest.mark.parametrize(
    ("ends", "taken", "agreed"),
    [
        ([("2", True), ("3", True), ("3.0", True)], 1, 2),
        ([("2", True), ("3", True)], 0, 1),
        ([("3", False), ("3", False), ("2", True)], 2, 1),
        ([("", True), ("", True), ("2", False)], 2, 1),
        ([("", False), ("", False)], 0, 2),
    ],
)
async def test_the_answer_of_most_finished_episodes_is_taken(ends, taken, agreed) -> None:
    episode, events = await record(*ends)
    assert episode.ended.answer == ends[taken][0]
    assert [type(event) for event in events] == [EpisodeStarted, Voted, TurnTaken, EpisodeEnded]
    assert isinstance(events[1], Voted)
    assert isinstance(events[2], TurnTaken)
    assert events[1].agreed == agreed
    assert events[1].taken == taken
    assert events[2].text == f"turn of {taken}"
    assert len(events[1].others) == len(ends) - 1


async def test_all_episodes_are_paid_and_kept() -> None:
    episode, events = await record(("2", True), ("3", True), ("3", True))
    assert episode.ended.director_usage == Usage(calls=3, prompt_tokens=30, completion_tokens=3)
    assert episode.ended.executor_usage == episode.ended.director_usage
    assert events_from_json([event_to_json(event) for event in events]) == events


async def test_one_vote_is_an_episode_like_any_other() -> None:
    episode, events = await record(("2", True))
    assert [type(event) for event in events] == [EpisodeStarted, TurnTaken, EpisodeEnded]
    assert replace(episode, ended=events[-1]) == episode


async def test_a_backend_that_is_gone_ends_all() -> None:
    async def play(number, emit):
        raise BackendUnavailable("gone")

    with pytest.raises(BackendUnavailable):
        await voted(play, 3, lambda event: None)
