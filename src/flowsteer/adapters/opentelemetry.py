"""OpenTelemetry: episodes as traces, by its semantic conventions for generative AI. Needs `flowsteer[trace]`.

An episode is a trace: a span a turn, in it one for the Director and one a node, in that one for the node's calls
of a model, since the record keeps their sum. Where spans go is said by OpenTelemetry's own variables, such as
`OTEL_EXPORTER_OTLP_ENDPOINT`.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import time_ns
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context

from flowsteer.runs.folder import Listener
from flowsteer.runs.request_store import read_requests

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""Variable of the conventions: `true` puts what was asked and answered into the spans of calls."""

MOST_ENDED = 1000
"""Ended episodes that a grade can still be told of; it comes right behind the end."""

Json = Mapping[str, Any]


@contextmanager
def sent_spans(run: Path) -> Iterator[Listener]:
    """Send what happens in a run as spans; leaving the block sends what is left.

    Args:
        run: The run folder, which keeps what was sent to models.

    Yields:
        What must hear every event of the run.
    """
    provider = TracerProvider(
        resource=Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "flowsteer")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    episodes = _Episodes(provider.get_tracer("flowsteer", version("flowsteer")), run)
    try:
        yield episodes.hear
    finally:
        episodes.break_off()
        provider.shutdown()


@dataclass(slots=True)
class _Episode:
    root: Span
    director: str
    turn: Span | None = None

    def close(self) -> None:
        if self.turn is not None:
            self.turn.end()
        self.root.end()


class _Episodes:
    """All episodes in flight. An event says how long something took that is over now, so its span began before."""

    def __init__(self, tracer: Tracer, run: Path) -> None:
        self._tracer = tracer
        self._run = run if os.environ.get(CONTENT, "").lower() == "true" else None
        self._open: dict[str, _Episode] = {}
        self._ended: OrderedDict[str, Span] = OrderedDict()

    def hear(self, episode: str, line: str) -> None:
        event = json.loads(line)
        kind = event["kind"]
        if kind == "episode_started":
            self._begin(episode, event)
        elif kind == "graded" and episode in self._ended:
            self._grade(self._ended.pop(episode), event)
        elif (found := self._open.get(episode)) is None:
            return
        elif kind == "turn_taken":
            self._turn(found, event)
        elif kind == "edit_applied" and found.turn is not None:
            found.turn.set_attributes({"flowsteer.edit": event["echo"], "flowsteer.workflow": event["dsl"]})
        elif kind == "edit_rejected" and found.turn is not None:
            found.turn.set_status(StatusCode.ERROR, event["reason"])
        elif kind == "node_ran":
            self._node(found, event)
        elif kind == "episode_ended":
            self._end(episode, event)
        elif kind == "broken_off":
            self._break(episode)

    def break_off(self) -> None:
        for episode in list(self._open):
            self._break(episode)

    def _break(self, episode: str) -> None:
        found = self._open.pop(episode)
        found.root.set_status(StatusCode.ERROR, "the episode broke off")
        found.close()

    def _begin(self, episode: str, event: Json) -> None:
        told = {"gen_ai.conversation.id": episode, "flowsteer.type": event["task"]["type"]}
        if episode in self._open:  # it is played again
            self._break(episode)
        root = self._span("invoke_workflow", None, 0.0, told | {"gen_ai.operation.name": "invoke_workflow"})
        self._open[episode] = _Episode(root, event["director"])

    def _turn(self, episode: _Episode, event: Json) -> None:
        if episode.turn is not None:
            episode.turn.end()
        number = event["turn"]
        episode.turn = self._span(f"turn {number}", episode.root, event["seconds"], {"flowsteer.turn": number})
        self._calls(episode.turn, episode.director, event, event["text"])

    def _node(self, episode: _Episode, event: Json) -> None:
        told = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": event["operator"]}
        told |= {"gen_ai.tool.call.id": event["node"], "flowsteer.memo": event["memo"]}
        span = self._span(f"execute_tool {event['operator']}", episode.turn or episode.root, event["seconds"], told)
        if event["usage"]["calls"]:
            self._calls(span, event["backend"], event, json.dumps(event["wrote"], ensure_ascii=False))
        if event["failure"]:
            span.set_attribute("error.type", event["failure"]["kind"])
            span.set_status(StatusCode.ERROR, event["failure"]["message"])
        span.end()

    def _calls(self, parent: Span, spec: str, event: Json, reply: str) -> None:
        """A span for the calls of a model that one turn or one node made."""
        usage, (provider, model) = event["usage"], _named(spec)
        told: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": usage["prompt_tokens"],
            "gen_ai.usage.output_tokens": usage["completion_tokens"],
            "flowsteer.calls": usage["calls"],
        }
        if usage["cost"] is not None:
            told["flowsteer.cost"] = usage["cost"]
        if self._run is not None:
            sent = read_requests(self._run, event["requests"][-1:]).values()
            asked = [_message(role, text) for request in sent for role, text in request.messages]
            told["gen_ai.input.messages"] = json.dumps(asked, ensure_ascii=False)
            told["gen_ai.output.messages"] = json.dumps([_message("assistant", reply)], ensure_ascii=False)
        self._span(f"chat {model}", parent, event["seconds"], told).end()

    def _end(self, episode: str, event: Json) -> None:
        ended = self._open.pop(episode)
        told = {
            "flowsteer.workflow": event["dsl"],
            "flowsteer.turns": event["turns"],
            "flowsteer.ended": event["reason"],
        }
        ended.root.set_attributes(told)
        ended.close()
        self._ended[episode] = ended.root
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)

    def _grade(self, root: Span, event: Json) -> None:
        told: dict[str, Any] = {"gen_ai.evaluation.name": "score", "gen_ai.evaluation.explanation": event["reason"]}
        if event["score"] is not None:
            told["gen_ai.evaluation.score.value"] = event["score"]
        span = self._span("grade", root, 0.0, {})
        span.add_event("gen_ai.evaluation.result", told)
        span.end()

    def _span(self, name: str, parent: Span | None, seconds: float, told: Mapping[str, Any]) -> Span:
        context = None if parent is None else set_span_in_context(parent)
        return self._tracer.start_span(name, context, attributes=told, start_time=time_ns() - int(seconds * 1e9))


def _named(spec: str) -> tuple[str, str]:
    """The provider and the model of a backend or a Director, as the conventions name them.

    >>> _named("openai:gpt-5"), _named("http://127.0.0.1:8000/v1#qwen3"), _named("recorded:a.gz#vllm:qwen3")
    (('openai', 'gpt-5'), ('openai', 'qwen3'), ('vllm', 'qwen3'))
    >>> _named("pretrained#5e2a")
    ('flowsteer', 'pretrained#5e2a')
    """
    provider, _, rest = spec.partition(":")
    inner = rest.partition("#")[2]
    if provider == "recorded" and inner:
        return _named(inner)
    if provider in ("http", "https"):  # such a server speaks OpenAI's protocol
        return "openai", inner
    return (provider, rest) if ":" in spec else ("flowsteer", spec)


def _message(role: str, text: str) -> Json:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
