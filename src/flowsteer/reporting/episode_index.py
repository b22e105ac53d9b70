"""The index of all episodes inside the report: one short row each, so that every figure leads to its episodes."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowsteer.reporting.plots import shortened
from flowsteer.runs.index import Entry
from flowsteer.runs.summary import EpisodeSummary

JSON = dict[str, Any]

MAX_SHOWN = 80
"""Characters of an answer or a workflow; an episode's page has all of them."""

_COLUMNS = (
    "id",
    "page",
    "dataset",
    "system",
    "task",
    "epoch",
    "score",
    "outcome",
    "why",
    "failures",
    "operators",
    "structures",
    "turns",
    "tokens",
    "cost",
    "seconds",
    "answer",
    "dsl",
)


def index_json(run: Path, entries: Sequence[Entry], drawn: Mapping[str, str]) -> str:
    """The index as JSON that may stand inside a script element: no text in it can end the element.

    Args:
        run: The run folder, for the commands the page shows.
        entries: The episodes.
        drawn: The files of the episodes' pages that exist, by episode.
    """
    rows = [_row(entry, drawn) for entry in entries]
    index = {"run": shlex.quote(str(run)), "columns": _COLUMNS, "rows": rows}
    return json.dumps(index, separators=(",", ":")).replace("<", "\\u003c")


def _row(entry: Entry, drawn: Mapping[str, str]) -> list[Any]:
    """One episode, in the order of `_COLUMNS`; the page is empty while it is not drawn."""
    episode = entry.summary
    return [
        entry.episode,
        drawn.get(entry.episode, ""),
        episode.dataset,
        episode.system,
        episode.task,
        episode.epoch,
        episode.score,
        _outcome(episode),
        episode.reason if episode.lost is None else episode.lost.kind,
        list(episode.failures),
        list(episode.operators),
        [name for name, times in episode.structures.items() if times],
        episode.turns,
        episode.director_tokens + episode.executor_tokens,
        episode.cost,
        round(episode.seconds, 3),
        shortened(episode.answer, MAX_SHOWN),
        shortened(episode.dsl, MAX_SHOWN),
    ]


def _outcome(episode: EpisodeSummary) -> str:
    if episode.lost is not None:
        return "error"
    score = episode.score
    if score is None:
        return "unscorable"
    return "right" if score >= 1 else "wrong" if score <= 0 else "partly right"
