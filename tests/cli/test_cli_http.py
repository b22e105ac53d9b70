"""A Director and an executor behind HTTP, through the command line: what fails is told, kept and resumed."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from fake_server import Behaviour, FakeServer, cut_json, say, status
from flowsteer_cli import ended, open_events, run, start

DIRECTOR, EXECUTOR = "edits", "answers"
MODELS = [(DIRECTOR, "someone"), (EXECUTOR, "someone")]
OPERATORS = ("Plan", "Custom", "AnswerGenerate")


async def well(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    """Answer as each of the two models would: the next edit, or an answer."""
    if body["model"] == EXECUTOR:
        await say("Paris")(writer, body)
        return
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    await say(f"<action>add</action><operator>{OPERATORS[turn]}</operator>")(writer, body)


def asked(server: FakeServer) -> list[str]:
    """Who was asked, in order."""
    return [body["model"] for body in server.seen]


def command(server: FakeServer, *more: str) -> tuple[str, ...]:
    """Solve in three turns, with both models on the server."""
    specs = ("--director", f"{server.url}#{DIRECTOR}", "--executor", f"{server.url}#{EXECUTOR}")
    return (
        "solve",
        "Capital of France?",
        "--type",
        "qa",
        *specs,
        "--max-turns",
        "3",
        "--allow-unfinished",
        "--run",
        "r",
        "--json",
        *more,
    )


def fails_at(number: int, fault: Behaviour) -> Behaviour:
    """Answer well, but from the given request on with a fault."""
    count = 0

    async def behave(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        await (well if count < number else fault)(writer, body)

    return behave


@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
async def test_a_whole_episode_streamed_or_not(tmp_path: Path, stream: str):
    async with FakeServer(models=MODELS) as server:
        server.then = well
        outcome = await run(*command(server, stream), cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    value = outcome.json
    assert (value["turns"], value["accepted"], value["answer"]) == (3, 3, "Paris")
    assert value["dsl"] == " -> ".join(OPERATORS)
    assert {bool(body.get("stream")) for body in server.seen} == {stream == "--stream"}
    assert value["usage"]["total"]["calls"] == len(server.seen)
    assert value["usage"]["director"] | {"seconds": 0, "cost": 0} == {
        "calls": 3, "prompt_tokens": 21, "completion_tokens": 9, "seconds": 0, "cost": 0,
    }  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_what_is_broken_off_resumes_and_asks_nothing_twice(tmp_path: Path, how: signal.Signals):
    hanging, gate = asyncio.Event(), asyncio.Event()

    async def hang(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        hanging.set()
        await gate.wait()
        await well(writer, body)

    async with FakeServer(models=MODELS) as server:
        server.then = fails_at(4, hang)  # Director, executor, Director, and the executor hangs
        process = await start(*command(server), cwd=tmp_path)
        await asyncio.wait_for(hanging.wait(), 60)
        process.send_signal(how)
        outcome = await ended(process)
        kinds = [event["kind"] for event in open_events(tmp_path / "r")]
        assert kinds.count("turn_taken") == 2
        assert kinds.count("node_ran") == 1
        if how != signal.SIGKILL:
            assert outcome.code == outcome.json["error"]["code"] == 128 + how
            told = outcome.err.splitlines()
            assert told[-2:] == ["interrupted", "what was done is kept; to go on, add --run r to the same command"]
        else:
            assert (outcome.code, outcome.out) == (-signal.SIGKILL, "")
        first = asked(server)
        gate.set()
        resumed = await run(*command(server), cwd=tmp_path)
        again = await run(*command(server), cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert first == [DIRECTOR, EXECUTOR, DIRECTOR, EXECUTOR]
    assert asked(server)[4:6] == [EXECUTOR, DIRECTOR]
    assert server.seen[4] == server.seen[3]
    assert not [body for body in server.seen[4:] if body in server.seen[:3]]
    assert resumed.json["usage"]["total"]["calls"] == len(server.seen) - 1  # all but the call that was cut off
    assert again.out == resumed.out
    assert not list((tmp_path / "r" / "open").iterdir())


FAULTS: dict[str, tuple[Behaviour, str]] = {
    "500 always": (status(500, "overloaded"), "500 overloaded"),
    "cut JSON always": (cut_json, "no whole JSON"),
    "key refused": (status(401, "bad key"), "FLOWSTEER_API_KEY"),
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every fault, from the Director's second turn on and then cured; side by side, since retries take their time."""

    async def one(name: str, fault: Behaviour) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        async with FakeServer(models=MODELS) as server:
            server.then = fails_at(3, fault)
            outcome = await run(*command(server), cwd=folder)
            kept, calls = open_events(folder / "r"), len(server.seen)
            server.then = well
            resumed = await run(*command(server), cwd=folder)
            return {"outcome": outcome, "kept": kept, "resumed": resumed, "after": asked(server)[calls:]}

    async def every() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(one(name, fault) for name, (fault, _) in FAULTS.items())))

    return dict(zip(FAULTS, asyncio.run(every()), strict=True))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_server_is_told_and_nothing_is_made_up(failed: dict[str, dict[str, Any]], name: str):
    outcome, kept = failed[name]["outcome"], failed[name]["kept"]
    assert outcome.code == outcome.json["error"]["code"] == 1
    assert "Traceback" not in outcome.err
    told = [line for line in outcome.err.splitlines() if not line.startswith("warning: ")]
    assert told[0].startswith("error: http://127.0.0.1:")
    assert len(told) == 3
    assert FAULTS[name][1] in outcome.err
    assert "add --run r to the same command" in outcome.err
    assert [event["turn"] for event in kept if event["kind"] == "turn_taken"] == [1]
    assert kept[-1]["kind"] == "feedback_given"


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_the_run_goes_on_where_it_stopped(failed: dict[str, dict[str, Any]], name: str):
    resumed = failed[name]["resumed"]
    assert resumed.code == 0, resumed.err
    assert (resumed.json["turns"], resumed.json["accepted"]) == (3, 3)
    assert failed[name]["after"].count(DIRECTOR) == 2  # the first turn is not asked for again


async def test_too_many_requests_waits_as_long_as_the_server_says(tmp_path: Path):
    async with FakeServer(status(429, "slow down", "retry-after: 1.2"), models=MODELS) as server:
        server.then = well
        started = time.monotonic()
        outcome = await run(*command(server), cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert time.monotonic() - started >= 1.2
    assert asked(server)[:3] == [DIRECTOR, DIRECTOR, EXECUTOR]
    assert outcome.json["turns"] == 3
    assert outcome.json["usage"]["total"]["calls"] == len(server.seen) - 1


async def test_a_slow_server_is_waited_for(tmp_path: Path):
    async def slowly(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        await asyncio.sleep(0.3)
        await well(writer, body)

    async with FakeServer(models=MODELS) as server:
        server.then = slowly
        outcome = await run(*command(server), cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert outcome.json["seconds"] >= 0.3 * len(server.seen)


async def test_what_was_asked_is_asked_again_only_without_the_cache(tmp_path: Path):
    async with FakeServer(models=MODELS) as server:
        server.then = fails_at(3, status(401, "bad key"))
        assert (await run(*command(server, "--no-cache"), cwd=tmp_path)).code == 1
        server.then, calls = well, len(server.seen)
        assert (await run(*command(server, "--no-cache"), cwd=tmp_path)).code == 0
    assert asked(server)[calls:].count(DIRECTOR) == 3
    assert not (tmp_path / "r" / "replies.sqlite").exists()


async def test_a_request_the_server_refuses_fails_the_node_and_not_the_run(tmp_path: Path):
    async with FakeServer(status(400, "too long"), say("Paris"), models=MODELS) as server:
        spec = f"{server.url}#{EXECUTOR}"
        outcome = await run("run", "Plan -> Custom", "hi", "--type", "qa", "--executor", spec, "--json", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    plan, custom = outcome.json["nodes"]
    assert "too long" in plan["failure"]["message"]
    assert (custom["failure"], outcome.json["answer"]) == (None, "Paris")


async def test_a_packed_run_is_replayed_without_its_models(tmp_path: Path):
    async with FakeServer(models=MODELS) as server:
        server.then = well
        first = await run(*command(server), cwd=tmp_path)
        director, executor = (f"{server.url}#{name}" for name in (DIRECTOR, EXECUTOR))
    packed = await run("runs", "pack", "r", "--to", "shared.gz", "--json", cwd=tmp_path)
    assert packed.code == 0, packed.err
    assert {model["spec"] for model in packed.json["models"]} == {director, executor}
    specs = ("--director", f"recorded:shared.gz#{director}", "--executor", f"recorded:shared.gz#{executor}")
    question = ("--max-turns", "3", "--json")
    again = await run("solve", "Capital of France?", *specs, *question, "--run", "again", cwd=tmp_path)
    assert (again.json["dsl"], again.json["answer"]) == (first.json["dsl"], first.json["answer"])
    other = await run("solve", "Capital of Spain?", *specs, *question, "--run", "other", cwd=tmp_path)
    assert other.code != 0
    assert "does not hold request" in other.err + other.out
