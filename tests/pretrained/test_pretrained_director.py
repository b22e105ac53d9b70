"""The Director that comes along finishes every episode whose turns allow it, and needs no tensor library."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import flowsteer
from cli.flowsteer_cli import flowsteer as command
from flowsteer.canvas.canvas import Settings
from flowsteer.errors import ConfigError
from flowsteer.pretrained import weights_card as card_of
from flowsteer.pretrained.pretrained_director import FORCED, PretrainedDirector, load, packed_policy
from flowsteer.pretrained.weights_card import WEIGHTS, packed_card, packed_file
from flowsteer.runs.events import EpisodeStarted, TurnTaken
from flowsteer.runs.folder import RunFolder
from flowsteer.session import Setup, open_session
from flowsteer.task import AssertTests, Task

TASKS = (
    Task("What is 6 times 7?", "math"),
    Task("Who was it?", "qa", "It was she.\n\nIt was not he."),
    Task("Write a function that adds.", "code", public_tests=AssertTests("assert add(1, 2) == 3")),
)
FINISHES = (
    {},
    {"min_steps": 1, "needs": (), "needs_structure": False},
    {"min_steps": 9, "needs": ("verification", "formatting", "planning", "ensemble"), "max_steps": 9},
    {"min_steps": 5, "needs": ("verification",), "max_turns": 7},
)


async def play(task, director, episode="", executor="simulated:typed", **canvas):
    events = []
    async with open_session(Setup(director="", executor=executor, canvas=canvas)) as session:
        seat = replace(session, director=director)
        played = await seat.episode(task, events.append, episode)
    return played.ended, events


@pytest.mark.parametrize("canvas", FINISHES)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.type)
async def test_it_finishes(task, canvas):
    ended, _ = await play(task, load("pretrained"), **canvas)
    assert (ended.finished, ended.reason) == (True, "finished")


@pytest.mark.parametrize("canvas", FINISHES)
async def test_it_finishes_even_if_it_draws_at_random(canvas):
    """Its weights matter little at such a temperature: what ends the episode is not what it learned."""
    wild = PretrainedDirector(packed_policy(), temperature=30.0)
    for number in range(6):
        ended, _ = await play(TASKS[number % 3], wild, f"episode {number}", **{"max_rejected": 1} | canvas)
        assert ended.finished, ended.dsl


async def test_a_turn_that_was_not_its_own_choice_says_so():
    """In five turns there is room for what a finish needs and for nothing else."""
    ended, events = await play(TASKS[0], PretrainedDirector(packed_policy(), 30.0), max_turns=5)
    reasons = [event.reasoning for event in events if isinstance(event, TurnTaken)]
    assert ended.finished
    assert FORCED in reasons


async def test_where_the_turns_do_not_suffice_it_does_what_it_would():
    ended, events = await play(TASKS[0], load("pretrained"), max_turns=1)
    assert ended.reason == "turn limit"
    assert [event.reasoning for event in events if isinstance(event, TurnTaken)] == [""]


async def test_it_directs_on_the_canvas_it_learned_on_unless_told_otherwise():
    learned = packed_card().canvas
    for asked, allowed in (({}, learned), ({"max_turns": 8}, replace(learned, max_turns=8)), (Settings(), Settings())):
        setup = Setup(director="pretrained", executor="simulated:", canvas=asked)
        async with open_session(setup) as session:
            assert session.canvas(TASKS[0]).settings == allowed


async def test_instructions_are_not_asked_of_it():
    with pytest.raises(ConfigError, match="writes no instructions"):
        await play(TASKS[0], load("pretrained"), two_step=True)


def test_the_record_tells_the_hash_of_its_weights(tmp_path: Path):
    done = command("solve", "What is 6 times 7?", "--executor", "simulated:", "--json", "--run", "r", cwd=tmp_path)
    named = f"pretrained#{packed_card().name}"
    assert (done.code, done.json["director"]) == (0, named)
    assert f"director: {named}" in done.err
    assert json.loads((tmp_path / "r" / "config.json").read_text())["config"]["director"] == named
    other = command("solve", "Hi", "--director", "pretrained#0123", "--executor", "simulated:", cwd=tmp_path)
    assert "names weights with hash 0123" in other.err


def test_it_is_named_wherever_a_director_is(tmp_path: Path):
    evaluated = command(
        "eval", "simulated", "--limit", "3", "--system", "director:pretrained", "--executor", "simulated:", "--json",
        "--run", "e", cwd=tmp_path,
    )  # fmt: skip
    assert evaluated.code == 0
    record = RunFolder.read(tmp_path / "e")
    starts = [event for name in record.entries for event in record.events(name) if isinstance(event, EpisodeStarted)]
    assert {start.director for start in starts} == {f"pretrained#{packed_card().name}"}
    assert {start.settings.max_turns for start in starts} == {packed_card().canvas.max_turns}
    (tmp_path / "flowsteer.toml").write_text('[defaults]\ndirector = "pretrained?votes=2"\nexecutor = "simulated:"\n')
    solved = command("solve", "What is 6 times 7?", "--json", cwd=tmp_path)
    assert solved.json["director"] == f"pretrained#{packed_card().name}"
    assert flowsteer.solve("What is 6 times 7?", executor="simulated:").finished
    assert "Did you mean pretrained?" in command("solve", "Hi", "--director", "pretraned", cwd=tmp_path).err


def test_it_works_where_there_is_no_tensor_library(tmp_path: Path):
    code = """
import sys
for name in ("torch", "transformers", "tokenizers", "safetensors"):
    sys.modules[name] = None
import flowsteer
print(flowsteer.solve("What is 6 times 7?", director="pretrained", executor="simulated:").finished)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


def test_files_that_the_card_does_not_speak_of_are_refused(monkeypatch):
    other = replace(packed_card(), sha256={**packed_card().sha256, WEIGHTS: "0" * 64})
    monkeypatch.setattr(card_of, "packed_card", lambda: other)
    with pytest.raises(ConfigError, match="and its card says 000000000000"):
        packed_file(WEIGHTS)
