"""Episodes as traces, sent by OpenTelemetry's own exporter to a receiver of its protocol."""

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flowsteer_cli import flowsteer

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowsteer.adapters.opentelemetry import sent_spans
from flowsteer.runs.events import EpisodeStarted, TurnTaken
from flowsteer.runs.folder import RunFolder
from flowsteer.task import Task
from flowsteer.usage import Usage

SOLVE = ("solve", "What is 6 times 7?", "--type", "math", "--executor", "simulated:", "--trace", "--json")
DIRECTED = (*SOLVE, "--director", "dsl:Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done")
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@contextmanager
def collector():
    """A receiver on the loopback: its address, and the spans it has got so far."""
    spans = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = ExportTraceServiceRequest()
            sent.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            spans.extend(span for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


def told(span):
    """The attributes of a span or of its event."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def named(spans, start):
    return [span for span in spans if span.name.startswith(start)]


def test_an_episode_is_a_trace_of_turns_nodes_and_calls(tmp_path):
    with collector() as (address, spans):
        done = flowsteer(*DIRECTED, "--run", "mine", cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=address)
    assert done.code == 0, done.err
    (root,) = named(spans, "invoke_workflow")
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert not root.parent_span_id
    by_id = {span.span_id: span for span in spans}
    turns, nodes, calls = (named(spans, start) for start in ("turn ", "execute_tool ", "chat "))
    assert all(by_id[turn.parent_span_id] is root for turn in turns)
    assert all(by_id[node.parent_span_id] in turns for node in nodes)
    assert all(by_id[call.parent_span_id] in [*turns, *nodes] for call in calls)
    events = flowsteer("show", "mine", "--json", cwd=tmp_path).json["events"]
    kinds = Counter(event["kind"] for event in events)
    assert (len(turns), len(nodes)) == (kinds["turn_taken"], kinds["node_ran"])
    usage = next(event for event in events if event["kind"] == "episode_ended")["executor_usage"]
    of_nodes = [told(call) for call in calls if by_id[call.parent_span_id] in nodes]
    assert sum(call["gen_ai.usage.input_tokens"] for call in of_nodes) == usage["prompt_tokens"]
    assert sum(call["flowsteer.calls"] for call in of_nodes) == usage["calls"]
    assert told(root)["flowsteer.workflow"] == done.json["dsl"]
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    assert "6 times 7" not in str(spans)


def test_what_was_said_is_sent_only_if_asked_for(tmp_path):
    with collector() as (address, spans):
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, CONTENT: "true"}
        assert flowsteer(*DIRECTED, cwd=tmp_path, **asked).code == 0
    asked, answered = (
        [json.loads(told(call)[f"gen_ai.{way}.messages"]) for call in named(spans, "chat ")]
        for way in ("input", "output")
    )
    assert any("6 times 7" in part["content"] for messages in asked for one in messages for part in one["parts"])
    assert all(message["role"] == "assistant" for messages in answered for message in messages)


def test_a_grade_stands_in_its_episodes_trace(tmp_path):
    rows = [{"id": f"{n}", "type": "math", "question": f"What is {n} times 7?", "answer": f"{n * 7}"} for n in range(3)]
    (tmp_path / "gsm8k.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with collector() as (address, spans):
        done = flowsteer(
            *("eval", "gsm8k", "--data", ".", "--executor", "simulated:", "--system", "cot", "--trace", "--json"),
            cwd=tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
        )
    assert done.code == 0, done.err
    roots, grades = named(spans, "invoke_workflow"), named(spans, "grade")
    assert len(roots) == 3
    assert {grade.parent_span_id for grade in grades} == {root.span_id for root in roots}
    assert all("gen_ai.evaluation.score.value" in told(grade.events[0]) for grade in grades)


def test_an_episode_that_broke_off_is_sent_while_the_process_runs_and_so_is_each_further_try(tmp_path, monkeypatch):
    def begun(folder):
        writer = folder.begin("one")
        writer.emit(EpisodeStarted("one", Task("?"), "openai:gpt-5", ""))
        writer.emit(TurnTaken(1, "finish", "", Usage(calls=1), 0.0))
        return writer

    def tried(folder, wanted):
        until = time.monotonic() + 20
        while len(named(spans, "invoke_workflow")) < wanted and time.monotonic() < until:
            time.sleep(0.02)
        return len(named(spans, "invoke_workflow"))

    with collector() as (address, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        with sent_spans(tmp_path / "r") as hear, RunFolder.create(tmp_path / "r", {}, hear) as folder:
            for number in (1, 2):
                begun(folder).abandon()
                assert tried(folder, number) == number
            begun(folder)  # as one whose end could not be written
            begun(folder)
            assert tried(folder, 3) == 3
    roots = named(spans, "invoke_workflow")
    assert [root.status.message for root in roots] == ["the episode broke off"] * 4
    assert {span.parent_span_id for span in named(spans, "turn 1")} == {root.span_id for root in roots}


@pytest.mark.parametrize(
    ("spec", "provider", "model"),
    [
        ("openai:gpt-5", "openai", "gpt-5"),
        ("http://127.0.0.1:8000/v1#qwen3", "openai", "qwen3"),
        ("recorded:mine.jsonl.gz#http://127.0.0.1:8000/v1#qwen3", "openai", "qwen3"),
        ("recorded:mine.jsonl.gz#openai:gpt-5", "openai", "gpt-5"),
        ("pretrained#5e2a", "flowsteer", "pretrained#5e2a"),
    ],
)
def test_a_call_names_its_provider_and_its_model(tmp_path, monkeypatch, spec, provider, model):
    with collector() as (address, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with sent_spans(tmp_path / "r") as hear, RunFolder.create(tmp_path / "r", {}, hear) as folder:
            writer = folder.begin("one")
            writer.emit(EpisodeStarted("one", Task("?"), spec, ""))
            writer.emit(TurnTaken(1, "finish", "", Usage(calls=1), 0.0))
            writer.abandon()
    (call,) = named(spans, "chat ")
    assert call.name == f"chat {model}"
    assert (told(call)["gen_ai.provider.name"], told(call)["gen_ai.request.model"]) == (provider, model)


def test_an_unreachable_collector_costs_no_run(tmp_path):
    done = flowsteer(
        *DIRECTED, cwd=tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="1"
    )
    assert done.code == 0
    assert done.json["answer"]
