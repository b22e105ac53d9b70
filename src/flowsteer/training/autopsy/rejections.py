"""What a policy says in training, by kind of action, and how much of it is rejected, over time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flowsteer.director.kinds import KINDS, kind_of
from flowsteer.errors import RunError
from flowsteer.runs.events import EditRejected, TurnTaken
from flowsteer.training.autopsy.training_record import TrainingRecord
from flowsteer.training.autopsy.windows import Window, place


@dataclass(frozen=True, slots=True)
class KindCount:
    """How often a kind of action was tried.

    Attributes:
        kind: One of `flowsteer.director.kinds.KINDS`.
        tries: Turns that meant to be one.
        rejected: Those of them that were rejected.
        unread: Those of the rejected that could not be read as an action.
    """

    kind: str
    tries: int
    rejected: int
    unread: int


@dataclass(frozen=True, slots=True)
class WindowTurns:
    """The turns of a window.

    Attributes:
        window: Its steps.
        kinds: The kinds of action that were tried in it.
    """

    window: Window
    kinds: tuple[KindCount, ...]


def count_turns(record: TrainingRecord, windows: Sequence[Window]) -> tuple[tuple[WindowTurns, ...], int]:
    """Count the turns of all training episodes; each episode is read once, and none is kept.

    Args:
        record: The run.
        windows: Its windows.

    Returns:
        The turns of each window, and how many episodes could not be read.
    """
    counted: list[dict[str, Counter[str]]] = [{} for _ in windows]
    damaged = 0
    for one in record.episodes:
        where = place(one.step, windows)
        if where is None:
            continue
        try:
            events = record.folder.events(one.episode, (TurnTaken, EditRejected))
        except RunError:
            damaged += 1
            continue
        rejected = {event.turn: event.parsed for event in events if isinstance(event, EditRejected)}
        for event in events:
            if isinstance(event, TurnTaken):
                of_kind = counted[where].setdefault(kind_of(event.text), Counter())
                of_kind["tries"] += 1
                of_kind["rejected"] += event.turn in rejected
                of_kind["unread"] += rejected.get(event.turn) is False
    return tuple(
        WindowTurns(window, tuple(KindCount(kind, **_counts(found[kind])) for kind in KINDS if kind in found))
        for window, found in zip(windows, counted, strict=True)
    ), damaged


def summed(parts: Sequence[WindowTurns]) -> dict[str, KindCount]:
    """The counts of several windows together, by kind."""
    found: dict[str, KindCount] = {}
    for one in (count for part in parts for count in part.kinds):
        known = found.get(one.kind, KindCount(one.kind, 0, 0, 0))
        found[one.kind] = KindCount(
            one.kind, known.tries + one.tries, known.rejected + one.rejected, known.unread + one.unread
        )
    return {kind: found[kind] for kind in KINDS if kind in found}


def _counts(found: Counter[str]) -> dict[str, int]:
    return {name: found[name] for name in ("tries", "rejected", "unread")}
