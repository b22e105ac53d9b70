"""A person takes the Director's seat: by branching from a finished episode, or of a live one."""

import asyncio
import json
import re
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from flowsteer_cli import COMMAND, environment
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

import jsonschema
from showing import WORKFLOW, evaluated, reader, showing

from flowsteer.backends.base import Features, Reply
from flowsteer.canvas.canvas import Canvas, Settings, rules_for
from flowsteer.canvas.director import Turn
from flowsteer.director.human import understood
from flowsteer.runs.config import stored_config
from flowsteer.runs.event_json import events_from_json
from flowsteer.runs.events import EditApplied, EditRejected, EpisodeEnded, NodeRan, TurnTaken, Voted
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.request_store import FILE as REQUESTS
from flowsteer.runs.summary import Tally
from flowsteer.session import Setup, open_session
from flowsteer.task import Task
from flowsteer.training.config import load_training, settings_of, setup_of
from flowsteer.usage import Usage
from flowsteer.viewing import schema
from flowsteer.viewing.legal_moves import legal_moves
from flowsteer.viewing.undoing import undoing
from flowsteer.workflow.apply import apply
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.edits import Finish

ROOT = Path(__file__).parents[2]
POSTED = {"x-flowsteer": "1"}


def filled(move, pick=lambda choices: choices[0]):
    """The action of a move, with a choice in each of its fields."""
    text = move["text"]
    for field in move["fields"]:
        choice = "Be brief." if field["choices"] is None else pick(field["choices"])
        text = text.replace(f"{{{field['name']}}}", choice)
    return text


class Live:
    """A live episode, as the front end sees it."""

    def __init__(self, client, episode):
        self.client, self.path = client, f"/api/live/{quote(episode, safe='')}"

    async def moves(self):
        """The moves, once it is the person's turn or all is over."""
        for _ in range(100):
            plain = (await self.client.get(f"{self.path}/moves")).json()
            if plain.get("moves") or plain.get("done"):
                check = {"$ref": "#/$defs/MovesPage", "$defs": schema.schema()["$defs"]}
                jsonschema.Draft202012Validator(check).validate(plain)
                return plain
            await asyncio.sleep(0.05)
        raise AssertionError(plain)

    async def act(self, **body):
        answer = await self.client.post(f"{self.path}/act", json=body, headers=POSTED)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def take(self, kind, pick=lambda choices: choices[0]):
        move = next(move for move in (await self.moves())["moves"] if move["kind"] == kind)
        assert (await self.act(text=filled(move, pick)))["accepted"]


async def branched(client, episode, turn):
    path = f"/api/runs/~/episodes/{quote(episode, safe='')}/branch"
    answer = await client.post(path, json={"turn": turn}, headers=POSTED)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_branch_shares_the_turns_of_its_parent_and_names_it(tmp_path):
    await evaluated(tmp_path / "run", limit=1)
    parent = next(name for name in RunFolder.read(tmp_path / "run").entries if name.startswith("director:"))
    before = RunFolder.read(tmp_path / "run").events(parent)
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        made = await branched(client, parent, 2)
        live = Live(client, made["episode"])
        assert (await live.moves())["turn"] == 3
        await live.take("add", lambda choices: "Custom" if "Custom" in choices else choices[0])
        assert not (await live.act(text="add Nonsense"))["accepted"]
        assert (await live.moves())["can_undo"]
        assert (await live.act(undo=True))["accepted"]
        assert (await live.moves())["turn"] == 5
        await live.act(seat="dsl:Plan -> [Programmer, Custom] -> ScEnsemble -> Verify ? Revise : done")
        for _ in range(100):
            page = (await client.get(f"/api/runs/{made['run']}/episodes/{quote(made['episode'], safe='')}")).json()
            if page["state"] == "finished":
                break
            await asyncio.sleep(0.1)
        rows = (await client.get(f"/api/runs/{made['run']}/episodes")).json()["rows"]
        assert (await client.get("/api/runs/~/episodes")).json()["total"] == 2
    assert (made["run"], page["parent"], page["parent_run"], page["parent_turn"]) == ("branches", parent, "~", 2)
    assert rows[0]["parent"] == parent
    folder = RunFolder.read(tmp_path / "run/branches")
    events = folder.events(made["episode"])
    assert [one.text for one in events if isinstance(one, TurnTaken)][:2] == [
        one.text for one in before if isinstance(one, TurnTaken)
    ][:2]
    edits = [one for one in events if isinstance(one, EditApplied)]
    assert to_dsl(edits[3].workflow) == to_dsl(edits[1].workflow)
    assert isinstance(events[-1], EpisodeEnded)
    assert not any(isinstance(one, EditRejected) and one.turn < 5 for one in events)
    assert RunFolder.read(tmp_path / "run").events(parent) == before


class Stumbling:
    """An LLM whose first turn a person may say and an LLM may not; of several votes, the first never finishes."""

    spec, features = "stumbling", Features()

    async def complete(self, request):
        turn = sum(message.role == "assistant" for message in request.messages)
        if request.sampling.seed not in self.seeds:
            self.seeds.append(request.sampling.seed)
        is_first = self.seeds.index(request.sampling.seed) % self.votes == 0
        said = SAID[:-1] if self.votes > 1 and is_first else SAID
        return Reply(said[turn] if turn < len(said) else "no more", Usage(1, 5, 2), "m")

    def __init__(self, votes):
        self.votes, self.seeds = votes, []

    async def aclose(self):
        pass


SAID = (
    "add Plan",
    "<action>add</action><structure>parallel</structure><operators>Programmer, AnswerGenerate, Custom</operators>",
    *(f"<action>add</action><operator>{name}</operator>" for name in ("ScEnsemble", "Verify", "Format")),
    "<action>finish</action>",
)


@pytest.mark.parametrize("votes", [1, 3])
async def test_a_branch_begins_with_all_that_happened_in_its_parent(tmp_path, votes):
    system = "director:stumbling" + ("?votes=3" if votes > 1 else "")
    llm = {"stumbling": Stumbling(votes)}
    kept = {"executor": "simulated:typed-2", "concurrency": 1, "requests": str(tmp_path / "run" / REQUESTS)}
    await evaluated(tmp_path / "run", (system,), 1, llm, seed=5, epochs=2, **kept)
    folder = RunFolder.read(tmp_path / "run")
    assert {entry.summary.seed for entry in folder.entries.values()} == {5, 6}
    voted = [event.taken for name in folder.entries for event in folder.events(name) if isinstance(event, Voted)]
    assert voted == [1, 1][: votes - 1]
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        for parent in folder.entries:
            made = await branched(client, parent, 4)
            assert (await Live(client, made["episode"]).moves())["turn"] == 5
            page = f"/api/runs/{made['run']}/episodes/{quote(made['episode'], safe='')}"
            events = events_from_json((await client.get(page)).json()["events"])
            assert told(events) == told(folder.events(parent), 4)
            assert any(event.requests for event in events if isinstance(event, NodeRan))


async def test_episodes_of_one_run_that_were_allowed_different_things_can_all_be_branched(tmp_path):
    await evaluated(tmp_path / "run", ("director:pretrained", f"director:dsl:{WORKFLOW}"), limit=1)
    folder = RunFolder.read(tmp_path / "run")
    allowed = {name: folder.events(name)[0].settings for name in folder.entries}
    assert len({settings.max_turns for settings in allowed.values()}) == 2
    for parent in folder.entries:
        async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
            made = await branched(client, parent, 1)
            assert (await Live(client, made["episode"]).moves())["turn"] == 2
            page = f"/api/runs/{made['run']}/episodes/{quote(made['episode'], safe='')}"
            (started, *_) = events_from_json((await client.get(page)).json()["events"])
        assert started.settings == allowed[parent]
        assert "canvas" not in stored_config(tmp_path / "run/branches")


async def test_branches_that_an_earlier_version_began_go_on(tmp_path):
    """It wrote down what the first episode that was branched had been allowed."""
    await evaluated(tmp_path / "run", limit=1)
    parent = next(name for name in RunFolder.read(tmp_path / "run").entries if name.startswith("director:"))
    for _ in range(2):
        async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
            made = await branched(client, parent, 1)
            assert (await Live(client, made["episode"]).moves())["turn"] == 2
        file = tmp_path / "run/branches/config.json"
        kept = json.loads(file.read_text())
        kept["config"]["canvas"] = {"max_turns": 5}
        file.write_text(json.dumps(kept))


async def test_a_branch_of_a_training_is_allowed_and_told_what_its_parent_was(tmp_path):
    config = load_training(ROOT / "examples/cheap_and_strong.toml")
    script = tmp_path / "script"
    script.write_text("add Plan@cheap\nadd Custom\nadd Nonsense\nadd Review@cheap")
    setup = replace(setup_of(config), director=f"script:{script}", canvas=Settings(max_turns=4, feedback="status"))
    with RunFolder.create(tmp_path / "run", settings_of(config)) as folder:
        writer, tally = folder.begin("one"), Tally()

        def emit(event):
            tally.see(event)
            writer.emit(event)

        async with open_session(setup) as session:
            await session.episode(Task("What is 6 times 7?", "math"), emit, "one")
        writer.commit(tally.summary("policy", seed=0))
        parent = folder.events("one")
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        made = await branched(client, "one", 3)
        assert (await Live(client, made["episode"]).moves())["turn"] == 4
        page = f"/api/runs/{made['run']}/episodes/{quote(made['episode'], safe='')}"
        events = events_from_json((await client.get(page)).json()["events"])
    assert events[0].settings == parent[0].settings
    assert events[0].settings.rules.backends == ("cheap",)
    assert [type(event) for event in events] == [type(event) for event in parent][: len(events)]
    assert told(events) == told(parent, 3)
    assert stored_config(tmp_path / "run/branches")["prices"] == {
        spec: list(price) for spec, price in config.executor.prices.items()
    }


def told(events, turn=99):
    """What the canvas decided and what ran, with the digests of what was sent, up to a turn; branches in any order."""
    kinds = (EditApplied, EditRejected, NodeRan)
    seen = [event for event in events if isinstance(event, kinds) and event.turn <= turn]
    timeless = [
        replace(event, seconds=0.0, usage=replace(event.usage, seconds=0.0)) if isinstance(event, NodeRan) else event
        for event in seen
    ]
    return sorted(timeless, key=lambda event: (event.turn, event.node if isinstance(event, NodeRan) else ""))


async def test_a_branch_that_is_left_is_kept_as_broken_off(tmp_path):
    await evaluated(tmp_path / "run", limit=1)
    parent = next(name for name in RunFolder.read(tmp_path / "run").entries if name.startswith("director:"))
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        made = await branched(client, parent, 99)
        assert (await Live(client, made["episode"]).moves())["moves"]
        refused = await client.post(f"/api/runs/~/episodes/{quote('direct/x', safe='')}/branch", json={"turn": 1})
        assert refused.status_code == 403
    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        (row,) = (await client.get("/api/runs/branches/episodes")).json()["rows"]
        assert (row["state"], row["parent"]) == ("lost", parent)
        assert (await client.get(f"/api/live/{quote(made['episode'], safe='')}/moves")).status_code == 404


@given(st.data())
def test_every_move_that_is_offered_is_accepted_and_can_be_taken_back_where_that_is_said(data):
    asyncio.run(_random_walk(data))


async def _random_walk(data):
    task = Task("What is 6 times 7?", "math")
    async with open_session(Setup(director="", executor="simulated:")) as session:
        rules = rules_for(task, session.library, Settings(), ())
        canvas = Canvas(task, session.executor(), rules, Settings(feedback="status"))
        for _ in range(data.draw(st.integers(1, 5))):
            seen = canvas.observe()
            move = data.draw(st.sampled_from(legal_moves(seen)))
            fields = [{"name": one.name, "choices": one.choices} for one in move.fields]
            text = filled({"text": move.text, "fields": fields})
            action = understood(text, seen)  # raises if the canvas would refuse it
            if isinstance(action, Finish):
                return
            after = apply(seen.workflow, action, rules).workflow
            back = undoing(seen.workflow, action, after, rules)
            if back is not None:
                assert to_dsl(apply(after, back, rules).workflow) == to_dsl(seen.workflow)
            await canvas.step(Turn(text, action))


def test_a_person_directs_a_solve_from_the_browser(tmp_path):
    command = [*COMMAND, "solve", "What is 6 times 7?", "--director", "human", "--executor", "simulated:", "--view"]
    env = environment(FLOWSTEER_HOME=str(tmp_path / "home"))
    with subprocess.Popen(
        [*command, "--run", "run"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as solving:
        address = re.search(r"http\S+", solving.stderr.readline())[0]
        base, _, token = address.partition("/?token=")
        headers = POSTED | {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=base, headers=headers) as client:
            episode = wait_for(lambda: client.get("/api/runs/~/episodes").json().get("rows"))[0]["episode"]
            for text in (
                "add Plan",
                "add [Custom, Programmer]",
                "add ScEnsemble",
                "add Verify ? Revise : done",
                "finish",
            ):
                wait_for(lambda: client.get(f"/api/live/{episode}/moves").json().get("moves"))
                assert client.post(f"/api/live/{episode}/act", json={"text": text}).json()["accepted"]
        _, err = solving.communicate(timeout=30)
        assert solving.returncode == 0, err
    (entry,) = RunFolder.read(tmp_path / "run").entries.values()
    assert (entry.summary.finished, entry.summary.turns, entry.summary.director) == (True, 5, "human")


def wait_for(ask, seconds=20.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := ask():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came")


async def test_branches_that_begin_at_once_share_one_copy_of_their_parents_replies(tmp_path):
    run = tmp_path / "is it? #1 100%"
    await evaluated(run, limit=1)
    with closing(sqlite3.connect(run / "replies.sqlite")) as replies, replies:
        replies.execute("CREATE TABLE more AS SELECT zeroblob(1 << 24) AS bytes")
    parent = next(name for name in RunFolder.read(run).entries if name.startswith("director"))
    async with showing(run, tmp_path / "cache") as address, reader(address) as client:
        made = await asyncio.gather(*(branched(client, parent, 1) for _ in range(3)))
    assert len({one["episode"] for one in made}) == 3
    with closing(sqlite3.connect(run / "branches/replies.sqlite")) as replies:
        assert replies.execute("SELECT length(bytes) FROM more").fetchall() == [(1 << 24,)]


async def test_the_viewer_answers_while_the_folder_of_a_branch_is_opened(tmp_path, monkeypatch):
    await evaluated(tmp_path / "run", limit=1)
    parent = next(name for name in RunFolder.read(tmp_path / "run").entries if name.startswith("director"))
    create, opening, go_on = RunFolder.create, threading.Event(), threading.Event()

    def slowly(*args):
        opening.set()
        assert go_on.wait(20)
        return create(*args)

    async with showing(tmp_path / "run", tmp_path / "cache") as address, reader(address) as client:
        monkeypatch.setattr(RunFolder, "create", slowly)
        begun = asyncio.create_task(branched(client, parent, 1))
        await asyncio.to_thread(opening.wait)
        assert (await client.get("/api/runs")).status_code == 200
        assert not begun.done()
        go_on.set()
        assert (await Live(client, (await begun)["episode"]).moves())["turn"] == 2
