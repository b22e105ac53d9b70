"""What the viewer's server answers: the bundle, and the runs as JSON and as server-sent events."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from flowsteer.errors import FlowSteerError, RunError
from flowsteer.runs.event_json import JSON
from flowsteer.viewing.branching import Branching
from flowsteer.viewing.bundle_files import INDEX, bundle_file
from flowsteer.viewing.episode_query import MOST_OFFSET, MOST_ROWS, EpisodeQuery, Order, SortKey, StateFilter
from flowsteer.viewing.following import LOOKS, PAUSE, episode_events, run_events
from flowsteer.viewing.plain_json import text_of
from flowsteer.viewing.run_view import RunView
from flowsteer.viewing.runs_below import find_runs
from flowsteer.viewing.seat import Seat
from flowsteer.viewing.token_gate import problem
from flowsteer.web.headers import number_in
from flowsteer.web.sse import SseResponse

_log = logging.getLogger(__name__)

_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class BranchBody(BaseModel):
    """What begins a branch: the last turn that it shares with its parent."""

    turn: Annotated[int, Field(ge=0)]


class ActBody(BaseModel):
    """What is done in a seat: an action, an undo, or the spec of a Director that takes it."""

    text: str = ""
    undo: bool = False
    seat: str = ""


class Viewer:
    """The runs in a folder and below it, and what is answered about them.

    Args:
        root: The folder.
        cache: Folder of the stores.
        seats: Seats of episodes that this process plays elsewhere, by episode.

    Attributes:
        closing: Set when the server stops, so that streams end.
        branching: The seats, and the branches that are played here.
    """

    def __init__(self, root: Path, cache: Path, seats: Mapping[str, Seat] | None = None) -> None:
        self._root, self._cache = root, cache
        self.branching = Branching(seats)
        self._views: dict[str, RunView] = {}
        self._lock = threading.Lock()
        self.closing = asyncio.Event()

    def views(self) -> dict[str, RunView]:
        """The runs that are there now, by id."""
        found = find_runs(self._root)
        with self._lock:
            known = {name: self._views.get(name) or RunView(name, path, self._cache) for name, path in found.items()}
            self._views = known
            return dict(known)

    def view(self, run: str) -> RunView:
        """A run.

        Raises:
            HTTPException: There is none with this id.
        """
        name = unquote(run)
        found = self._views.get(name) or self.views().get(name)
        if found is None:
            raise HTTPException(404, f"there is no run {name!r} in {self._root}")
        return found

    def runs(self) -> Response:
        """All runs, the latest first."""
        listed = [_listed(view) for view in self.views().values()]
        listed.sort(key=lambda run: -run["modified"])
        return answer({"root": str(self._root), "runs": listed})

    def run(self, run: str) -> Response:
        """One run."""
        return answer(self.view(run).page())

    def episodes(
        self,
        run: str,
        q: str = "",
        system: str = "",
        dataset: str = "",
        type: str = "",  # noqa: A002 - what the front end calls it
        state: StateFilter = "",
        failure: str = "",
        min: float | None = None,  # noqa: A002
        max: float | None = None,  # noqa: A002
        sort: SortKey = "number",
        order: Order = "asc",
        offset: Annotated[int, Query(ge=0, le=MOST_OFFSET)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    ) -> Response:
        """A part of a run's episodes."""
        query = EpisodeQuery(
            q=q,
            system=system,
            dataset=dataset,
            type=type,
            state=state,
            failure=failure,
            min=min,
            max=max,
            sort=sort,
            order=order,
            offset=offset,
            limit=limit,
        )
        return answer(self.view(run).episodes(query))

    def episode(self, run: str, episode: str) -> Response:
        """One episode with its events."""
        return answer(self.view(run).episode(unquote(episode)))

    async def follow_episode(self, run: str, episode: str, request: Request, after: int = 0) -> Response:
        """The events of an episode as they happen."""
        last = number_in(request.headers.get("last-event-id", ""))
        start = after if last is None else last + 1
        view = await asyncio.to_thread(self.view, run)
        return SseResponse(episode_events(view, unquote(episode), start, self.closing))

    async def follow_run(self, run: str, request: Request, last: str = "") -> Response:
        """What happens in a run, from the message on whose id the header or the address names."""
        view = await asyncio.to_thread(self.view, run)
        return SseResponse(run_events(view, request.headers.get("last-event-id", last), self.closing))

    def request(self, run: str, key: str) -> Response:
        """What was sent to a model."""
        return answer(self.view(run).request(unquote(key)))

    def training(self, run: str, after: Annotated[int, Query(ge=0)] = 0) -> Response:
        """The metrics of a training run, and its autopsy."""
        return answer(self.view(run).training(after))

    def groups(self, run: str, step: Annotated[int, Query(ge=0)] = 0) -> Response:
        """The groups of a step."""
        return answer(self.view(run).groups(step))

    def study(self, run: str) -> Response:
        """The figures of a study."""
        return answer(self.view(run).study())

    def compare(self, run: str, left: str, right: str) -> Response:
        """Two episodes side by side."""
        view = self.view(run)
        return answer({"left": view.episode(left), "right": view.episode(right)})

    def search(self, q: str, limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50) -> Response:
        """Episodes of all runs."""
        found: list[JSON] = []
        for name, view in self.views().items():
            if len(found) < limit:
                try:
                    page = view.episodes(EpisodeQuery(q=q, limit=limit - len(found)))
                except Exception:  # noqa: BLE001 - one damaged run must not hide the others
                    _log.exception("%s is not searched", view.path)
                    continue
                found += [{"run": name, "row": row} for row in page["rows"]]
        return answer({"rows": found})

    async def branch(self, run: str, episode: str, body: BranchBody) -> Response:
        """Begin a branch of an episode."""
        view = await asyncio.to_thread(self.view, run)
        folder, made = await self.branching.branch(view, unquote(episode), body.turn)
        views = await asyncio.to_thread(self.views)
        found = next(name for name, view in views.items() if view.path == folder)
        return answer({"run": found, "episode": made})

    async def moves(self, episode: str) -> Response:
        """What may be done in a live episode; while it is nobody's turn, it waits a moment for the person's."""
        seat = self.branching.seat(unquote(episode))
        for _ in range(LOOKS):
            if seat.is_settled:
                break
            await asyncio.sleep(PAUSE)
        return answer(asdict(seat.moves()))

    async def act(self, episode: str, body: ActBody) -> Response:
        """Do something in a live episode."""
        seat = self.branching.seat(unquote(episode))
        if body.seat:
            outcome = await seat.give(body.seat)
        elif body.undo:
            outcome = seat.undo()
        else:
            outcome = seat.take(body.text)
        return answer(asdict(outcome))

    def page(self) -> Response:
        """The front end."""
        return self.asset(INDEX)

    def asset(self, path: str) -> Response:
        """A file of the bundle."""
        kind, content = _TYPES.get(Path(path).suffix), bundle_file(unquote(path))
        if kind is None or content is None:
            raise HTTPException(404, f"the viewer has no file {path}")
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})


def make_viewer_app(viewer: Viewer) -> FastAPI:
    """The app, without the gate before it."""
    app = FastAPI(title="FlowSteer viewer", openapi_url=None)
    run, episode = "/api/runs/{run}", "/api/runs/{run}/episodes/{episode}"
    for path, endpoint in (
        ("/", viewer.page),
        ("/assets/{path:path}", viewer.asset),
        ("/api/runs", viewer.runs),
        ("/api/search", viewer.search),
        (run, viewer.run),
        (f"{run}/episodes", viewer.episodes),
        (f"{run}/stream", viewer.follow_run),
        (f"{run}/requests/{{key}}", viewer.request),
        (f"{run}/training", viewer.training),
        (f"{run}/groups", viewer.groups),
        (f"{run}/study", viewer.study),
        (f"{run}/compare", viewer.compare),
        (episode, viewer.episode),
        (f"{episode}/stream", viewer.follow_episode),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], response_model=None)
    app.add_api_route("/api/live/{episode}/moves", viewer.moves, methods=["GET"], response_model=None)
    for path, posted in ((f"{episode}/branch", viewer.branch), ("/api/live/{episode}/act", viewer.act)):
        app.add_api_route(path, posted, methods=["POST"], response_model=None)
    for kind in (FlowSteerError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _told)
    return app


def _listed(view: RunView) -> JSON:
    """A run among others, which a damaged one does not hide."""
    try:
        return view.listed()
    except Exception as error:  # noqa: BLE001 - whatever it is
        _log.exception("%s cannot be read", view.path)
        return view.unreadable(error.message if isinstance(error, FlowSteerError) else type(error).__name__)


def answer(value: JSON) -> Response:
    """An answer of JSON."""
    return Response(text_of(value), media_type="application/json")


async def _told(request: Request, error: Exception) -> JSONResponse:
    """What a reader is told of an error; of one that nobody had foreseen, its class alone."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return problem(422, f"{place or 'the body'}: {first['msg']}")
    if isinstance(error, HTTPException):
        return problem(error.status_code, str(error.detail))
    if isinstance(error, FlowSteerError):
        return problem(404 if isinstance(error, RunError) else 409, error.message, error.hint)
    return problem(500, f"an unexpected error ({type(error).__name__})", "the viewer's terminal says more")
