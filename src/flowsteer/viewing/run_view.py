"""One run as the viewer shows it: its page, its episodes, an episode with its events."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from sqlite3 import Connection
from typing import get_args

from flowsteer.errors import RunError
from flowsteer.runs.config import CONFIG, format_of, stored_config
from flowsteer.runs.event_json import JSON, event_to_json, with_defaults
from flowsteer.runs.files import read_json
from flowsteer.runs.index import DAMAGED, EPISODES, read_events, summary_of
from flowsteer.runs.lock import is_locked
from flowsteer.runs.request_store import read_requests
from flowsteer.runs.summary import summary_from_json, summary_to_json
from flowsteer.viewing.branches import BRANCHES, BranchOrigin, origins_in
from flowsteer.viewing.episode_query import EpisodeQuery, find, matches, row_of
from flowsteer.viewing.flying import Flying
from flowsteer.viewing.in_flight import OpenEpisode, open_episode, open_episodes, read_events_so_far
from flowsteer.viewing.latest import Latest
from flowsteer.viewing.operators_shown import operators_of
from flowsteer.viewing.records import RunKind
from flowsteer.viewing.right_answers import RightAnswers
from flowsteer.viewing.run_figures import NO_FIGURES, counts, run_figures
from flowsteer.viewing.run_store import RunStore, stamp_of
from flowsteer.viewing.runs_below import HERE, is_study
from flowsteer.viewing.step_lines import METRICS, StepLines
from flowsteer.viewing.training_pages import FLOOR, NOT_EXAMINED, examined, group_of, groups_of

REPORT = "report.json"

PATIENCE = 30.0
"""Seconds to wait for what must be whole."""

WAIT, UNSETTLED = 0.4, 0.999
"""Seconds to wait for figures; what is said to be indexed of a run until they are those of all its episodes."""

_ONE = "SELECT state, offset, length, number, row FROM episodes JOIN rows USING (id) WHERE episode = ?"

_LISTED_ALONE = frozenset({"modified", "systems", "datasets", "accuracy", "error"})
"""What is told of a run among others, and not on its own page."""


class RunView:
    """One run.

    Args:
        id: Its id among the runs that are viewed.
        path: Its folder.
        cache: Folder of the stores.

    Attributes:
        id: Its id.
        path: Its folder.
        store: Its episodes.
        steps: The metrics of its training.
        flying: Its episodes in flight.
    """

    def __init__(self, id: str, path: Path, cache: Path) -> None:  # noqa: A002 - what the front end calls it
        self.id, self.path = id, path
        self.store = RunStore(path, cache)
        self.steps = StepLines(path)
        self.flying = Flying(self._rows_in_flight)
        self._known: tuple[tuple[int, ...], JSON, RightAnswers] = ((), {}, RightAnswers(path, {}))
        self._counted: tuple[object, JSON] = (None, {})
        self._examined = Latest(self._examine, NOT_EXAMINED)
        self._figures = Latest(lambda: run_figures(self.store), NO_FIGURES)

    @property
    def config(self) -> JSON:
        """What it was asked to do; empty where the folder does not say."""
        return self._asked()[0]

    @property
    def kind(self) -> RunKind:
        """The command that made it."""
        if is_study(self.path):
            return "study"
        command = self.config.get("command")
        return next((kind for kind in get_args(RunKind) if kind == command), "other")

    @property
    def writing(self) -> bool:
        """Whether a process is writing to it."""
        return is_locked(self.path)

    @contextmanager
    def reading(self, seconds: float = WAIT) -> Iterator[Connection]:
        """Its store, brought up to date, as far as that is done within so many seconds."""
        self.store.bring_up_to_date(seconds)
        with closing(self.store.connect()) as db:
            yield db

    def listed(self) -> JSON:
        """What is told of it among others: see `RunListed`."""
        counted = self._counts()
        flying = self._rows_in_flight()
        return {
            "id": self.id,
            "name": self.path.resolve().name,
            "kind": self.kind,
            "modified": self._modified(),
            **counted,
            "open": sum(row["state"] == "open" for row in flying),
            "lost": counted["lost"] + sum(row["state"] == "lost" for row in flying),
            "indexed": self.store.indexed,
            "training": (self.path / METRICS).is_file(),
            "error": "",
        }

    def unreadable(self, error: str) -> JSON:
        """What is told of it among others while it cannot be read: see `RunListed`.

        Args:
            error: Why.
        """
        modified = 0.0
        with suppress(OSError):
            modified = self.path.stat().st_mtime
        told = {"id": self.id, "name": self.path.resolve().name, "kind": "other", "modified": modified, "error": error}
        counts = {"finished": 0, "open": 0, "lost": 0, "systems": [], "datasets": [], "accuracy": None}
        return told | counts | {"indexed": 1.0, "training": False}

    def page(self, seconds: float = WAIT) -> JSON:
        """Its page, with the figures that are made within so many seconds: see `RunPage`."""
        listed = self.listed()
        kept = {name: value for name, value in listed.items() if name not in _LISTED_ALONE}
        state = (self._counted[0], listed["indexed"] == 1)
        figures, current = self._figures.of(state, seconds)
        if not current:
            kept["indexed"] = min(listed["indexed"], UNSETTLED)
        return kept | {"config": self.config, "writing": self.writing} | figures

    def episodes(self, query: EpisodeQuery) -> JSON:
        """The episodes that are asked for; those in flight come first: see `EpisodesPage`."""
        with self.reading() as db:
            flying = self._flying(self._lost(db))
            chosen = [row for row in flying if matches(row, query)]
            first = chosen[query.offset : query.offset + query.limit]
            rest = max(0, query.offset - len(chosen)), query.limit - len(first)
            matched, rows = find(db, query, *rest)
            total = db.execute("SELECT count(*) FROM episodes").fetchone()[0]
        rows = self._with_parents([*first, *rows])
        return {"total": total + len(flying), "matched": matched + len(chosen), "rows": rows}

    def changed_since(self, change: int) -> list[tuple[int, JSON]]:
        """The rows of the first that finished or were lost since a change, each with the number of its own."""
        with self.reading() as db:
            query = "SELECT id, number, row FROM episodes JOIN rows USING (id) WHERE id > ? ORDER BY id LIMIT 1000"
            rows = db.execute(query, (change,)).fetchall()
        told = self._with_parents([row_of(row) for row in rows])
        return [(row["id"], one) for row, one in zip(rows, told, strict=True)]

    def latest_change(self) -> int:
        """The number of the latest change."""
        with self.reading() as db:
            return int(db.execute("SELECT coalesce(max(id), 0) FROM episodes").fetchone()[0])

    def open_file(self, episode: str) -> Path | None:
        """The file of an episode that is not finished, if it has one."""
        found = open_episode(self.path, episode)
        return None if found is None else found.file

    def episode(self, episode: str) -> JSON:
        """An episode with its events so far: see `EpisodePage`.

        Raises:
            RunError: The run has no such episode, or it cannot be read.
        """
        with self.reading() as db:
            found = db.execute(_ONE, (episode,)).fetchone()
            opened = open_episode(self.path, episode) if found is None or found["state"] == "lost" else None
            if found is None and opened is None:
                raise RunError(f"{self.path} has no episode {episode!r}", "the list of episodes has their ids")
            if found is None or (opened is not None and not opened.given_up and self.writing):
                assert opened is not None  # noqa: S101 - one of the two is there
                return self._unfinished(opened.row(self.writing), opened)
            row = row_of(found)
            if row["state"] == "lost":
                return self._unfinished(row, opened)
            page = self._page_of(row, self._graded(row, *self._record(episode, found["offset"], found["length"])))
            page["group"] = self._group(db, row)
            page["previous"], page["next"] = (
                _named(db, f"number {sign} ? ORDER BY number {way}", row["number"])
                for sign, way in (("<", "DESC"), (">", "ASC"))
            )
            return page

    def events(self, episode: str) -> list[JSON]:
        """The events of a finished episode; none if it is not finished.

        Raises:
            RunError: It cannot be read.
        """
        with self.reading(PATIENCE) as db:  # a reader of a stream is told that it is over, so it must be there
            query = "SELECT offset, length FROM episodes WHERE episode = ? AND state = 'finished'"
            found = db.execute(query, (episode,)).fetchone()
        return [] if found is None else self._record(episode, *found)[1]

    def request(self, key: str) -> JSON:
        """What was sent to a model: see `RequestPage`.

        Raises:
            RunError: It is not kept, or cannot be read.
        """
        sent = read_requests(self.path, [key]).get(key)
        if sent is None:
            raise RunError(
                f"{self.path} keeps no request {key!r}, as with --no-requests", "flowsteer show --prompts says more"
            )
        return asdict(sent) | {"messages": [{"role": role, "content": content} for role, content in sent.messages]}

    def training(self, after: int, seconds: float = WAIT) -> JSON:
        """Its metrics since a line, and what the autopsy says within so many seconds: see `TrainingPage`."""
        (lines, count), told = self.steps.since(after), NOT_EXAMINED
        if count:
            told, _ = self._examined.of(count, seconds)
        return {"lines": lines, "next": count} | told

    def groups(self, step: int) -> JSON:
        """The groups of a step: see `GroupsPage`."""
        with self.reading() as db:
            return asdict(groups_of(db, step, self._floor))

    def study(self) -> JSON:
        """The figures of a study; empty where there are none."""
        found = read_json(self.path / REPORT) if is_study(self.path) else None
        return found if isinstance(found, dict) else {}

    def origin(self, episode: str) -> BranchOrigin | None:
        """Where an episode branched from."""
        return self._origins().get(episode)

    @property
    def _floor(self) -> float:
        update = self.config.get("update")
        floor = update.get("std_floor") if isinstance(update, dict) else None
        return float(floor) if isinstance(floor, int | float) else FLOOR

    def _asked(self) -> tuple[JSON, RightAnswers]:
        """Its config, and the answers that it names; read anew when another run has taken the folder."""
        stamp = stamp_of(self.path / CONFIG)
        if self._known[0] != stamp:
            config: JSON = {}
            with suppress(RunError):
                config = stored_config(self.path)
            self._known = stamp, config, RightAnswers(self.path, config)
        return self._known[1:]

    def _counts(self) -> JSON:
        """What is counted over all its episodes; counted anew when there are others."""
        with self.reading() as db:
            state = (*db.execute("SELECT max(id), count(*) FROM episodes").fetchone(), self.store.grades)
            if self._counted[0] != state:
                self._counted = state, counts(db)
        return self._counted[1]

    def _modified(self) -> float:
        times = [(self.path / name).stat().st_mtime for name in (EPISODES, METRICS) if (self.path / name).is_file()]
        return max(times, default=self.path.stat().st_mtime)

    def _rows_in_flight(self) -> list[JSON]:
        with self.reading() as db:
            return self._with_parents(self._flying(self._lost(db)))

    def _lost(self, db: Connection) -> set[str]:
        return {row[0] for row in db.execute("SELECT episode FROM episodes WHERE state = 'lost'")}

    def _flying(self, lost: set[str]) -> list[JSON]:
        writing = self.writing
        return [
            one.row(writing)
            for one in open_episodes(self.path)
            if one.episode not in lost or (writing and not one.given_up)
        ]

    def _record(self, episode: str, offset: int, length: int) -> tuple[JSON, list[JSON]]:
        """The summary and the events of a finished episode, in the form of today."""
        try:
            with (self.path / EPISODES).open("rb") as file:
                file.seek(offset)
                plain: JSON = json.loads(file.read(length))
            if format_of(plain) > 1:
                return _as_today(plain["summary"]), [with_defaults(event) for event in plain["events"]]
        except (OSError, *DAMAGED) as error:
            raise RunError(f"{episode} cannot be read: {error}", "the other episodes can") from error
        summary = summary_of(self.path, plain | {"offset": offset, "length": length})
        if summary is None:
            raise RunError(f"{episode} is damaged", "the other episodes can be read")
        return summary_to_json(summary), [event_to_json(event) for event in read_events(self.path, offset, length)]

    def _graded(self, row: JSON, summary: JSON, events: list[JSON]) -> JSON:
        """The summary with its latest grade, and the events."""
        grade = {name: row["summary"][name] for name in ("score", "reason")}
        return {"summary": summary | (grade if grade["score"] != summary["score"] else {}), "events": events}

    def _unfinished(self, row: JSON, opened: OpenEpisode | None) -> JSON:
        summary = row["summary"]
        if summary is not None:
            summary = summary | {"served": {}, "metrics": {}}
        events = [] if opened is None else read_events_so_far(opened.file)
        return self._page_of(row, {"summary": summary, "events": events})

    def _examine(self) -> JSON:
        with self.reading() as db:
            return examined(self.path, db.execute("SELECT count(*) FROM episodes").fetchone()[0])

    def _page_of(self, row: JSON, told: JSON) -> JSON:
        summary, origin = told["summary"], self.origin(row["episode"])
        over = row["state"] == "finished"
        return {
            "run": self.id,
            **{name: row[name] for name in ("episode", "number", "state")},
            "summary": summary,
            "gold": self._right(summary) if over else None,
            "grade_reason": summary["reason"] if over else "",
            "parent": origin and origin.episode,
            "parent_run": origin and self._above,
            "parent_turn": origin and origin.turn,
            "group": None,
            "operators": operators_of(self.config),
            "previous": None,
            "next": None,
            "events": told["events"],
        }

    def _right(self, summary: JSON) -> list[str] | None:
        found = self._asked()[1].of(summary["dataset"], summary["task"], summary["digest"])
        return None if found is None else list(found)

    def _group(self, db: Connection, row: JSON) -> list[JSON] | None:
        members = group_of(db, row["episode"], self._floor)
        return None if members is None else [asdict(member) for member in members]

    @property
    def _above(self) -> str | None:
        """The id of the run whose episodes this one's branched from, where that is among those that are viewed."""
        return None if self.id == HERE else self.id.rpartition("/")[0] or HERE

    def _origins(self) -> dict[str, BranchOrigin]:
        return origins_in(self.path) if self.path.name == BRANCHES else {}

    def _with_parents(self, rows: list[JSON]) -> list[JSON]:
        origins = self._origins() if rows else {}
        return [row | {"parent": origins[row["episode"]].episode} if row["episode"] in origins else row for row in rows]


def _as_today(summary: JSON) -> JSON:
    """A summary with the fields that came later."""
    return summary_to_json(summary_from_json(summary))


def _named(db: Connection, where: str, number: int) -> str | None:
    found = db.execute(f"SELECT episode FROM episodes WHERE {where} LIMIT 1", (number,)).fetchone()  # noqa: S608
    return None if found is None else str(found[0])
