"""Run folders that name no format, which is the first: brought into the form of today as they are read.

Their events, their summaries (three shapes: of `solve`, `eval` and `train`), their settings, and the notes that a
search kept among the episodes.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from flowsteer.runs.events import Event
from flowsteer.runs.failure import Failure
from flowsteer.runs.summary import EpisodeSummary, tally

JSON = dict[str, Any]


def is_note(summary: JSON) -> bool:
    """Whether what stands in an episode's place is a note of a search."""
    return "refused" in summary and "workflow" in summary


def summary(plain: JSON, episode: str, events: Callable[[], Iterable[Event]]) -> EpisodeSummary:
    """An episode's summary. Of an evaluation it says all; of others it is made from the events.

    Args:
        plain: Its plain values.
        episode: The episode's id.
        events: What reads the episode's events.
    """
    if "error" in plain:
        return _evaluated(plain)
    if "terms" in plain:
        return _trained(plain, episode, events())
    return tally(events()).summary(f"director:{plain['director']}", served=plain["served"])


def _evaluated(plain: JSON) -> EpisodeSummary:
    kept = {name: value for name, value in plain.items() if name != "error"}
    kind, _, message = (plain["error"] or "").partition(": ")
    return EpisodeSummary(**kept, lost=Failure(kind, message, kind) if kind else None)


def _trained(plain: JSON, episode: str, events: Iterable[Event]) -> EpisodeSummary:
    """Episodes of training are called `train/STEP/ROW/TASK/EPOCH`, those of tests `NAME/T0/TASK/EPOCH`."""
    told = tally(events).summary("", epoch=int(episode.rpartition("/")[2]))
    drawn = None if episode.startswith("train/") else re.search(r"/T([\d.]+)/", episode)
    return replace(
        told,
        system=told.director if drawn is None else f"{told.director}, T = {drawn[1]}",
        score=plain["score"],
        reward=plain["reward"],
        terms=plain["terms"],
        lost=None if plain["lost"] is None else Failure("infrastructure", plain["lost"]),
    )


def event(plain: JSON) -> JSON:
    """An event as it would be written today.

    Args:
        plain: Its plain values.
    """
    match plain:
        case {"kind": "episode_started", "settings": settings}:
            return plain | {"settings": _settings(settings)}
        case {"kind": "episode_ended", "reason": "no Director"}:
            return plain | {"finished": None}
        case _:
            return plain


def config(plain: JSON) -> JSON:
    """What a run was asked to do, in the settings of today: the same command goes on with it."""
    canvas = plain.get("canvas", {})
    if "execute" not in canvas:
        return plain
    samplings = {name: _without(plain[name], "seed") for name in ("director_sampling", "executor_sampling")}
    moved = {name: plain[name] for name in ("two_step", "max_steps", "max_runs")}
    rules = moved | {"min_steps": 5, "needs": ["verification"], "needs_structure": True}
    kept = {name: value for name, value in plain.items() if name not in moved}
    return kept | samplings | {"canvas": _without(canvas, "execute") | rules | {"feedback": _told(canvas)}}


def _without(plain: JSON, left_out: str) -> JSON:
    return {name: value for name, value in plain.items() if name != left_out}


def _settings(settings: JSON) -> JSON | None:
    """What was allowed; episodes without a canvas, a fixed workflow's or one of a single turn, did not say it."""
    canvas = settings.get("canvas")
    if canvas is None:
        return None
    return {
        "max_turns": canvas["max_turns"],
        "max_rejected": canvas["max_rejected"],
        "feedback": _told(canvas),
        "rules": settings["rules"],
    }


def _told(canvas: JSON) -> str:
    """What the Director was told after an edit: where nothing ran before the end, no results."""
    return "full" if canvas["execute"] else "status"
