"""A training run as the viewer shows it: metrics as they come, the autopsy's verdicts, groups of a step."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from flowsteer.errors import FlowSteerError
from flowsteer.runs.event_json import JSON
from flowsteer.viewing.episode_query import row_of
from flowsteer.viewing.records import (
    AutopsyVerdict,
    GroupMember,
    GroupsPage,
    RejectionCourse,
    TaskGroup,
    WorkflowChange,
    WorkflowFrequency,
)

if TYPE_CHECKING:
    from flowsteer.training.autopsy.rejections import WindowTurns
    from flowsteer.training.autopsy.verdicts import RunVerdict

MOST_EXAMINED = 20_000
"""The autopsy reads every event of a run; of one with more episodes it is left to `flowsteer autopsy`."""

FLOOR = 1e-4
"""δ where the run's settings do not say: `update.std_floor` by default."""

NOT_EXAMINED: JSON = {"verdicts": [], "workflows": asdict(WorkflowChange((), ())), "rejections": []}
"""What stands in the autopsy's place until it is made."""

_ROLLOUT = re.compile(r"(train/\d+/\d+/).*", re.DOTALL)


def examined(run: Path, episodes: int) -> JSON:
    """What the autopsy says of a training run: `verdicts`, `workflows` and `rejections` of a `TrainingPage`.

    Args:
        run: The run folder; it may be under way.
        episodes: How many it holds.
    """
    if episodes > MOST_EXAMINED:
        said = f"{episodes:,} episodes are too many to read meanwhile; flowsteer autopsy {run} does it"
        return NOT_EXAMINED | {"verdicts": [asdict(AutopsyVerdict("not examined here", said))]}
    from flowsteer.training.autopsy.examination import examine

    try:
        found = examine(run)
    except FlowSteerError as error:
        return NOT_EXAMINED | {"verdicts": [asdict(AutopsyVerdict("cannot be examined", error.message))]}
    verdicts = [_verdict(one) for one in found.verdicts]
    told = [
        (one.test, WorkflowFrequency(one.type, one.dsl, one.episodes, one.accuracy)) for one in found.evidence.workflows
    ]
    before, after = (tuple(one for test, one in told if test == which) for which in ("before", "after"))
    return {
        "verdicts": [asdict(one) for one in verdicts],
        "workflows": asdict(WorkflowChange(before, after)),
        "rejections": [asdict(one) for one in _rejections(found.evidence.turns)],
    }


def _rejections(turns: "Sequence[WindowTurns]") -> list[RejectionCourse]:
    by_kind: dict[str, list[tuple[int, int, int]]] = {}
    for part in turns:
        for one in part.kinds:
            by_kind.setdefault(one.kind, []).append((part.window.last, one.tries, one.rejected))
    return [
        RejectionCourse(kind, *(tuple(values) for values in zip(*counts, strict=True)))
        for kind, counts in by_kind.items()
    ]


def _verdict(found: "RunVerdict") -> AutopsyVerdict:
    name = f"{found.name} for {found.about}" if found.about else found.name
    return AutopsyVerdict(name, f"{found.seen}; {found.advice}" if found.advice else found.seen)


def group_of(db: sqlite3.Connection, episode: str, floor: float) -> tuple[GroupMember, ...] | None:
    """The episodes that one was compared with, itself included; None if it was compared with none."""
    found = _ROLLOUT.fullmatch(episode)
    if found is None:
        return None
    return _members((row_of(row) for row in _beginning(db, found[1])), floor)


def groups_of(db: sqlite3.Connection, step: int, floor: float) -> GroupsPage:
    """The groups of a step; of the last one for 0."""
    steps = max((int(name.split("/")[1]) for name in _some_of_each_step(db)), default=0)
    step = step or steps
    groups: dict[str, list[JSON]] = {}
    for found in _beginning(db, f"train/{step}/"):
        row = row_of(found)
        if match := _ROLLOUT.fullmatch(row["episode"]):
            groups.setdefault(match[1], []).append(row)
    ordered = sorted(groups.items(), key=lambda item: int(item[0].split("/")[2]))
    return GroupsPage(
        step,
        steps,
        tuple(
            TaskGroup(
                rows[0]["summary"]["task"], rows[0]["summary"]["type"], rows[0]["question"], _members(rows, floor)
            )
            for _, rows in ordered
        ),
    )


def _some_of_each_step(db: sqlite3.Connection) -> Iterable[str]:
    """The ids of the last episodes that were trained on: the last step is among them."""
    query = "SELECT episode FROM episodes WHERE episode GLOB 'train/[0-9]*/*' ORDER BY id DESC LIMIT 1000"
    return (row[0] for row in db.execute(query))


def _beginning(db: sqlite3.Connection, start: str) -> list[sqlite3.Row]:
    query = "SELECT number, row FROM episodes JOIN rows USING (id) WHERE episode >= ? AND episode < ? ORDER BY id"
    return db.execute(query, (start, start + "\U0010ffff")).fetchall()


def _members(rows: Iterable[JSON], floor: float) -> tuple[GroupMember, ...]:
    ordered = sorted(rows, key=lambda row: _number(row["episode"]))
    rewards = [row["summary"]["reward"] for row in ordered]
    known = [reward for reward in rewards if reward is not None]
    spread = stdev(known) + floor if len(known) > 1 else None
    return tuple(
        GroupMember(
            row["episode"],
            reward,
            row["summary"]["terms"],
            row["summary"]["dsl"],
            row["summary"]["score"],
            None if reward is None or spread is None else (reward - mean(known)) / spread,
        )
        for row, reward in zip(ordered, rewards, strict=True)
    )


def _number(episode: str) -> tuple[int, str]:
    last = episode.rpartition("/")[2]
    return (int(last), "") if last.isdecimal() else (0, last)
