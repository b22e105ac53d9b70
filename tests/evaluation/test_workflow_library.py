"""Workflows are mined from runs, one entry a shape, and used by name without a Director."""

import json
from dataclasses import replace
from statistics import fmean

import pytest
from flowsteer_cli import flowsteer

from flowsteer.errors import ConfigError
from flowsteer.evaluation.saved_workflows import find_saved, read_saved
from flowsteer.evaluation.specs import parse_system
from flowsteer.reporting.mining import mine
from flowsteer.runs.folder import RunFolder

FIXED, PARALLEL = "Plan -> Programmer", "[Custom, AnswerGenerate] -> ScEnsemble"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of two systems and two epochs on two types, and the library mined from them."""
    path = tmp_path_factory.mktemp("mined")
    for run, dataset in (("one", "simulated:math"), ("two", "simulated:qa")):
        done = flowsteer(
            *("eval", dataset, "--limit", "6", "--epochs", "2", "--executor", "simulated:typed-2", "--run", run),
            *("--system", f"fixed:{FIXED}", "--system", f"fixed:{PARALLEL}", "--system", "direct"),
            cwd=path,
        )
        assert done.code == 0, done.err
    mined = flowsteer("library", "one", "two", "--json", cwd=path)
    assert mined.code == 0, mined.err
    return path


def workflows(folder, *options):
    return flowsteer("library", *options, "--json", cwd=folder).json["workflows"]


def test_each_entry_says_what_its_episodes_came_to(folder):
    found = workflows(folder)
    assert {(each["type"], each["dataset"], each["dsl"]) for each in found} == {
        (kind, f"simulated:{kind}", dsl) for kind in ("math", "qa") for dsl in (FIXED, PARALLEL)
    }  # the baseline's own operator is in no library
    runs = [RunFolder.read(folder / name) for name in ("one", "two")]
    for each in found:
        behind = [
            entry.summary
            for run in runs
            for entry in run.graded()
            if (entry.summary.type, entry.summary.dsl) == (each["type"], each["dsl"])
        ]
        scores = [summary.score for summary in behind]
        assert (each["n"], each["tasks"], each["wins"]) == (12, 6, scores.count(1.0))
        assert each["accuracy"] == pytest.approx(fmean(scores))
        assert each["low"] <= each["accuracy"] <= each["high"]
        assert each["tokens"] == pytest.approx(fmean(summary.executor_tokens for summary in behind))
        assert each["seconds"] == pytest.approx(fmean(summary.seconds for summary in behind))
        assert each["operators"] == "paper"


def test_the_best_of_a_type_and_dataset_comes_first_and_lists_can_be_cut(folder):
    for kind in ("math", "qa"):
        lows = [each["low"] for each in workflows(folder, "--type", kind)]
        assert len(lows) == 2
        assert lows == sorted(lows, reverse=True)
    assert len(workflows(folder, "--dataset", "simulated:qa")) == 2
    assert mine([RunFolder.read(folder / "one")], most=1) == mine([RunFolder.read(folder / "one")])[:1]
    shown = flowsteer("library", cwd=folder)
    assert FIXED in shown.out
    assert "library:" in shown.err


def test_equal_shapes_are_one_entry_whatever_their_ids_and_spelling(folder):
    run = RunFolder.read(folder / "one")
    entries = {
        name: replace(entry, summary=replace(entry.summary, dsl=entry.summary.dsl.replace(" -> ", "->")))
        for name, entry in run.entries.items()
    }
    before = mine([run])
    run.entries = entries
    assert mine([run]) == before


def test_a_name_is_a_system_a_workflow_and_a_model(folder):
    name = next(each["name"] for each in workflows(folder, "--type", "math") if each["dsl"] == PARALLEL)
    ask = ("What is 6 times 7?", "--type", "math", "--executor", "simulated:typed-2", "--json")
    by_name = flowsteer("run", f"library:{name}", *ask, cwd=folder)
    spelt = flowsteer("run", PARALLEL, *ask, cwd=folder)
    assert by_name.code == 0, by_name.err
    assert by_name.json["answer"] == spelt.json["answer"]
    assert by_name.json["dsl"] == PARALLEL
    again = flowsteer(
        *("eval", "simulated:math", "--limit", "3", "--executor", "simulated:typed-2", "--run", "again", "--json"),
        *("--system", f"library:{name}", "--system", f"fixed:{PARALLEL}"),
        cwd=folder,
    )
    assert again.code == 0, again.err
    scores = [
        [
            entry.summary.score
            for entry in RunFolder.read(folder / "again").entries.values()
            if entry.summary.system == system
        ]
        for system in (f"library:{name}", f"fixed:{PARALLEL}")
    ]
    assert scores[0] == scores[1]
    assert flowsteer("export", f"library:{name}", cwd=folder).out == f"{PARALLEL}\n"


def test_a_name_brings_the_operators_it_was_mined_with(tmp_path):
    tools = ("--executor", "simulated:typed-2")
    spec = "fixed:Outline -> Custom"
    done = flowsteer(
        *("eval", "simulated:math", "--limit", "2", *tools, "--library", "paper+tools", "--run", "r"),
        *("--system", spec),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    (saved,) = flowsteer("library", "r", "--json", cwd=tmp_path).json["workflows"]
    name = f"library:{saved['name']}"
    ask = ("run", name, "--type", "math", "What is 6 times 7?", *tools)
    assert flowsteer(*ask, cwd=tmp_path).code == 0
    assert flowsteer(*ask, "--library", "paper", cwd=tmp_path).code == 2
    evaluate = ("eval", "simulated:math", "--limit", "2", *tools, "--system", name)
    for command in (evaluate, ("serve", "--port", "0", *tools, "--system", name)):
        refused = flowsteer(*command, cwd=tmp_path)
        assert refused.code == 2
        assert "--library paper+tools" in refused.err
    assert flowsteer(*evaluate, "--library", "paper+tools", cwd=tmp_path).code == 0


def test_a_beginning_that_fits_one_is_enough_and_others_are_told_of(folder, monkeypatch):
    monkeypatch.setenv("FLOWSTEER_LIBRARY", str(folder / "workflows.json"))
    saved = read_saved(folder / "workflows.json")
    assert find_saved(f"library:{saved[0].name[:-1]}") == saved[0]
    assert parse_system(f"library:{saved[0].name}").workflow == saved[0].workflow
    with pytest.raises(ConfigError, match="2 workflows begin with 'math-'"):
        find_saved("math-")
    with pytest.raises(ConfigError, match="no workflow 'nothing'"):
        find_saved("library:nothing")


def test_what_is_no_library_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no workflow library"):
        parse_system("library:x")
    (tmp_path / "workflows.json").write_text(json.dumps({"workflows": [{"name": "x"}]}))
    with pytest.raises(ConfigError, match="is no workflow library"):
        parse_system("library:x")
    assert "flowsteer library RUN" in flowsteer("run", "library:x", "?", cwd=tmp_path).err
