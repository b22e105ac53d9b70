"""Which episodes of a run are asked for: filters, full text, order and place, as SQL on a run's store."""

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flowsteer.runs.event_json import JSON

SortKey = Literal["number", "score", "reward", "tokens", "cost", "seconds", "turns", "system", "dataset", "task"]
Order = Literal["asc", "desc"]

MOST_ROWS, MOST_OFFSET = 1000, 2**53 - 1
"""Most rows of a page, and most that are left out: the greatest whole number of a browser."""

_STATES = {
    "finished": "state = 'finished'",
    "lost": "state = 'lost'",
    "open": "0",
    "right": "score >= 1",
    "wrong": "score < 1",
    "failed": "failed",
}
StateFilter = Literal["", "finished", "open", "lost", "right", "wrong", "failed"]

_TASK = re.compile(r"task:(\S+)")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeQuery:
    """What is asked for; empty and None leave all in.

    Attributes:
        q: Words that must all occur, each as the beginning of one; `task:ID` asks for a task by its exact id.
        system: Name of the system.
        dataset: Name of the dataset.
        type: Type of the task.
        state: Where the episode stands, or how it went.
        failure: A kind of failure that occurred.
        min: Least score.
        max: Greatest score.
        sort: The column to order by.
        order: Upwards or downwards; what has no value comes last.
        offset: Rows to leave out.
        limit: Most rows.
    """

    q: str = ""
    system: str = ""
    dataset: str = ""
    type: str = ""
    state: StateFilter = ""
    failure: str = ""
    min: float | None = None
    max: float | None = None
    sort: SortKey = "number"
    order: Order = "asc"
    offset: int = 0
    limit: int = 100


def find(db: sqlite3.Connection, query: EpisodeQuery, offset: int, limit: int) -> tuple[int, list[JSON]]:
    """How many finished or lost episodes match, and their rows from a place on.

    Args:
        db: The store.
        query: What is asked for; its own `offset` and `limit` also count the episodes in flight.
        offset: Rows to leave out.
        limit: Most rows.
    """
    where, values = _where(query)
    matched: int = db.execute(f"SELECT count(*) FROM episodes WHERE {where}", values).fetchone()[0]  # noqa: S608
    order = f"{query.sort} IS NULL, {query.sort} {query.order}, number IS NULL, number, id"
    ids = f"SELECT id FROM episodes WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset"  # noqa: S608
    chosen = [row[0] for row in db.execute(ids, values | {"limit": limit, "offset": offset})]
    return matched, [row for one in chosen if (row := _row(db, one)) is not None]


def row_of(found: sqlite3.Row) -> JSON:
    """An `EpisodeRow` from the columns `number` and `row`."""
    row: JSON = json.loads(found["row"])
    return {"number": found["number"], **row, "parent": None}


def _row(db: sqlite3.Connection, one: int) -> JSON | None:
    found = db.execute("SELECT number, row FROM episodes JOIN rows USING (id) WHERE id = ?", (one,)).fetchone()
    return None if found is None else row_of(found)


def _where(query: EpisodeQuery) -> tuple[str, dict[str, Any]]:
    parts, values = ["1"], dict[str, Any]()
    for name in ("system", "dataset", "type"):
        if wanted := getattr(query, name):
            parts.append(f"{name} = :{name}")
            values[name] = wanted
    if query.state:
        parts.append(_STATES[query.state])
    if query.failure:
        parts.append("id IN (SELECT id FROM failures WHERE kind = :failure)")
        values["failure"] = query.failure
    for name, sign in (("min", ">="), ("max", "<=")):
        if (bound := getattr(query, name)) is not None:
            parts.append(f"score {sign} :{name}")
            values[name] = bound
    return _with_words(query.q, parts, values)


def _with_words(q: str, parts: list[str], values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if task := _TASK.search(q):
        parts.append("task = :task")
        values["task"] = task[1]
    words = _WORD.findall(_TASK.sub(" ", q))
    if words:
        parts.append("id IN (SELECT rowid FROM words WHERE words MATCH :words)")
        values["words"] = " ".join(f'"{word}"*' for word in words)
    return " AND ".join(parts), values


def matches(row: Mapping[str, Any], query: EpisodeQuery) -> bool:
    """Whether an episode that is not finished, of which little is known, is among what is asked for."""
    asked = (query.system, query.dataset, query.type, query.failure, query.min, query.max)
    if query.state not in ("", row["state"]) or any(one not in ("", None) for one in asked):
        return False
    said = f"{row['question']} {row['episode']}".lower()
    return all(word.lower() in said for word in _WORD.findall(query.q))
