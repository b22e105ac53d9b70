"""From an episode's entry to what the store keeps of it: columns to sort and filter by, its row, its words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowsteer.reward.diversity import FIFTHS
from flowsteer.runs.event_json import JSON
from flowsteer.runs.grades import answered
from flowsteer.runs.growth import first_event
from flowsteer.runs.index import Entry
from flowsteer.runs.summary import EpisodeSummary, summary_to_json
from flowsteer.viewing.plain_json import text_of
from flowsteer.viewing.records import BRIEF, LIST_LACKS

LONG = 2000
"""Most characters of any other text in a row: a workflow, a reason."""

WORDS = 20_000
"""Most characters of each text that are searched."""


@dataclass(frozen=True, slots=True)
class StoredEpisode:
    """An episode as the store keeps it.

    Attributes:
        values: Its columns by name.
        row: Its row in lists, as JSON and without what the store itself knows.
        words: What is searched.
        failures: The kinds of what failed in it.
    """

    values: Mapping[str, Any]
    row: str
    words: str
    failures: tuple[str, ...]


def stored_finished(run: Path, entry: Entry) -> StoredEpisode:
    """A finished episode; its question is read from the beginning of its line."""
    task = (first_event(run, entry) or {}).get("task")
    question = task.get("question", "") if isinstance(task, dict) else ""
    return _stored(entry, "finished", question)


def stored_lost(entry: Entry) -> StoredEpisode:
    """An episode that only ever broke off."""
    return _stored(entry, "lost", "")


def _stored(entry: Entry, state: str, question: str) -> StoredEpisode:
    one, lost = entry.summary, entry.summary.lost
    failures = (*one.failures, *([lost.kind] if lost else ()))
    told = (question, one.answer, one.dsl, one.reason, *failures, lost.message if lost else "", one.task)
    row = {
        "episode": entry.episode,
        "state": state,
        "summary": brief(one),
        "question": question[:BRIEF],
        "answer": one.answer[:BRIEF],
        "right": None if one.score is None else one.score >= 1,
    }
    values = {
        "episode": entry.episode,
        "state": state,
        "offset": entry.offset,
        "length": entry.length,
        "system": one.system,
        "dataset": one.dataset,
        "answered": answered(one),
        "type": one.type,
        "task": one.task,
        "epoch": one.epoch,
        "score": one.score,
        "reward": one.reward,
        "tokens": one.director_tokens + one.executor_tokens,
        "cost": one.cost,
        "seconds": one.seconds,
        "turns": one.turns,
        "gate": gate_open(one.terms),
        "finished": one.finished,
        "failed": bool(failures),
    }
    words = "\n".join(text[:WORDS] for text in told).encode(errors="replace").decode()
    return StoredEpisode(values, text_of(row), words, failures)


def brief(summary: EpisodeSummary) -> JSON:
    """A summary as lists have it: see `EpisodeBrief` in the schema."""
    plain = {name: value for name, value in summary_to_json(summary).items() if name not in LIST_LACKS}
    cut = {name: plain[name][:LONG] for name in ("dsl", "reason")}
    if plain["lost"] is not None:
        cut["lost"] = plain["lost"] | {"message": plain["lost"]["message"][:LONG], "trace": ""}
    return plain | cut | {"answer": summary.answer[:BRIEF]}


def gate_open(terms: Mapping[str, float]) -> bool | None:
    """Whether the reward's gate was open: the workflow had the whole skeleton; None where its terms do not say.

    >>> gate_open({"base": -1, "verification": 0.2, "formatting": 0.2, "operators": 0.2, "structure": 0.0})
    False
    """
    skeleton = [value for name, value in terms.items() if name in FIFTHS]
    return all(skeleton) if skeleton else None
