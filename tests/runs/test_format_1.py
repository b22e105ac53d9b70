"""Run folders of the first format are still read: shown, listed, exported, scored and reported."""

import tarfile
from pathlib import Path

import pytest
from flowsteer_cli import flowsteer

from flowsteer.runs.events import EpisodeEnded, EpisodeStarted
from flowsteer.runs.folder import RunFolder

FORMAT_1 = Path(__file__).parent / "format_1"
RUNS = ("solve", "solve_random", "eval", "eval_killed", "train", "train_killed")


@pytest.fixture
def old(tmp_path):
    """Unpacks a run folder."""

    def unpack(name):
        with tarfile.open(FORMAT_1 / f"{name}.tar.gz") as packed:
            packed.extractall(tmp_path, filter="data")
        return tmp_path / name

    return unpack


@pytest.mark.parametrize("name", RUNS)
def test_every_episode_is_read_from_its_first_event_to_its_last(old, name):
    run = RunFolder.read(old(name))
    assert run.entries
    for episode in run.entries:
        events = run.events(episode)
        assert isinstance(events[0], EpisodeStarted)
        assert any(isinstance(event, EpisodeEnded) for event in events)


@pytest.mark.parametrize("name", RUNS)
def test_episodes_are_listed(old, tmp_path, name):
    folder = old(name)
    assert flowsteer("show", str(folder), cwd=tmp_path).code == 0
    listed = flowsteer("show", str(folder), "--json", cwd=tmp_path).json
    assert len(listed.get("episodes", [0])) == len(RunFolder.read(folder).entries)


@pytest.mark.parametrize("name", ["solve", "solve_random"])
def test_the_workflow_of_an_episode_is_exported(old, tmp_path, name):
    done = flowsteer("export", str(old(name)), "--to", "dsl", cwd=tmp_path)
    assert done.code == 0
    assert "->" in done.out or done.out.strip()


def test_an_evaluation_is_scored_again_and_reported(old, tmp_path):
    folder = old("eval")
    assert flowsteer("score", str(folder), cwd=tmp_path).code == 0
    assert flowsteer("report", str(folder), cwd=tmp_path).code == 0
    assert "fixed:Plan" in (folder / "report" / "report.md").read_text(encoding="utf-8")
