"""Can a policy say what it was taught? Of each kind of action, how much is accepted when it draws at temperature 1.

RL cannot make up for an action that a cold start left the policy unable to write: it learns to avoid it instead.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowsteer.director.kinds import KINDS, kind_of
from flowsteer.errors import ConfigError
from flowsteer.runs.events import EditApplied, Event, TurnTaken

EPISODES = 100
"""Episodes that are played at once to find out."""

ROUNDS = 4
"""So often they are played at most, while it is open how well a kind is said (`open_kinds`)."""

TRIES = 30
"""Fewer tries of a kind say too little to judge by."""

CHANCE = 0.05
"""A small share is no chance where so few accepted tries, or fewer, would be rarer than this with the least share."""

Speech = Mapping[str, tuple[int, int]]
"""By kind: how often it was tried, and how often of these it was accepted."""


def speech(played: Iterable[Sequence[Event]]) -> dict[str, tuple[int, int]]:
    """Count the actions of episodes by kind, the most common kinds of `KINDS` wherever they occur.

    Args:
        played: The events of each episode.
    """
    tried, accepted = Counter[str](), Counter[str]()
    for events in played:
        taken = {event.turn for event in events if isinstance(event, EditApplied)}
        for event in events:
            if isinstance(event, TurnTaken):
                kind = kind_of(event.text)
                tried[kind] += 1
                accepted[kind] += event.turn in taken
    return {kind: (tried[kind], accepted[kind]) for kind in KINDS if tried[kind]}


def taught(said: Iterable[str]) -> list[str]:
    """The kinds of action among what a policy was taught to say."""
    found = set(map(kind_of, said))
    return [kind for kind in KINDS if kind in found and kind != "unreadable"]


def open_kinds(kinds: Iterable[str], spoken: Speech, least: float) -> list[str]:
    """The kinds to hear more of: tried too seldom to judge by, or accepted too seldom as chance may have it.

    Args:
        kinds: Those that were taught.
        spoken: What was heard so far.
        least: The least share of accepted actions of a kind.
    """
    from scipy.stats import binom

    def is_open(tries: int, accepted: int) -> bool:
        return tries < TRIES or (accepted < least * tries and binom.cdf(accepted, tries, least) >= CHANCE)

    return [kind for kind in kinds if is_open(*spoken.get(kind, (0, 0)))]


def speech_json(kinds: Sequence[str], spoken: Speech, episodes: int) -> dict[str, Any]:
    """What was found, as it stands in a run folder."""
    counts = {kind: {"tries": tries, "accepted": accepted} for kind, (tries, accepted) in spoken.items()}
    return {"episodes": episodes, "taught": list(kinds), "kinds": counts}


def check_speech(found: Mapping[str, Any], least: float) -> None:
    """The policy can say all that it was taught; kinds that it hardly tries are judged with all others only.

    Args:
        found: As `speech_json` wrote it.
        least: The least share of accepted actions of a kind.

    Raises:
        ConfigError: It cannot; the kinds are named.
    """
    counts: Mapping[str, Mapping[str, int]] = found["kinds"]
    judged = {f"{kind!r}": counts[kind] for kind in found["taught"] if kind in counts}
    judged["any action"] = {part: sum(one[part] for one in counts.values()) for part in ("tries", "accepted")}
    below = [
        f"{kind} is accepted in {count['accepted']} of {count['tries']} tries"
        for kind, count in judged.items()
        if count["tries"] >= TRIES and count["accepted"] < least * count["tries"]
    ]
    if below:
        raise ConfigError(
            f"after its cold start the policy cannot say what it was taught: {', '.join(below)}; "
            f"{least:.0%} is asked for",
            "teach it more, with warmup.episodes or warmup.epochs, or go on as it is with --resume and a lower "
            "warmup.least_valid",
        )


def speech_line(found: Mapping[str, Any]) -> str:
    """What was found, for people.

    >>> speech_line({"kinds": {"add step": {"tries": 200, "accepted": 199}, "finish": {"tries": 9, "accepted": 9}}})
    'accepted at T = 1: add step 99.5 % of 200, finish 100.0 % of 9'
    """
    counts: Mapping[str, Mapping[str, int]] = found["kinds"]
    told = (f"{kind} {100 * one['accepted'] / one['tries']:.1f} % of {one['tries']}" for kind, one in counts.items())
    return f"accepted at T = 1: {', '.join(told)}"
