"""Branches: episodes that begin with another one's turns and go on from a person's seat in the viewer."""

import asyncio
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import fields, replace
from pathlib import Path
from uuid import uuid4

from flowsteer.canvas.canvas import Settings
from flowsteer.canvas.episode import run_episode
from flowsteer.errors import ActionError, ConfigError, FlowSteerError, RunError
from flowsteer.runs.config import CONFIG, stored_config
from flowsteer.runs.event_json import JSON, events_from_json
from flowsteer.runs.events import EditRejected, EpisodeEnded, EpisodeSettings, EpisodeStarted, Event, TurnTaken, Voted
from flowsteer.runs.failure import failure_of
from flowsteer.runs.files import is_there
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary, Tally
from flowsteer.session import OperatorSettings, Setup, deciding, open_session, vote_seed
from flowsteer.settings import check, part_of
from flowsteer.task import Task
from flowsteer.viewing.branches import BRANCHES, BranchOrigin, origin_note
from flowsteer.viewing.run_view import RunView
from flowsteer.viewing.seat import Seat
from flowsteer.workflow.rules import RuleSettings

_log = logging.getLogger(__name__)

SYSTEM = "director:human"


class Branching:
    """The seats of a viewer, and the branches that are played in it.

    Args:
        seats: Seats of episodes that are played elsewhere in this process, by episode.
    """

    def __init__(self, seats: Mapping[str, Seat] | None = None) -> None:
        self._elsewhere = seats or {}
        self._seats: dict[str, Seat] = {}
        self._folders: dict[Path, RunFolder] = {}
        self._opening: dict[Path, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def seat(self, episode: str) -> Seat:
        """The seat of a live episode.

        Raises:
            RunError: Nobody can direct it here.
        """
        found = self._seats.get(episode) or self._elsewhere.get(episode)
        if found is None:
            raise RunError(f"{episode!r} has no seat to take", "branch from one of its turns")
        return found

    async def branch(self, view: RunView, episode: str, turn: int) -> tuple[Path, str]:
        """Begin an episode with the turns of another one, up to one of them.

        Args:
            view: The run of the parent.
            episode: The parent; it is finished.
            turn: The last turn to share; 0 for none.

        Returns:
            The run folder of the branch, and its id.

        Raises:
            RunError: The parent is not finished, its record does not hold its draws, or the branch cannot be written.
            ConfigError: The run's settings do not say how to go on.
        """
        events = await asyncio.to_thread(lambda: events_from_json(view.events(episode)))
        started = next((event for event in events if isinstance(event, EpisodeStarted)), None)
        if started is None or started.settings is None:
            raise RunError(f"{episode!r} is not finished, or had no Director", "branch from a directed episode")
        page = await asyncio.to_thread(view.episode, episode)
        seed = _seed(page["summary"]["seed"], events)
        setup = await asyncio.to_thread(setup_of, view, started.settings)
        path = view.path if view.path.name == BRANCHES else view.path / BRANCHES
        name = f"{episode}~{turn}-{uuid4().hex[:6]}"
        async with self._opening.setdefault(path, asyncio.Lock()):  # of a long run that takes seconds
            folder = await asyncio.to_thread(self._folder, path, view.path, setup)
            await asyncio.to_thread(folder.note, *origin_note(name, BranchOrigin(episode, turn)))
        setup = replace(setup, seed=seed, cache=folder.replies, requests=folder.requests)
        seat = self._seats[name] = Seat(said=_said(events, turn))
        task = asyncio.create_task(self._play(folder, setup, started.task, name, seat))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return folder.path, name

    async def close(self) -> None:
        """Break off what is being played."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for folder in self._folders.values():
            folder.close()

    def _folder(self, path: Path, parent: Path, setup: Setup) -> RunFolder:
        """The folder that branches of a run are written to, with the replies that their parents had."""
        if path not in self._folders:
            self._folders[path] = RunFolder.create(path, _config(path, setup))
        folder = self._folders[path]
        _copy_replies(parent / folder.replies.name, folder.replies)
        return folder

    async def _play(self, folder: RunFolder, setup: Setup, task: Task, name: str, seat: Seat) -> None:
        writer, tally = folder.begin(name), Tally()

        def emit(event: Event) -> None:
            tally.see(event)
            writer.emit(event)

        try:
            async with open_session(setup) as session:
                seat.connect = session.connect_director
                canvas = session.canvas(task, emit, name)
                await run_episode(canvas, seat, emit, name, session.executor_backend.spec)
                writer.commit(tally.summary(SYSTEM, seed=setup.seed, served=session.served))
        except FlowSteerError as error:
            writer.abandon()
            lost = EpisodeSummary(system=SYSTEM, dataset="", type=task.type, task=task.id, lost=failure_of(error))
            with suppress(RunError):
                folder.lose(name, lost)
            _log.warning("the branch %s broke off: %s", name, error)
        except asyncio.CancelledError:
            writer.abandon()
            raise
        finally:
            seat.over = True


def setup_of(view: RunView, settings: EpisodeSettings) -> Setup:
    """The session in which an episode of a run can go on.

    Args:
        view: The run.
        settings: What the parent was allowed.

    Raises:
        ConfigError: The run's settings do not say it.
    """
    config = view.config
    plain: JSON = {name: value for name, value in config.items() if name not in ("command", "task")}
    match config.get("command"):
        case "solve" | "serve" | "branch":
            setup = check(Setup, plain, str(view.path))
        case "eval":
            from flowsteer.evaluation.evaluate import read_plan
            from flowsteer.evaluation.evaluation_config import setup_of as of_evaluation

            setup = of_evaluation(read_plan(view.path))
        case "train":
            table = config.get("executor", {})
            named = {field.name: table[field.name] for field in fields(OperatorSettings) if field.name in table}
            asked = {"executor": table["backend"], "executor_sampling": table["sampling"]} | named
            setup = check(Setup, asked | {"seed": config.get("seed", 0)}, str(view.path))
        case other:
            raise ConfigError(
                f"a run of {other!r} has no Director to branch from", "branch from a solve, eval or train"
            )
    told = {name: getattr(settings, name) for name in ("max_turns", "max_rejected", "feedback")}
    canvas = check(Settings, told | part_of(settings.rules, RuleSettings), str(view.path))
    return replace(setup, director="", canvas=canvas)


def _config(path: Path, setup: Setup) -> JSON:
    """What is written of a run of branches: what is common to the run that they are of.

    What one episode was allowed may differ from the next, and stands in its own record. A folder that was begun stays
    as it is: its run is the same, and an earlier version wrote the canvas of its first branch down.
    """
    common = {name: value for name, value in deciding(setup).items() if name != "canvas"}
    begun = stored_config(path) if is_there(path / CONFIG) else {}
    return begun if begun.get("command") == "branch" else {"command": "branch"} | common


def _said(events: list[Event], turn: int) -> list[tuple[str, ActionError | None]]:
    """What the parent said up to a turn, without its finish, and why that was no action where it was none."""
    faults = {
        event.turn: ActionError(event.reason, *event.choices[:1])
        for event in events
        if isinstance(event, EditRejected) and not event.parsed
    }
    turns = [
        (event.text, faults.get(event.turn)) for event in events if isinstance(event, TurnTaken) and event.turn <= turn
    ]
    ended = next((event for event in events if isinstance(event, EpisodeEnded)), None)
    return turns[: ended.turns - 1] if ended is not None and ended.finished else turns


def _seed(seed: int, events: list[Event]) -> int:
    """The seed of an episode's own draws; of several that voted, that of the one whose turns are recorded."""
    taken = next((event.taken for event in events if isinstance(event, Voted)), 0)
    if taken < 0:
        raise RunError("the record does not say which of its votes was taken", "branch from an episode without votes")
    return vote_seed(seed, taken)


def _copy_replies(source: Path, target: Path) -> None:
    """Let a branch find the replies that its parent's calls had, so that it pays for what is new alone."""
    if not source.is_file() or target.exists():
        return
    with (
        suppress(sqlite3.Error),  # then the calls are made again
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here)
