"""Figures of a run in experiment trackers, read back by the trackers' own readers."""

import json
import sqlite3
from contextlib import closing, contextmanager

import pytest
from flowsteer_cli import flowsteer, run

SIMULATED = ("--executor", "simulated:")
EVAL = ("eval", "simulated:math", "--limit", "3", "--system", "direct", "--system", "sc:2", *SIMULATED, "--json")


def tensorboard_figures(folder):
    """The last value of each figure, and its step."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util.tensor_util import make_ndarray

    read = events.EventAccumulator(str(folder))
    read.Reload()
    latest = {tag: read.Tensors(tag)[-1] for tag in read.Tags()["tensors"]}
    return {tag: (float(make_ndarray(one.tensor_proto)), one.step) for tag, one in latest.items()}


def test_the_figures_of_an_evaluation_are_those_of_its_report(tmp_path):
    pytest.importorskip("tensorboard")
    done = flowsteer(*EVAL, "--run", "r", "--report-to", "tensorboard", cwd=tmp_path)
    assert done.code == 0, done.err
    figures = tensorboard_figures(tmp_path / "r" / "tensorboard")
    assert figures["episodes/done"] == (6, 6)
    cells = {cell["system"]: cell for cell in done.json["cells"]}
    assert set(cells) == {"direct", "sc:2"}
    for system, cell in cells.items():
        place = f"final/simulated:math/{system}"
        for name, value in {"accuracy": cell["score"]["mean"], "accuracy_low": cell["score"]["low"]}.items():
            assert figures[f"{place}/{name}"] == (pytest.approx(value), 6)
        tokens = cell["use"]["director_tokens"] + cell["use"]["executor_tokens"]
        assert figures[f"{place}/tokens"] == (pytest.approx(tokens), 6)
        assert figures[f"accuracy/{system}"][0] == pytest.approx(cell["score"]["mean"])


async def test_the_figures_of_a_question_go_there_too(tmp_path, monkeypatch):
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported, so in a process of its own
    asked = ("solve", "What is 6 times 7?", "--type", "math", "--director", "dsl:Programmer", *SIMULATED, "--json")
    done = await run(*asked, "--allow-unfinished", "--run", "mine", "--report-to", "trackio", cwd=tmp_path)
    assert done.code == 0, done.err
    with closing(sqlite3.connect(tmp_path / "trackio" / "flowsteer.db")) as database:
        ((name, metrics),) = database.execute("SELECT run_name, metrics FROM metrics").fetchall()
    figures = json.loads(metrics)
    assert name == "mine"
    assert figures["turns"] == done.json["turns"]
    assert figures["tokens/executor"] == sum(
        done.json["usage"]["executor"][kind] for kind in ("prompt_tokens", "completion_tokens")
    )


def test_a_tracker_that_fails_as_it_ends_costs_no_run(tmp_path, monkeypatch, capsys):
    from flowsteer.adapters import trackers
    from flowsteer.cli import tracked

    @contextmanager
    def unreachable(run, settings):
        yield lambda figures, step: None
        raise ConnectionError("its server is gone")

    monkeypatch.setattr(trackers, "_TRACKERS", {"json": unreachable})  # any module that is there
    with tracked._tracked(["json"], tmp_path, {}) as track:
        track({"x": 1.0}, 1)
    assert capsys.readouterr().err.count("its server is gone") == 1


def test_a_tracker_that_nobody_knows_is_told_with_those_there_are(tmp_path):
    done = flowsteer(*EVAL, "--run", "r", "--report-to", "tensorbord", cwd=tmp_path)
    assert done.code == 2
    assert "trackio, wandb, mlflow, tensorboard" in done.err
    assert not (tmp_path / "r").exists()


def test_a_tracker_that_is_not_installed_is_told_before_anything_runs(tmp_path):
    from importlib.util import find_spec

    missing = next((name for name in ("wandb", "mlflow") if find_spec(name) is None), None)
    if missing is None:
        pytest.skip("every tracker is installed")
    done = flowsteer(*EVAL, "--run", "r", "--report-to", missing, cwd=tmp_path)
    assert done.code == 2
    assert f"pip install {missing}" in done.err + done.out
    assert not (tmp_path / "r").exists()
