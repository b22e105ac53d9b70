"""The figures of a run, from its store: systems with intervals, and what failed."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from itertools import groupby

from flowsteer.reporting.statistics import estimate
from flowsteer.runs.event_json import JSON
from flowsteer.viewing.records import FailureFigures, SystemFigures
from flowsteer.viewing.run_store import RunStore, keep_meta, read_meta

SOME = 5
"""So many episodes are named for each kind of failure."""

_MEANS = """
SELECT system, dataset, count(*) AS n, count(score) AS scored, avg(tokens) AS tokens, avg(seconds) AS seconds,
    CASE WHEN count(cost) = count(*) THEN avg(cost) END AS cost, avg(gate) AS gate, avg(finished) AS finished
FROM episodes WHERE state = 'finished' GROUP BY system, dataset ORDER BY system, dataset
"""

_SCORES = """
SELECT system, dataset, avg(score) AS score FROM episodes WHERE state = 'finished' AND score IS NOT NULL
GROUP BY system, dataset, task ORDER BY system, dataset
"""


NO_FIGURES: JSON = {"systems": [], "failures": []}
"""What stands in the figures' place until they are made."""


def counts(db: sqlite3.Connection) -> JSON:
    """What a list of runs says of one: counts, names, the mean score."""
    known = {"finished": 0, "lost": 0} | dict(
        db.execute("SELECT state, count(*) FROM episodes GROUP BY state").fetchall()
    )
    names = db.execute("SELECT DISTINCT system, dataset FROM episodes").fetchall()
    accuracy = db.execute("SELECT avg(score) FROM episodes WHERE state = 'finished'").fetchone()[0]
    systems, datasets = (sorted({row[at] for row in names if row[at]}) for at in (0, 1))
    return known | {"systems": systems, "datasets": datasets, "accuracy": accuracy}


def run_figures(store: RunStore) -> JSON:
    """The figures of a run, `systems` and `failures` of a `RunPage`; they are kept until the run grows."""
    with closing(store.connect()) as db:
        state = str(db.execute("SELECT max(id), count(*) FROM episodes").fetchone()[:]) + store.grades
        known: JSON = json.loads(read_meta(db, "figures") or "{}")
        if known.get("state") != state:
            systems, failures = system_figures(db), failure_figures(db)
            known = {
                "state": state,
                "systems": [asdict(one) for one in systems],
                "failures": [asdict(one) for one in failures],
            }
            keep_meta(db, figures=json.dumps(known))
            db.commit()
    return {name: known[name] for name in NO_FIGURES}


def system_figures(db: sqlite3.Connection) -> tuple[SystemFigures, ...]:
    """Every system on every dataset; the unit of a score is the task, over its epochs."""
    scores = {
        key: [row["score"] for row in rows] for key, rows in groupby(db.execute(_SCORES), lambda row: (row[0], row[1]))
    }
    found = []
    for row in db.execute(_MEANS):
        known = scores.get((row["system"], row["dataset"]), [])
        score = estimate([known]) if known else None
        ends = (None, None, None) if score is None else (score.mean, score.low, score.high)
        names = ("tokens", "seconds", "cost", "gate", "finished")
        found.append(
            SystemFigures(row["system"], row["dataset"], row["n"], row["scored"], *ends, *(row[name] for name in names))
        )
    return tuple(found)


def failure_figures(db: sqlite3.Connection) -> tuple[FailureFigures, ...]:
    """What failed, the most frequent first."""
    counts = db.execute("SELECT kind, count(*) FROM failures GROUP BY kind ORDER BY 2 DESC, 1").fetchall()
    return tuple(FailureFigures(kind, count, tuple(_some(db, kind))) for kind, count in counts)


def _some(db: sqlite3.Connection, kind: str) -> Iterable[str]:
    query = "SELECT episode FROM failures JOIN episodes USING (id) WHERE kind = ? ORDER BY id LIMIT ?"
    return (row[0] for row in db.execute(query, (kind, SOME)))
