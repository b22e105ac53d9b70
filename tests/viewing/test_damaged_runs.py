"""A run with damaged records is shown without them, and the runs beside it as if it were not there."""

import json
import os
import shutil
import threading

import pytest

pytest.importorskip("fastapi")

from showing import evaluated, reader, showing

from flowsteer.evaluation.evaluate import evaluate
from flowsteer.evaluation.evaluation_config import make_config
from flowsteer.viewing.episode_query import EpisodeQuery
from flowsteer.viewing.plain_json import text_of
from flowsteer.viewing.report_file import write_report_page
from flowsteer.viewing.run_store import RunStore
from flowsteer.viewing.run_view import RunView
from flowsteer.viewing.runs_below import find_runs

LONG = 20.0
"""Seconds."""


@pytest.fixture
async def run(tmp_path):
    """A run of three episodes."""
    await evaluated(tmp_path / "runs/run", ("direct",), limit=3)
    return tmp_path / "runs/run"


def damage(run, change):
    """Let another hand have written the first episode."""
    start, episodes, index = 0, [], []
    for number, line in enumerate((run / "episodes.jsonl").read_text().splitlines()):
        plain = json.loads(line)
        if number == 0:
            change(plain)
        events = plain.pop("events")
        episodes.append(f'{json.dumps(plain)[:-1]}, "events": {json.dumps(events)}}}\n')
        index.append(f"{json.dumps(plain | {'offset': start, 'length': len(episodes[-1])})}\n")
        start += len(episodes[-1])
    (run / "episodes.jsonl").write_text("".join(episodes))
    (run / "index.jsonl").write_text("".join(index))


def rows_of(view):
    view.store.bring_up_to_date(LONG)
    return view.episodes(EpisodeQuery())["rows"]


@pytest.mark.parametrize(
    "field",
    [
        {"answer": 5},
        {"executor_tokens": 2**70},
        {"score": "1"},
        {"terms": [1]},
        {"system": ["direct"]},
        {"failures": {"\ud800": 1}},
        {"lost": {"kind": 5, "message": None}},
    ],
    ids=str,
)
async def test_an_episode_that_is_none_is_left_out_and_the_others_are_shown(run, tmp_path, field):
    damage(run, lambda plain: plain["summary"].update(field))
    view = RunView("~", run, tmp_path / "cache")
    assert len(rows_of(view)) == 2
    assert view.store.indexed == 1
    assert (write_report_page(run, tmp_path / "out")).is_file()


async def test_half_a_surrogate_pair_in_an_answer_is_shown_as_its_escape(run, tmp_path):
    damage(run, lambda plain: plain["summary"].update(answer="half \ud83d"))
    rows = rows_of(RunView("~", run, tmp_path / "cache"))
    assert len(rows) == 3
    assert '"half \\ud83d"' in text_of(rows).encode().decode()
    assert "half \\ud83d" in write_report_page(run, tmp_path / "out").read_text(encoding="utf-8")


async def test_grades_that_are_none_are_left_out(run, tmp_path):
    names = [json.loads(line)["episode"] for line in (run / "index.jsonl").read_text().splitlines()]
    grades = [
        (names[0], "x", ""),
        ([names[0]], 1, ""),
        (names[0], 2**2000, ""),
        (names[1], 0.5, []),
        (names[2], 0.5, ""),
    ]
    (run / "scores").mkdir()
    lines = [json.dumps({"episode": name, "score": score, "reason": reason}) for name, score, reason in grades]
    (run / "scores/0001.jsonl").write_text("".join(f"{line}\n" for line in lines))
    rows = {row["episode"]: row["summary"] for row in rows_of(RunView("~", run, tmp_path / "cache"))}
    assert len(rows) == 3
    assert [name for name in names if rows[name]["score"] == 0.5] == [names[2]]


async def test_two_viewers_read_a_run_that_grows(run, tmp_path):
    first = json.loads((run / "episodes.jsonl").read_text().splitlines()[0])
    with (run / "episodes.jsonl").open("a") as episodes:
        episodes.writelines(f"{json.dumps(first | {'episode': f'more {number}'})}\n" for number in range(600))
    stores = [RunStore(run, tmp_path / "cache") for _ in range(4)]
    threads = [threading.Thread(target=store.bring_up_to_date, args=(LONG,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.bring_up_to_date(LONG)
        assert store.indexed == 1
    db = stores[0].connect()
    assert (
        tuple(db.execute("SELECT count(*), count(DISTINCT number), max(number) FROM episodes").fetchone()) == (603,) * 3
    )
    db.close()


async def test_a_run_that_is_deleted_and_made_again_is_read_anew(run, tmp_path):
    view = RunView("~", run, tmp_path / "cache")
    before, kind = {row["episode"] for row in rows_of(view)}, view.kind
    shutil.rmtree(run)
    again = {"datasets": ["simulated:math"], "systems": ["cot"], "executor": "simulated:", "limit": 2, "seed": 7}
    await evaluate(make_config(again), run)
    change = view.latest_change()
    after = [row["episode"] for row in rows_of(view)]
    assert (len(before), len(after), kind) == (3, 2, "eval")
    assert not before & set(after)
    assert view.config["seed"] == 7
    assert view.page(LONG)["systems"][0]["system"] == "cot"
    assert view.latest_change() >= change > 0
    assert [view.episode(name)["gold"] is not None for name in after] == [True, True]


async def told(root, cache, *paths):
    """The answers of a viewer of a folder."""
    async with showing(root, cache) as address, reader(address) as client:
        return [(await client.get(path)) for path in paths]


@pytest.mark.parametrize("name", ["lock", "open/a.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
async def test_what_is_no_file_is_not_opened(run, tmp_path, name, kind):
    (run / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(run / name)
    else:
        (run / name).symlink_to("/dev/zero")
    (runs,) = await told(tmp_path / "runs", tmp_path / "cache", "/api/runs")
    assert [(one["finished"], one["open"], one["error"]) for one in runs.json()["runs"]] == [(3, 0, "")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("index.jsonl", None),
        ("notes.jsonl", None),
        ("config.json", "[1]"),
        ("config.json", '{"format": 2, "config": {"command": ["x"], "update": 3, "executor": []}}'),
        ("open/x.jsonl", '{"kind": "episode_started"}\n'),
        ("open/x.jsonl", '{"kind": "episode_started", "episode": "a", "task": "q"}\n'),
        ("branches/notes.jsonl", '{"note": "branch/e", "content": {"parent": "p", "turn": "x"}}\n'),
    ],
)
async def test_a_damaged_run_does_not_hide_the_others(run, tmp_path, name, text):
    for other in ("bad", "bad/branches"):
        shutil.copytree(run, run.parent / other)
    damaged = run.parent / "bad" / name
    damaged.unlink(missing_ok=True)
    if text is None:
        damaged.mkdir()
    else:
        damaged.write_text(text)
    asked = ("/api/runs", "/api/search?q=find", "/api/runs/bad/groups", "/api/runs/bad%2Fbranches/episodes")
    answers = await told(tmp_path / "runs", tmp_path / "cache", *asked)
    assert max(one.status_code for one in answers) < 500
    listed = {one["id"]: one for one in answers[0].json()["runs"]}
    assert (listed["run"]["finished"], listed["run"]["error"]) == (3, "")
    assert bool(listed["bad"]["error"]) == (name == "index.jsonl")
    assert any(one["run"] == "run" for one in answers[1].json()["rows"])


async def test_a_number_that_no_browser_has_is_refused(run, tmp_path):
    asked = f"/api/runs/run/episodes?offset={10**20}"
    (answer,) = await told(tmp_path / "runs", tmp_path / "cache", asked)
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["best", "policy", "start", "report", "open", "scores"])
async def test_a_run_may_have_any_name_but_not_right_below_a_run(run, name):
    shutil.copytree(run, run.parent / name)
    shutil.copytree(run, run / "more" / name)
    (run / name).mkdir(exist_ok=True)
    shutil.copytree(run / "more" / name, run / name, dirs_exist_ok=True)
    assert set(find_runs(run.parent)) == {"run", name, f"run/more/{name}"}
