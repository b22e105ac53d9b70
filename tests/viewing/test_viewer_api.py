"""The viewer's server, asked as its front end asks: what it answers is what the runs hold, and as the schema says."""

import asyncio
import json
from dataclasses import replace
from urllib.parse import quote, urlsplit

import httpx
import jsonschema
import pytest

pytest.importorskip("fastapi")

from made_runs import hostile_run
from showing import evaluated, reader, showing

from flowsteer.runs.event_json import event_to_json
from flowsteer.runs.events import EpisodeStarted, Graded
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.grades import write_grades
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.session import Setup, deciding, open_session
from flowsteer.task import Task
from flowsteer.viewing import schema
from flowsteer.workflow.dsl import parse_dsl

DEFS = schema.schema()["$defs"]


def conforms(plain, record):
    check = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{record}", "$defs": DEFS})
    assert [f"{error.json_path}: {error.message}" for error in check.iter_errors(plain)] == []
    return plain


async def get(client, path, record=None, **params):
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    plain = answer.json()
    return conforms(plain, record) if record else plain


async def settled(client, run="~"):
    """The page of a run, once its figures are those of all its episodes."""
    for _ in range(100):
        page = await get(client, f"/api/runs/{run}", "RunPage")
        if page["indexed"] == 1:
            break
    return page


async def test_the_runs_of_a_folder_are_listed_with_their_figures(tmp_path):
    await evaluated(tmp_path / "runs/deep/one")
    async with showing(tmp_path / "runs", tmp_path / "cache") as address, reader(address) as client:
        (run,) = (await get(client, "/api/runs", "RunsPage"))["runs"]
        page = await settled(client, quote(run["id"], safe=""))
    assert (run["id"], run["kind"], run["finished"], run["open"], run["lost"]) == ("deep/one", "eval", 8, 0, 0)
    entries = RunFolder.read(tmp_path / "runs/deep/one").entries.values()
    for system in page["systems"]:
        scores = [entry.summary.score for entry in entries if entry.summary.system == system["system"]]
        assert system["accuracy"] == pytest.approx(sum(scores) / len(scores))
        assert system["n"] == system["scored"] == 4
        assert system["low"] <= system["accuracy"] <= system["high"]
    assert page["config"]["command"] == "eval"
    assert not page["writing"]


async def test_the_right_answers_of_all_starts_of_a_run_are_shown(tmp_path):
    for dataset in ("simulated:math", "simulated:qa"):
        await evaluated(tmp_path / "run", systems=("direct",), limit=1, datasets=[dataset])
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        rows = (await get(client, "/api/runs/~/episodes", "EpisodesPage"))["rows"]
        pages = [await get(client, f"/api/runs/~/episodes/{quote(row['episode'], safe='')}") for row in rows]
    assert [bool(page["gold"]) for page in pages] == [True, True]


async def test_an_episode_is_told_whole_with_the_right_answer_and_its_neighbours(tmp_path):
    await evaluated(tmp_path / "run")
    record = RunFolder.read(tmp_path / "run")
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        (run,) = (await get(client, "/api/runs"))["runs"]
        assert run["id"] == "~"
        rows = (await get(client, "/api/runs/~/episodes", "EpisodesPage"))["rows"]
        assert [row["episode"] for row in rows] == list(record.entries)
        for row, before, after in zip(rows, [None, *rows], [*rows[1:], None], strict=False):
            page = await get(client, f"/api/runs/~/episodes/{quote(row['episode'], safe='')}", "EpisodePage")
            events = [event_to_json(event) for event in record.events(row["episode"])]
            assert page["events"] == json.loads(json.dumps(events))
            assert row["question"] == events[0]["task"]["question"][:160]
            assert page["gold"]
            assert row["right"] == (page["summary"]["score"] >= 1)
            assert (page["previous"], page["next"]) == (before and before["episode"], after and after["episode"])
        pair = {"left": rows[0]["episode"], "right": rows[1]["episode"]}
        await get(client, "/api/runs/~/compare", "ComparePage", **pair)


async def test_episodes_are_filtered_sorted_and_found_by_their_words(tmp_path):
    await evaluated(tmp_path / "run")
    entries = RunFolder.read(tmp_path / "run").entries
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:

        async def found(**params):
            page = await get(client, "/api/runs/~/episodes", "EpisodesPage", **params)
            assert page["total"] == len(entries)
            return [row["episode"] for row in page["rows"]], page["matched"]

        names, matched = await found(system="direct", sort="tokens", order="desc")
        tokens = [entries[name].summary.executor_tokens for name in names]
        assert matched == 4
        assert tokens == sorted(tokens, reverse=True)
        some = entries[names[0]].summary
        assert all(entries[name].summary.task == some.task for name in (await found(q=f"task:{some.task}"))[0])
        assert (await found(q="ScEns revis"))[1] == 4
        assert (await found(q='nothing" OR 1'))[1] == 0
        right = [name for name, entry in entries.items() if entry.summary.score >= 1]
        assert set((await found(state="right"))[0]) == set(right)
        assert (await found(min=1, limit=1, offset=1))[1] == len(right)
        assert (await get(client, "/api/search", "SearchPage", q="ScEnsemble"))["rows"][0]["run"] == "~"
        assert (await client.get("/api/runs/~/episodes", params={"sort": "row"})).status_code == 422


async def test_what_was_sent_to_a_model_is_told_by_its_key(tmp_path):
    task, setup = Task("What is 6 times 7?", "math"), Setup(director="dsl:Plan -> Custom", executor="simulated:")
    with RunFolder.create(tmp_path / "run", {"command": "solve"} | deciding(setup)) as folder:
        writer, emitted = folder.begin("one"), []
        async with open_session(replace(setup, requests=folder.requests)) as session:
            executor = session.executor()
            await executor.run(parse_dsl("Plan -> Custom"), task, emitted.append)
        for event in emitted:
            writer.emit(event)
        writer.commit(EpisodeSummary(system="fixed", dataset="", type="math", task=task.id))
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        page = await get(client, "/api/runs/~/episodes/one", "EpisodePage")
        (key,) = page["events"][0]["requests"]
        sent = await get(client, f"/api/runs/~/requests/{key}", "RequestPage")
        assert "What is 6 times 7?" in sent["messages"][-1]["content"]
        assert (await client.get("/api/runs/~/requests/nothing")).status_code == 404


async def test_events_that_an_older_version_wrote_are_told_with_what_came_later(tmp_path):
    await evaluated(tmp_path / "run", ("direct",), limit=1)
    for name in ("episodes.jsonl", "index.jsonl"):
        file = tmp_path / "run" / name
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        if name == "episodes.jsonl":
            for event in lines[0]["events"]:
                event.pop("requests", None)
            file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        else:
            file.write_text("")
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        (row,) = (await get(client, "/api/runs/~/episodes"))["rows"]
        page = await get(client, f"/api/runs/~/episodes/{quote(row['episode'], safe='')}", "EpisodePage")
    assert [event["requests"] for event in page["events"] if event["kind"] == "node_ran"] == [[]]


async def test_every_figure_leads_to_its_episodes(tmp_path):
    run = hostile_run(tmp_path / "run")
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        page = await settled(client)
        behind = [({"system": one["system"], "dataset": one["dataset"]}, one["n"]) for one in page["systems"]]
        behind += [({"failure": one["kind"]}, one["count"]) for one in page["failures"]]
        assert len(behind) == 7
        for filters, count in behind:
            assert (await get(client, "/api/runs/~/episodes", "EpisodesPage", **filters))["matched"] == count
        for one in page["failures"]:
            assert all(run.entries[name].summary.failures[one["kind"]] for name in one["episodes"])


async def test_grades_given_later_and_episodes_that_finish_later_are_seen(tmp_path):
    await evaluated(tmp_path / "run", ("direct",), limit=2)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        rows = (await get(client, "/api/runs/~/episodes"))["rows"]
        first, second = (RunFolder.read(tmp_path / "run").entries[row["episode"]] for row in rows)
        other = replace(second.summary, answer="another one")
        grades = {first.episode: (first.summary, Graded(0.25, {}, "looked at again"))}
        write_grades(tmp_path / "run", grades | {second.episode: (other, Graded(0.75, {}, "of another answer"))})
        await evaluated(tmp_path / "run", ("direct", "cot"), limit=2)
        page = await get(client, "/api/runs/~/episodes", "EpisodesPage")
        again = await get(client, f"/api/runs/~/episodes/{quote(rows[0]['episode'], safe='')}", "EpisodePage")
    assert [row["number"] for row in page["rows"]] == [1, 2, 3, 4]
    assert (again["summary"]["score"], again["grade_reason"]) == (0.25, "looked at again")
    assert 0.75 not in {row["summary"]["score"] for row in page["rows"]}


async def test_a_folder_that_another_run_has_taken_is_read_anew(tmp_path):
    for limit in (3, 2):
        await evaluated(tmp_path / f"run{limit}", ("direct",), limit=limit)
    (tmp_path / "run3").rename(tmp_path / "run")
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        assert (await get(client, "/api/runs/~/episodes"))["total"] == 3
    (tmp_path / "run").rename(tmp_path / "run3")
    (tmp_path / "run2").rename(tmp_path / "run")
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        assert (await get(client, "/api/runs/~/episodes"))["total"] == 2


async def test_open_and_lost_episodes_are_shown_as_what_they_are(tmp_path):
    gone = EpisodeSummary(system="direct", dataset="d", type="qa", task="t")
    with RunFolder.create(tmp_path / "run", {"command": "eval"}) as folder:
        writer = folder.begin("flying")
        writer.emit(EpisodeStarted("flying", Task("Why does it fly?"), "", "simulated:"))
        folder.lose("lost", gone)
        async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
            rows = (await get(client, "/api/runs/~/episodes", "EpisodesPage"))["rows"]
            assert [(row["episode"], row["state"]) for row in rows] == [("flying", "open"), ("lost", "lost")]
            page = await get(client, "/api/runs/~/episodes/flying", "EpisodePage")
            assert (page["state"], page["gold"], len(page["events"])) == ("open", None, 1)
            await get(client, "/api/runs/~/episodes/lost", "EpisodePage")
            assert (await get(client, "/api/runs/~", "RunPage"))["writing"]
            assert (await get(client, "/api/runs/~/episodes", q="fly", state="open"))["matched"] == 1
            assert (await client.get("/api/runs/~/episodes/none")).status_code == 404


async def test_only_who_has_the_token_is_answered_and_only_at_the_viewers_own_address(tmp_path):
    await evaluated(tmp_path / "run", ("direct",), limit=1)
    async with showing(tmp_path / "run", tmp_path / "cache") as address:
        base, _, token = address.partition("/?token=")
        async with httpx.AsyncClient(base_url=base) as client:
            for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "flowsteer_1=x"}):
                refused = await client.get("/api/runs", headers=headers)
                assert refused.status_code == 401
                conforms(refused.json(), "ErrorPage")
            assert (await client.get("/?token=wrong")).status_code == 401
            page = await client.get("/", params={"token": token})
            assert "HttpOnly" in page.headers["set-cookie"]
            assert "script-src 'self'" in page.headers["content-security-policy"]
            assert (await client.get("/api/runs")).status_code == 200  # by the cookie
            for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}, {"host": "127.0.0.1:1"}):
                assert (await client.get("/api/runs", headers=headers)).status_code == 403
            assert (await client.post("/api/runs/~/episodes/x/branch", json={"turn": 1})).status_code == 403
            for path in ("/assets/..%2f..%2frecords.py", "/assets/%2e%2e/records.py"):
                assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("others", [b"a=1", b'prefs={"theme":"dark"}', b"x=a b", b"\xe9=1", b"a[b]=1", b"lone", b'a="'])
async def test_cookies_of_other_programs_on_this_machine_keep_nobody_out(tmp_path, others):
    async with showing(tmp_path, tmp_path / "cache") as address:
        base, _, token = address.partition("/?token=")
        async with httpx.AsyncClient(base_url=base) as client:
            for shown, status in ((token, 200), (f"{token}x", 401)):
                own = f"flowsteer_{urlsplit(base).port}={shown}".encode()
                for header in (own, others + b"; " + own, own + b";" + others):
                    answer = await client.get("/api/runs", headers={"cookie": header})
                    assert answer.status_code == status


async def test_a_number_that_nobody_was_told_begins_anew(tmp_path):
    await evaluated(tmp_path / "run", ("direct",), limit=1)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        (row,) = (await client.get("/api/runs/~/episodes")).json()["rows"]
        path = f"/api/runs/~/episodes/{quote(row['episode'], safe='')}/stream"
        whole, odd = await client.get(path), await client.get(path, headers={"last-event-id": "9" * 5000})
    assert odd.status_code == 200
    assert odd.text == whole.text


async def facts(client, path, start=0):
    """Events of a stream with their numbers, to its end."""
    found = []
    async with client.stream("GET", path, params={"after": start}) as stream:
        kind = number = ""
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            match name:
                case "event":
                    kind = value
                case "id":
                    number = value
                case "data" if kind == "end":
                    return found
                case "data":
                    found.append((int(number), json.loads(value)))
    return found


async def test_an_episode_in_flight_is_followed_to_its_end_from_any_number(tmp_path):
    await evaluated(tmp_path / "done", ("direct",), limit=1)
    (done,) = RunFolder.read(tmp_path / "done").entries.values()
    events = RunFolder.read(tmp_path / "done").events(done.episode)
    with RunFolder.create(tmp_path / "run", {"command": "eval"}) as folder:
        writer = folder.begin("one")
        writer.emit(events[0])
        async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
            path = "/api/runs/~/episodes/one/stream"
            readers = [asyncio.create_task(facts(client, path, start)) for start in (0, 2)]
            for event in events[1:]:
                await asyncio.sleep(0.05)
                writer.emit(event)
            writer.commit(done.summary)
            whole, late = await asyncio.gather(*readers)
            assert await facts(client, path, 1) == whole[1:]
    assert [event for _, event in whole] == [json.loads(json.dumps(event_to_json(event))) for event in events]
    assert [number for number, _ in whole] == list(range(len(events)))
    assert late == whole[2:]
