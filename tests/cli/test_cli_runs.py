"""Runs on disk: finished, broken-off and live episodes are listed, shown, exported, resumed and removed alike."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from flowsteer_cli import flowsteer

from flowsteer.runs.events import EpisodeStarted
from flowsteer.runs.failure import Failure
from flowsteer.runs.files import read_lines
from flowsteer.runs.folder import RunFolder
from flowsteer.runs.summary import EpisodeSummary
from flowsteer.task import Task
from flowsteer.viewing.episode_query import EpisodeQuery
from flowsteer.viewing.run_view import RunView

DIRECTOR = "dsl:Plan -> Programmer -> Verify ? Revise : done -> Format"
SOLVE = ("solve", "What is 6 times 7?", "--type", "math", "--director", DIRECTOR, "--executor", "simulated:")


@pytest.fixture
def broken_off(tmp_path: Path) -> Path:
    """A folder with the run `runs/r`, whose one episode a budget broke off."""
    assert flowsteer(*SOLVE, "--run", "runs/r", "--max-calls", "2", cwd=tmp_path).code == 4
    return tmp_path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated")
    asked = ("eval", "simulated:math", "--limit", "3", "--system", "fixed:Programmer -> Verify -> Format")
    assert flowsteer(*asked, "--executor", "simulated:", "--run", "runs/e", cwd=folder).code == 0
    return folder


def test_a_broken_off_episode_is_shown_exported_and_gone_on_with(broken_off: Path):
    shown = flowsteer("show", "runs/r", cwd=broken_off)
    assert shown.code == 0
    assert "node_1 Plan" in shown.out
    assert "this episode broke off" in shown.err
    assert flowsteer("export", "runs/r", cwd=broken_off).out.startswith("Plan -> Programmer")
    assert flowsteer(*SOLVE, "--run", "runs/r", cwd=broken_off).code == 0
    assert flowsteer("export", "runs/r", cwd=broken_off).out == f"{DIRECTOR.removeprefix('dsl:')}\n"


def test_a_live_episode_is_shown_and_its_run_is_not_removed(broken_off: Path):
    config = RunFolder.read(broken_off / "runs" / "r").config
    with RunFolder.create(broken_off / "runs" / "r", config):
        assert "this episode is running" in flowsteer("show", "runs/r", cwd=broken_off).err
        refused = flowsteer("runs", "rm", "runs/r", "--yes", cwd=broken_off)
        assert (refused.code, "another process is writing" in refused.err) == (1, True)
        assert flowsteer("runs", "prune", "--yes", cwd=broken_off).out == "removed 0 runs\n"
        (listed,) = flowsteer("runs", "list", "--json", cwd=broken_off).json["runs"]
        assert (listed["writing"], listed["unfinished"]) == (True, 1)


def test_what_broke_off_is_removed_alone(broken_off: Path):
    assert flowsteer("runs", "rm", "runs/r", "--unfinished", "--yes", cwd=broken_off).code == 0
    assert flowsteer("show", "runs/r", "--json", cwd=broken_off).json["unfinished"] == 0
    assert flowsteer("runs", "prune", "--yes", cwd=broken_off).out.endswith("removed 1 runs\n")
    assert not list((broken_off / "runs").iterdir())


def test_what_broke_off_before_anything_had_happened_is_counted_and_removed_too(tmp_path: Path):
    lost = EpisodeSummary(system="s", dataset="d", type="qa", task="t", lost=Failure("BackendUnavailable", "gone"))
    with RunFolder.create(tmp_path / "r", {"command": "eval"}) as run:
        run.begin("four").emit(EpisodeStarted("four", Task("?"), "", ""))
        for name in ("one", "two", "three", "three", "four"):
            run.lose(name, lost)
        run.append("one", replace(lost, lost=None), [])
    view = RunView("~", tmp_path / "r", tmp_path / "cache")
    view.store.bring_up_to_date(60)
    assert view.listed()["lost"] == 3
    (listed,) = flowsteer("runs", "list", ".", "--json", cwd=tmp_path).json["runs"]
    assert listed["unfinished"] == 3
    removed = flowsteer("runs", "rm", "r", "--unfinished", "--yes", cwd=tmp_path)
    assert removed.out == "removed 3 unfinished episodes of 1 runs\n"
    assert flowsteer("runs", "list", ".", "--json", cwd=tmp_path).json["runs"][0]["unfinished"] == 0
    record = RunFolder.read(tmp_path / "r")
    assert (list(record.entries), record.lost()) == (["one"], [])
    assert [line["episode"] for line in read_lines(tmp_path / "r" / "errors.jsonl")] == ["one"]
    view.store.bring_up_to_date(60)
    assert [row["episode"] for row in view.episodes(EpisodeQuery())["rows"]] == ["one"]
    assert view.listed()["lost"] == 0


@pytest.mark.parametrize("kept", ["result.json", "start/", "policy/", "best/", "checkpoints/", "within"])
def test_a_run_without_episodes_of_which_something_has_come_is_not_pruned(tmp_path: Path, evaluated: Path, kept: str):
    """As a training that has its cold start, a cell of a study, or an evaluation that still chooses a workflow."""
    runs = tmp_path / "runs"
    for name in ("kept", "empty"):
        RunFolder.create(runs / name, {"command": "train"}).close()
    if kept == "within":
        shutil.copytree(evaluated / "runs" / "e", runs / "kept" / "trials")
    elif kept.endswith("/"):
        (runs / "kept" / kept).mkdir()
    else:
        (runs / "kept" / kept).write_text("{}")
    assert flowsteer("runs", "prune", "--yes", "--json", cwd=tmp_path).json == {"removed": ["runs/empty"]}
    assert [path.name for path in runs.iterdir()] == ["kept"]
    assert flowsteer("runs", "prune", "--older-than", "0", "--yes", cwd=tmp_path).code == 0
    assert not (runs / "kept").exists()


def test_removing_asks_and_removes_runs_alone(evaluated: Path):
    (evaluated / "mine").mkdir(exist_ok=True)
    for command in (("rm", "mine", "--yes"), ("rm", "runs/e")):
        refused = flowsteer("runs", *command, cwd=evaluated)
        assert refused.code in (1, 2)
        assert "is not a run folder" in refused.err or "add --yes" in refused.err
    assert (evaluated / "runs" / "e").is_dir()
    for command in (("list", "nowhere"), ("show", "nowhere"), ("rm", "nowhere", "--yes")):
        refused = flowsteer("runs", *command, cwd=evaluated)
        assert (refused.code, "there is no folder nowhere" in refused.err) == (2, True)


def test_a_damaged_run_hides_no_other_and_can_be_removed(evaluated: Path):
    for name in ("settings", "index"):
        shutil.copytree(evaluated / "runs" / "e", evaluated / "runs" / name)
    (evaluated / "runs" / "settings" / "config.json").write_text("{}")
    (evaluated / "runs" / "index" / "index.jsonl").unlink()
    (evaluated / "runs" / "index" / "index.jsonl").mkdir()
    listed = flowsteer("runs", "list", "--json", cwd=evaluated).json["runs"]
    assert {row["run"]: row["kind"] for row in listed} == {
        "runs/e": "eval",
        "runs/settings": "damaged",
        "runs/index": "damaged",
    }
    assert flowsteer("runs", "prune", "--yes", cwd=evaluated).out == "removed 0 runs\n"
    removed = flowsteer("runs", "rm", "runs/settings", "runs/index", "runs/index", "--yes", cwd=evaluated)
    assert (removed.code, removed.err) == (0, "")
    assert [path.name for path in (evaluated / "runs").iterdir()] == ["e"]


def test_an_episode_is_named_by_its_number_or_any_unique_part(evaluated: Path):
    names = list(RunFolder.read(evaluated / "runs" / "e").entries)
    for number, name in enumerate(names, 1):
        assert flowsteer("show", "runs/e", str(number), "--json", cwd=evaluated).json["episode"] == name
        part = name.rpartition("/")[0].rpartition("/")[2]
        assert flowsteer("show", "runs/e", f"{part}/0", "--json", cwd=evaluated).json["episode"] == name
    several = flowsteer("show", "runs/e", "simulated", cwd=evaluated)
    assert (several.code, "3 episodes fit 'simulated'" in several.err) == (2, True)
    for command in ("show", "export"):
        for wrong in ("9999", "simulated"):
            refused = flowsteer(command, "runs/e", wrong, cwd=evaluated)
            assert refused.code == 2
            typed = refused.err.partition("try: flowsteer ")[2].partition(", for example")[0]
            assert flowsteer(*typed.split(), cwd=evaluated).code == 0
    unnamed = flowsteer("export", "runs/e", cwd=evaluated)
    assert "3 episodes, and none is named" in unnamed.err
    assert "flowsteer export runs/e 1" in unnamed.err


def test_an_episode_is_exported_by_its_number_as_it_is_shown(evaluated: Path):
    by_place, by_option = (
        flowsteer("export", "runs/e", *which, cwd=evaluated) for which in (("3",), ("--episode", "3"))
    )
    assert by_place == by_option
    assert by_place.out == "Programmer -> Verify -> Format\n"


@pytest.mark.parametrize(
    ("command", "told", "untold"),
    [("serve", "a server goes on with none", "run the command"), ("eval", "run the command", "a server")],
)
def test_what_to_do_with_what_broke_off_depends_on_who_made_it(tmp_path: Path, command: str, told: str, untold: str):
    task = Task("What is 6 times 7?", "math")
    with RunFolder.create(tmp_path / "r", {"command": command}) as run:
        for name in ("one", "two"):
            run.begin(name).emit(EpisodeStarted(name, task, "", ""))
    shown = flowsteer("show", "r", cwd=tmp_path)
    assert told in shown.err
    assert untold not in shown.err


def test_a_run_of_simulated_models_says_that_there_is_nothing_to_pack(evaluated: Path):
    refused = flowsteer("runs", "pack", "runs/e", cwd=evaluated)
    assert refused.code == 2
    assert "none was asked but simulated ones" in refused.err
    assert "run it again" not in refused.err
    assert not list((evaluated / "runs").glob("*.gz"))


def test_ids_are_never_cut(evaluated: Path):
    names = list(RunFolder.read(evaluated / "runs" / "e").entries)
    for width in ("60", "100"):
        told = flowsteer("show", "runs/e", cwd=evaluated, COLUMNS=width).out
        column = "".join(line.split("│")[2].strip() for line in told.splitlines() if line.startswith("│"))
        for name in names:
            assert name.replace(" ", "") in column.replace(" ", "")
