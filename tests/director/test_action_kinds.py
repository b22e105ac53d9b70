"""Each turn has a kind, whatever it says."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.director.forms import FORMS, shape
from flowsteer.director.kinds import KINDS, kind_of


@pytest.mark.parametrize("kind", FORMS)
def test_every_form_has_its_kind(kind):
    action, structure = kind
    expected = f"add {structure or 'step'}" if action == "add" else action
    assert kind_of(shape(kind)) == expected
    assert kind_of(f"<think><action>delete</action></think>{shape(kind)}") == expected
    assert expected in KINDS


def test_what_is_cut_or_wrong_still_has_the_kind_it_meant():
    assert kind_of("<action>add</action><structure>conditional</structure><condi") == "add conditional"
    assert kind_of("<action>fly</action>") == kind_of("<action>add</action><structure>ring</structure>") == "unreadable"


@pytest.mark.parametrize("thinking", ["<think>{}</think>", "<reasoning>{}</reasoning>", "<Thinking>{}</Thinking>"])
def test_what_is_thought_has_no_kind_and_what_is_written_in_an_instruction_is_not_thought(thinking):
    said = thinking.format("not <action>finish</action>")
    assert kind_of(f"{said}<action>delete</action>") == kind_of(f"Well. {said}<action>delete</action>") == "delete"
    words = thinking.format("a")
    assert kind_of(f"<action>add</action><operator>Custom</operator><prompt>Write {words}</prompt>") == "add step"


@given(st.lists(st.sampled_from(["<action>", "</action>", "add", "<structure>", "loop", "</think>", "x", "<"])))
def test_any_text_has_a_kind(parts):
    assert kind_of("".join(parts)) in KINDS


def test_a_long_turn_takes_no_longer_than_its_length():
    rng = random.Random(0)
    text = "".join(rng.choice(["<action>", "<structure>", "</think>"]) for _ in range(300_000))
    assert kind_of(text) == "unreadable"
