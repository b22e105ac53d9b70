"""The endpoints: chats, models, designs, events of an episode, health and figures."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from flowsteer.backends.budget import Caps
from flowsteer.errors import FlowSteerError, RunError
from flowsteer.evaluation.systems import System, WorkflowSystem
from flowsteer.runs.events import EpisodeEnded
from flowsteer.serving.bodies import AskBody, ChatBody, DesignBody, unfit, unread_body
from flowsteer.serving.completions import CompletionFrame, usage_of
from flowsteer.serving.design_only import DesignSystem
from flowsteer.serving.live_episode import LiveEpisode, told
from flowsteer.serving.player import STOPPING, EpisodeAsked, Player
from flowsteer.serving.refusals import GONE, JSON, RequestRefused, refusal_of
from flowsteer.task import Task, TaskType
from flowsteer.web.headers import number_in
from flowsteer.web.sse import SseResponse, sse, until
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.serial import workflow_to_json

EPISODE = "X-FlowSteer-Episode"
"""The header that names the episode of an answer."""

AWAY = "the client went away"

BASE = "chats are at /v1/chat/completions: the base URL of a client ends in /v1"


class Endpoints:
    """What the server answers.

    Args:
        player: Plays the episodes.
        systems: The systems by name.
        executor: Spec of the executor.
        type_: Type of a task whose type is not said; None to guess it.
    """

    def __init__(self, player: Player, systems: Mapping[str, System], executor: str, type_: TaskType | None) -> None:
        self._player, self._systems, self._executor, self._type = player, systems, executor, type_
        self._started = int(time.time())

    async def chat(self, body: ChatBody, request: Request) -> Response:
        """Answer the last message of the user with a system."""
        live, frame = self._start(self._named(body.model), body, body.task(self._type))
        if not body.stream:
            ended = await _outcome(live, request)
            return JSONResponse(frame.whole(ended), headers={EPISODE: live.id})
        try:
            there = await until(request, live.opened.wait())
        except BaseException:  # whatever ends the request ends its episode
            await live.stop(AWAY)
            raise
        if not live.events or not there:
            await _outcome(live, request)
        return SseResponse(_chunks(frame, live, body), {EPISODE: live.id})

    async def design(self, body: DesignBody, request: Request) -> Response:
        """Design a workflow for a question, and run nothing."""
        live, frame = self._start(DesignSystem(self._named(body.model)), body, body.task(self._type))
        ended = await _outcome(live, request)
        plain = {
            "id": live.id,
            "object": "workflow",
            "created": int(time.time()),
            "model": body.model,
            "dsl": ended.dsl,
            "workflow": workflow_to_json(ended.workflow),
            "usage": usage_of(ended),
            "flowsteer": frame.facts(ended),
        }
        return JSONResponse(plain, headers={EPISODE: live.id})

    async def models(self) -> Response:
        """List the systems."""
        return JSONResponse({"object": "list", "data": [self._model(name) for name in self._systems]})

    async def model(self, name: str) -> Response:
        """Describe one system."""
        self._named(name)
        return JSONResponse(self._model(name))

    async def events(self, episode: str, request: Request) -> Response:
        """Stream the events of an episode: those of one in flight as they happen, those of a finished one at once."""
        last = number_in(request.headers.get("last-event-id", ""))
        start = 0 if last is None else last + 1
        live = self._player.live.get(episode)
        if live is not None:
            return SseResponse(_live_events(live, start))
        try:
            recorded = self._player.folder.events(episode)
        except RunError:
            found = f"no episode {episode!r} is in flight or finished; what broke off stands in the run folder"
            raise RequestRefused(404, "episode_not_found", found) from None
        done = LiveEpisode(episode)
        done.events = recorded
        done.close()
        return SseResponse(_live_events(done, start))

    async def health(self) -> Response:
        """Say that the server is there."""
        return JSONResponse({"status": "ok"})

    async def metrics(self) -> Response:
        """The figures, for Prometheus."""
        return PlainTextResponse(self._player.gauges.text(), media_type="text/plain; version=0.0.4")

    def _named(self, name: str) -> System:
        if name not in self._systems:
            found = f"the model {name!r} does not exist; there are: {', '.join(self._systems)}"
            raise RequestRefused(404, "model_not_found", found, param="model")
        return self._systems[name]

    def _model(self, name: str) -> JSON:
        system, plain = self._systems[name], {"executor": self._executor}
        if isinstance(system, WorkflowSystem):
            plain["dsl"] = to_dsl(system.workflow)
        kind = "workflow" if "dsl" in plain else "director"
        own = {"id": name, "object": "model", "created": self._started, "owned_by": "flowsteer"}
        return own | {"flowsteer": {"kind": kind} | plain}

    def _start(self, system: System, body: AskBody, task: Task) -> tuple[LiveEpisode, CompletionFrame]:
        caps = Caps() if body.budget is None else body.budget.caps
        live = self._player.start(EpisodeAsked(system, task, body.seed, body.max_turns, caps))
        return live, CompletionFrame(live.id, body.model, task.type, not (body.type or self._type))


def make_app(endpoints: Endpoints) -> FastAPI:
    """The app, without the gate before it; `/openapi.json` describes it."""
    app = FastAPI(title="FlowSteer", docs_url=None, redoc_url=None)
    for path, endpoint, method in (
        ("/v1/chat/completions", endpoints.chat, "POST"),
        ("/v1/workflows", endpoints.design, "POST"),
        ("/v1/models", endpoints.models, "GET"),
        ("/v1/models/{name:path}", endpoints.model, "GET"),
        ("/v1/episodes/{episode}/events", endpoints.events, "GET"),
        ("/healthz", endpoints.health, "GET"),
        ("/metrics", endpoints.metrics, "GET"),
    ):
        app.add_api_route(path, endpoint, methods=[method], response_model=None)
    for kind in (FlowSteerError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _refuse)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """What was refused within the app, or went wrong in it; the gate writes the latter to the log."""
    if isinstance(error, RequestValidationError):
        refused = unfit(error.errors()[0])
    elif isinstance(error, HTTPException) and error.status_code == 400:  # bytes that are no text
        refused = unread_body("")
    elif isinstance(error, HTTPException):
        found, status = f"{request.url.path}: {error.detail}", error.status_code
        hint = BASE if status == 404 else ""
        refused = RequestRefused(status, f"http_{status}", found, hint)
    else:
        refused = refusal_of(error)
    return JSONResponse(refused.body, refused.status, refused.headers)


async def _outcome(live: LiveEpisode, request: Request) -> EpisodeEnded:
    """The end of an episode; it is broken off when its client goes.

    Raises:
        RequestRefused: The client went, or the server is stopping.
        FlowSteerError: Why it broke off.
    """
    try:
        there = await until(request, asyncio.wait({live.task}))
    finally:
        await live.stop(AWAY)
    if not there:
        raise RequestRefused(GONE, "gone", AWAY)
    return _result(live)


def _result(live: LiveEpisode) -> EpisodeEnded:
    if live.task.cancelled():
        raise RequestRefused(503, "stopping", STOPPING, "ask again once it is back")
    return live.task.result()


async def _chunks(frame: CompletionFrame, live: LiveEpisode, body: ChatBody) -> AsyncGenerator[bytes, None]:
    """The chunks of an answer; an error on the way is the last of them."""
    try:
        yield sse(frame.chunk({"role": "assistant", "content": ""}))
        async for _, event in live.follow():
            if body.progress:
                yield sse(frame.chunk({}, flowsteer=told(event)))
        try:
            ended = _result(live)
        except Exception as error:  # noqa: BLE001 - the headers are gone: this is where the client can be told
            yield sse(refusal_of(error).body)
            return
        yield sse(frame.chunk({"content": ended.answer}))
        yield sse(frame.last_chunk(ended))
        if body.stream_options is not None and body.stream_options.include_usage:
            yield sse(frame.usage_chunk(ended))
        yield sse("[DONE]")
    finally:
        await live.stop(AWAY)


async def _live_events(live: LiveEpisode, start: int) -> AsyncGenerator[bytes, None]:
    async for number, event in live.follow(start):
        yield sse(told(event), event.kind, number)
    if live.events and isinstance(live.events[-1], EpisodeEnded):
        yield sse({}, "done")
    else:
        yield sse({"reason": live.stopped or "the episode broke off"}, "broken_off")
