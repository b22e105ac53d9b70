"""The stream of a run: what happens is told once, whoever is cut off and comes again."""

import json
from contextlib import aclosing

import pytest

pytest.importorskip("fastapi")

from made_runs import summary, write
from showing import reader, showing

from flowsteer.runs.events import EpisodeStarted
from flowsteer.runs.folder import RunFolder
from flowsteer.task import Task
from flowsteer.viewing import step_lines
from flowsteer.viewing.step_lines import StepLines

STREAM = "/api/runs/~/stream"


async def messages(client, last=None, by="header"):
    """Messages of a run's stream: id, kind and data."""
    asked = (
        {} if last is None else {"headers": {"last-event-id": last}} if by == "header" else {"params": {"last": last}}
    )
    async with client.stream("GET", STREAM, **asked) as stream:
        told = {}
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            told[name] = value
            if not line and "data" in told:
                yield told["id"], told["event"], json.loads(told["data"])
                told = {}


def named(kind, data):
    """What a message is about; None if it is no fact of the run."""
    return {"episode": lambda: (data["state"], data["episode"]), "step": lambda: ("step", data["step"])}.get(
        kind, lambda: None
    )()


async def heard(client, count, last=None, by="header"):
    """So many facts of the stream, and the id of the last one; then the reader is cut off."""
    found = []
    async with aclosing(messages(client, last, by)) as stream:
        async for last, kind, data in stream:
            if (fact := named(kind, data)) is not None:
                found.append(fact)
            if len(found) == count:
                return found, last
    raise AssertionError(found)


def started(folder, episode):
    writer = folder.begin(episode)
    writer.emit(EpisodeStarted(episode, Task(f"Where is {episode}?"), "", "simulated:"))
    return writer


@pytest.mark.parametrize("by", ["header", "address"])
async def test_a_reader_that_is_cut_off_at_any_message_hears_the_rest_once(tmp_path, by):
    with RunFolder.create(tmp_path / "run", {"command": "train"}) as folder:
        write(folder, summary("cot", "d", "before", 1.0), [])
        metrics = folder.path / step_lines.METRICS
        metrics.write_text('{"step": 1}\n{"step": 2}\n')
        async with showing(folder.path, tmp_path / "cache") as address, reader(address) as client:
            begin = await begun(client)
            flying = [started(folder, f"f{number}") for number in range(3)]
            for number in range(3):
                write(folder, summary("cot", "d", f"t{number}", 1.0), [])
            with metrics.open("a") as file:
                file.write('{"step": 3}\n{"step": 4}\n{"st')
            whole, _ = await heard(client, 8, begin, by)
            one_by_one, last = [], begin
            for _ in whole:
                (fact,), last = await heard(client, 1, last, by)
                one_by_one.append(fact)
            assert one_by_one == whole
            flying[1].commit(summary("cot", "d", "f1", 1.0))
            started(folder, "f3")
            with metrics.open("a") as file:
                file.write('ep": 5}\n')
            later, _ = await heard(client, 3, last, by)
    opened = [("open", f"f{number}") for number in range(3)]
    assert sorted(fact for fact in whole if fact[0] == "open") == opened
    assert len(set(whole)) == len(whole)
    assert [fact for fact in whole + later if fact[0] == "step"] == [("step", step) for step in (3, 4, 5)]
    assert {("open", "f3"), ("finished", "f1")} < set(later)


async def begun(client):
    """The id of the first message: who comes for the first time is told nothing of what was before."""
    async with aclosing(messages(client)) as stream:
        last, kind, data = await anext(stream)
    assert (kind, data) == ("writing", True)
    return last


async def test_what_is_in_flight_is_told_to_whoever_comes_first(tmp_path):
    with RunFolder.create(tmp_path / "run", {"command": "eval"}) as folder:
        started(folder, "one")
        async with showing(folder.path, tmp_path / "cache") as address, reader(address) as client:
            for last in (None, "nonsense", "1-2", "9" * 40):
                assert (await heard(client, 1, last))[0] == [("open", "one")]


async def test_the_stream_of_an_episode_in_flight_tells_the_events_of_its_page(tmp_path):
    odd = (b'{"kind": "x\xff"}\n', b"\n", b'{"kind": []}\n', b"[1]\n", b'{"kind": "later"}\n')
    with RunFolder.create(tmp_path / "run", {"command": "eval"}) as folder:
        started(folder, "one")
        with next((tmp_path / "run/open").iterdir()).open("ab") as file:
            file.writelines(odd)
        async with showing(folder.path, tmp_path / "cache") as address, reader(address) as client:
            page = (await client.get("/api/runs/~/episodes/one")).json()["events"]
            async with client.stream("GET", "/api/runs/~/episodes/one/stream") as stream:
                told = []
                async for line in stream.aiter_lines():
                    told += [json.loads(line.removeprefix("data: "))] if line.startswith("data: ") else []
                    if len(told) == len(page):
                        break
    assert [event["kind"] for event in page] == ["episode_started", [], "later"]
    assert told == page


def test_lines_of_metrics_are_parsed_once_and_few_of_them_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(step_lines, "MOST_KEPT", 3)
    file, parsed, count = tmp_path / step_lines.METRICS, step_lines.parsed, []
    monkeypatch.setattr(step_lines, "parsed", lambda line: count.append(line) or parsed(line))
    steps = StepLines(tmp_path)
    assert steps.since(0) == ([], 0)
    file.write_text('{"step": 1}\nbroken\n{"step": 2}\n')
    assert steps.since(0) == ([{"step": 1}, {"step": 2}], 2)
    for number in range(3, 9):
        with file.open("a") as lines:
            lines.write(f'{{"step": {number}}}\n')
        assert steps.since(number - 1) == ([{"step": number}], number)
        assert steps.since(number) == ([], number)
    assert len(count) == 9
    for known in range(9):
        assert steps.since(known) == ([{"step": number} for number in range(known + 1, 9)], 8)
    assert len(steps._latest) == 3
    file.write_text('{"step": 1, "anew": true}\n')
    assert steps.since(8) == ([{"step": 1, "anew": True}], 1)
