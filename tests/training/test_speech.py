"""A policy that cannot say what it was taught is found out before RL begins."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.errors import ConfigError
from flowsteer.runs.events import EditApplied, EditRejected, TurnTaken
from flowsteer.runs.files import read_json
from flowsteer.training import config as c
from flowsteer.training.run import open_run, train
from flowsteer.training.sft.speech import TRIES, check_speech, open_kinds, speech, speech_json, speech_line, taught
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.nodes import Workflow
from training.test_training_run import config as small

LOOP = "<action>add</action><structure>loop</structure>"
STEP = "<action>add</action><operator>Plan</operator>"


def episode(*turns):
    """Events of an episode: each turn's text, and whether it was accepted."""
    for turn, (text, accepted) in enumerate(turns, 1):
        yield TurnTaken(turn, text, "", NO_USAGE, 0.0)
        yield EditApplied(turn, "", (), "", Workflow()) if accepted else EditRejected(turn, True, "no")


def test_tries_and_accepted_edits_are_counted_by_kind():
    played = [tuple(episode((STEP, True), (LOOP, False))), tuple(episode((LOOP, True), ("hm", False)))]
    assert speech(played) == {"add step": (1, 1), "add loop": (2, 1), "unreadable": (1, 0)}
    assert taught([LOOP, STEP, LOOP, "hm"]) == ["add step", "add loop"]
    assert open_kinds(["add step"], {"add step": (TRIES, 0)}, 0.9) == [] != open_kinds(["add step"], {}, 0.9)


def test_a_kind_that_fails_too_often_is_named_and_a_rare_one_is_not_judged():
    found = speech_json(["add step", "add loop", "finish"], {"add step": (100, 99), "add loop": (50, 20)}, 7)
    check_speech(found, 0.4)
    with pytest.raises(ConfigError, match="'add loop' is accepted in 20 of 50 tries, any"):
        check_speech(found, 0.97)
    check_speech(speech_json(["finish"], {"finish": (TRIES - 1, 0), "add step": (2000, 2000)}, 7), 0.97)
    with pytest.raises(ConfigError, match="any action is accepted in 0 of 99 tries"):
        check_speech(speech_json(["finish"], {"unreadable": (99, 0)}, 7), 0.97)
    assert "add loop 40.0 % of 50" in speech_line(found)


def test_a_kind_is_heard_more_of_while_chance_may_explain_its_small_share():
    spoken = {"add step": (57, 56), "add loop": (57, 51), "finish": (57, 40), "add parallel": (TRIES - 1, TRIES - 1)}
    assert open_kinds([*spoken, "delete"], spoken, 0.9) == ["add loop", "add parallel", "delete"]
    with pytest.raises(ConfigError, match="'add loop' is accepted in 51 of 57 tries, 'finish'"):
        check_speech(speech_json(list(spoken), spoken, 400), 0.9)


def with_least(share, grammar=False):
    config = small(steps=1)
    held = replace(config.sampler, grammar=grammar)
    return replace(config, warmup=replace(config.warmup, least_valid=share), sampler=held)


@pytest.mark.parametrize("grammar", [False, True])
def test_a_run_stops_before_rl_and_can_go_on_with_less(tmp_path, grammar):
    """What a grammar would let through in training says nothing of what the cold start taught."""
    config = with_least(1.0, grammar)
    said = []
    with pytest.raises(ConfigError, match="cannot say what it was taught"):
        train(config, tmp_path / "run", on_stage=said.append)
    found = read_json(tmp_path / "run" / "coldstart.json")
    assert found["taught"]
    assert any("accepted at T = 1" in line for line in said)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    with (
        open_run(config, tmp_path / "cell", {}) as cell,
        pytest.raises(ConfigError, match="cannot say what it was taught"),
    ):
        cell.start(tmp_path / "run" / "start")
    lenient = with_least(0.0, grammar)
    assert c.settings_of(lenient) == c.settings_of(config)
    with open_run(lenient, tmp_path / "run", c.settings_of(lenient)) as run:
        run.start(tmp_path / "run" / "start")


def test_a_run_that_was_begun_without_listening_is_not_taken_for_one_that_passed(tmp_path):
    begun, stricter = with_least(0.0), with_least(0.9)
    for _ in range(2):
        with open_run(begun, tmp_path / "run", c.settings_of(begun)) as run:
            run.start(tmp_path / "run" / "start")
    with (
        open_run(stricter, tmp_path / "run", c.settings_of(stricter)) as run,
        pytest.raises(ConfigError, match=r"begun with warmup\.least_valid=0, and 0\.9 is asked for"),
    ):
        run.start(tmp_path / "run" / "start")
