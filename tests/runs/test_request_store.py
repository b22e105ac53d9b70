"""What was sent to models is in the record, once by content, and events name it."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_server import FakeServer, say, status
from flowsteer_cli import flowsteer
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.backends.base import Message, Request, Sampling
from flowsteer.errors import RunError, RunWriteError
from flowsteer.runs.events import EpisodeEnded, NodeRan, TurnTaken
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.request_store import FILE, RequestStore, read_requests
from flowsteer.session import Setup, open_session
from flowsteer.task import Task
from flowsteer.workflow.dsl import parse_dsl

DSL = "Plan -> [Programmer, Custom] -> ScEnsemble -> (Review -> Revise) * 2"
QUESTION = ("What is 6 times 7?", "--type", "math")
DRAWN = {"temperature": 0.5, "top_p": 1.0, "top_k": 0, "max_tokens": 9, "seed": 3}


def named(events):
    return [key for event in events for key in getattr(event, "requests", ())]


def rows(folder, table):
    return sqlite3.connect(folder / FILE).execute(f"SELECT * FROM {table}").fetchall()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
schemas = st.none() | st.dictionaries(texts, st.integers(), max_size=2)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from(["system", "user"]), texts), max_size=4), schemas, st.none() | texts
        ),
        max_size=6,
    )
)
def test_what_is_kept_comes_back_and_stands_there_once(tmp_path_factory, requests):
    path = tmp_path_factory.mktemp("kept")
    store = RequestStore(path / FILE)
    keys = [store.keep("a:b", messages, DRAWN, schema, grammar) for messages, schema, grammar in requests * 2]
    store.close()
    found = read_requests(path, keys)
    for key, (messages, schema, grammar) in zip(keys, requests * 2, strict=True):
        sent = found[key]
        assert (sent.messages, sent.json_schema, sent.grammar) == (tuple(messages), schema, grammar)
        assert (sent.backend, sent.sampling) == ("a:b", DRAWN)
    assert len(rows(path, "requests")) == len(set(keys))
    contents = [text for _, text in rows(path, "texts")]
    assert len(contents) == len(set(contents))


def test_every_request_of_turns_and_nodes_is_named_by_its_event(tmp_path):
    server_side = asyncio.run(_solved_over_http(tmp_path))
    folder = RunFolder.read(tmp_path / "r")
    (episode,) = folder.entries
    events = folder.events(episode)
    sent = read_requests(folder.path, named(events))
    ours = [
        {"messages": [{"role": role, "content": content} for role, content in sent[key].messages]}
        | dict(sent[key].sampling)
        for key in named(events)
    ]
    on_the_wire = [
        {"messages": body["messages"], "temperature": body["temperature"], "max_tokens": body["max_tokens"]}
        for body in server_side
    ]
    kept = [{name: one[name] for name in ("messages", "temperature", "max_tokens")} for one in ours]
    assert Counter(map(json.dumps, kept)) == Counter(map(json.dumps, on_the_wire))
    assert sum(len(event.requests) for event in events if isinstance(event, TurnTaken)) >= 2
    assert all(len(event.requests) >= event.usage.calls for event in events if isinstance(event, NodeRan))


async def _solved_over_http(tmp_path):
    add = "<action>add</action><operator>Custom</operator>"
    async with FakeServer(say(add), say("no action")) as server:
        arguments = ("solve", *QUESTION, "--run", "r", "--max-turns", "3", "--no-cache", "--free", "--allow-unfinished")
        specs = ("--director", server.spec, "--executor", server.spec)
        done = await asyncio.to_thread(flowsteer, *arguments, *specs, cwd=tmp_path)
        assert done.code == 0, done.err
        return server.seen


def test_a_request_that_was_refused_is_named_too(tmp_path):
    async def ended():
        async with FakeServer() as server:
            server.then = status(400)
            events = []
            setup = Setup(director=server.spec, executor="simulated:", requests=tmp_path / FILE)
            async with open_session(setup) as session:
                await session.episode(Task("?", "qa"), events.append)
            return events

    end = asyncio.run(ended())[-1]
    assert isinstance(end, EpisodeEnded)
    assert "refused" in end.reason
    assert len(read_requests(tmp_path, end.requests)) == 1


def test_a_conversation_stands_there_once(tmp_path):
    turns = [Message("system", "s" * 5000), Message("user", "u" * 5000)]

    async def run():
        async with FakeServer() as server:
            setup = Setup(director="", executor=server.spec, requests=tmp_path / FILE)
            async with open_session(setup) as session:
                for number in range(20):
                    await session.executor_backend.complete(Request(tuple(turns), Sampling()))
                    turns.extend((Message("assistant", f"{number}"), Message("user", f"next {number}")))

    asyncio.run(run())
    assert len(rows(tmp_path, "requests")) == 20
    assert len(rows(tmp_path, "texts")) == 2 + 19 * 2
    assert (tmp_path / FILE).stat().st_size < 100_000


def test_memo_hits_name_what_was_sent_for_them(tmp_path):
    async def run():
        async with open_session(Setup(director="", executor="simulated:", requests=tmp_path / FILE)) as session:
            from flowsteer.execution.memo import Memo

            memo, task = Memo(), Task("What is 6 times 7?", "math")
            first = await session.execute(parse_dsl(DSL), task, memo=memo)
            return first, await session.execute(parse_dsl(DSL), task, memo=memo)

    first, again = asyncio.run(run())
    assert all(node.memo for node in again.ran)
    assert [node.requests for node in again.ran] == [node.requests for node in first.ran]
    assert all(node.requests for node in first.ran)


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    path = tmp_path_factory.mktemp("solved")
    command = ("solve", *QUESTION, "--director", f"dsl:{DSL}", "--executor", "simulated:typed-2")
    for run, options in (("kept", ()), ("bare", ("--no-requests",))):
        assert flowsteer(*command, "--run", run, *options, cwd=path).code == 0
    return path


def test_show_prints_what_was_sent(solved):
    shown = flowsteer("show", "kept", "--prompts", cwd=solved)
    assert "node_1 Plan, request 1 of 1" in shown.out
    assert "What is 6 times 7?" in shown.out
    assert "held to a json_schema" in shown.out
    plain = flowsteer("show", "kept", "--prompts", "--json", cwd=solved).json
    keys = {key for event in plain["events"] for key in event.get("requests", ())}
    assert keys == plain["requests"].keys()
    assert all(one["messages"] and one["backend"].startswith("simulated:typed-2") for one in plain["requests"].values())
    assert "requests" not in flowsteer("show", "kept", "--json", cwd=solved).json


def test_requests_of_votes_that_were_not_taken_are_shown_too(tmp_path):
    command = ("solve", *QUESTION, "--director", "simulated:?votes=3", "--executor", "simulated:typed-2", "--run", "r")
    assert flowsteer(*command, "--max-turns", "6", "--allow-unfinished", cwd=tmp_path).code == 0
    plain = flowsteer("show", "r", "--prompts", "--json", cwd=tmp_path).json
    (voted,) = (event for event in plain["events"] if event["kind"] == "voted")
    theirs = [{key for event in other for key in event.get("requests", ())} for other in voted["others"]]
    assert len(theirs) == 2
    assert any(theirs)
    assert set().union(*theirs) <= plain["requests"].keys()
    shown = flowsteer("show", "r", "--prompts", cwd=tmp_path).out
    assert all((f"vote not taken {number} of 2, " in shown) == bool(keys) for number, keys in enumerate(theirs, 1))


def test_a_killed_run_that_is_read_only_says_what_to_do(tmp_path):
    store = RequestStore(tmp_path / FILE)
    key = store.keep("a:b", [("user", "Hello?")], DRAWN)
    left = {name: (tmp_path / name).read_bytes() for name in (FILE, f"{FILE}-wal")}
    store.close()
    with as_nobody() as top:
        kept, copy = top / "kept", top / "copy"
        for folder in (kept, copy):
            folder.mkdir()
            for name, content in left.items():
                (folder / name).write_bytes(content)
        kept.chmod(0o555)
        with pytest.raises(RunError, match="cannot be read") as refused:
            read_requests(kept, [key])
        assert "copy it to where you may write" in refused.value.hint
        assert read_requests(copy, [key]).keys() == {key}
        kept.chmod(0o755)


@contextmanager
def as_nobody():
    """A folder of somebody who is held to the rights of files; root is not."""
    user = os.geteuid()
    other = 65534 if user == 0 else user
    with tempfile.TemporaryDirectory() as top:
        os.chown(top, other, -1)
        os.seteuid(other)
        try:
            yield Path(top)
        finally:
            os.seteuid(user)


def test_it_can_be_left_out_and_nothing_else_changes(solved):
    assert not (solved / "bare" / FILE).exists()
    told = flowsteer("show", "bare", "--prompts", cwd=solved)
    assert told.code == 1
    assert "keeps nothing of what was sent" in told.err

    def bare(run):
        events = flowsteer("show", run, "--json", cwd=solved).json["events"]
        return [
            {name: value for name, value in event.items() if name not in ("requests", "seconds")} for event in events
        ]

    assert [one["kind"] for one in bare("kept")] == [one["kind"] for one in bare("bare")]
    assert [one.get("wrote") for one in bare("kept")] == [one.get("wrote") for one in bare("bare")]
    kept, bare_config = (json.loads((solved / run / "config.json").read_text()) for run in ("kept", "bare"))
    assert kept["config"] == bare_config["config"]


def test_reading_changes_nothing_where_nobody_writes(solved):
    before = {path.name: path.stat().st_mtime_ns for path in (solved / "kept").iterdir()}
    flowsteer("show", "kept", "--prompts", cwd=solved)
    assert {path.name: path.stat().st_mtime_ns for path in (solved / "kept").iterdir()} == before


def test_an_evaluation_keeps_what_all_its_systems_send(tmp_path):
    done = flowsteer(
        *("eval", "simulated", "--limit", "4", "--executor", "simulated:", "--run", "r"),
        *("--system", "direct", "--system", f"fixed:{DSL}", "--system", "director:simulated:"),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    folder = RunFolder.read(tmp_path / "r")
    for episode in folder.entries:
        events = folder.events(episode)
        keys = named(events)
        assert read_requests(folder.path, keys).keys() == set(keys)
        assert all(event.requests for event in events if isinstance(event, NodeRan) and event.usage.calls)


def test_keys_of_servers_are_in_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWSTEER_API_KEY", "sk-abcdefghijklmnopqrstuvwxyz")
    asyncio.run(_solved_over_http(tmp_path))
    for file in (tmp_path / "r").rglob("*"):
        assert file.is_dir() or b"abcdefghijklmnopqrstuvwxyz" not in file.read_bytes(), file


def test_a_kill_leaves_every_request_that_an_event_names(tmp_path):
    program = f"""
import asyncio
from flowsteer.cli.main import app
app(["eval", "simulated", "--limit", "400", "--executor", "simulated:", "--run", "r", "--system", "fixed:{DSL}"])
"""
    running = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=-3, stderr=-3)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        index = tmp_path / "r" / "index.jsonl"
        if index.exists() and index.read_bytes().count(b"\n") > 20:
            break
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    folder = RunFolder.read(tmp_path / "r")
    assert folder.entries
    keys = [key for episode in folder.entries for key in named(folder.events(episode))]
    assert read_requests(folder.path, keys).keys() == set(keys)


def test_a_file_that_is_none_is_told(tmp_path):
    (tmp_path / FILE).write_text("no database" * 100)
    with pytest.raises(RunWriteError, match="cannot write"):
        RequestStore(tmp_path / FILE)
    with pytest.raises(RunError, match="cannot be read"):
        read_requests(tmp_path, ["x"])
    assert read_requests(tmp_path / "nowhere", ["x"]) == {}
