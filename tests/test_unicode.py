"""Text that can be written down, and who is told that theirs cannot."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.datasets.jsonl import read_objects
from flowsteer.draft import Candidate, Draft, Verdict
from flowsteer.errors import ConfigError
from flowsteer.runs.event_json import event_line, events_from_json
from flowsteer.runs.events import NodeRan
from flowsteer.runs.failure import Failure
from flowsteer.task import Task
from flowsteer.unicode import refuse_unsound, sound
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.nodes import NodeId

HALVES = "\ud835\udc00\udfff"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(HALVES + "\x00"))


@given(TEXTS)
def test_sound_text_can_be_written_down_and_keeps_what_was_sound(text: str):
    clean = sound(text)
    assert clean.encode().decode() == clean == sound(clean)
    assert "\x00" not in clean
    if not set(text) & {*HALVES, "\x00"}:
        assert clean == text
    kept = [character for character in text if character not in {*HALVES, "\x00"}]
    rest = iter(clean)
    assert all(character in rest for character in kept)  # in this order


@given(TEXTS)
def test_what_is_refused_is_what_holds_half_a_character(text: str):
    if not set(text) & set(HALVES):
        refuse_unsound(["fine", text], "the text")
        return
    with pytest.raises(ConfigError, match="the text is not clean UTF-8") as error:
        refuse_unsound(["fine", text], "the text")
    str(error.value).encode()


@pytest.mark.parametrize("field", ["question", "context", "id", "prompt_code", "answer_form"])
def test_a_task_holds_no_half_characters(field: str):
    with pytest.raises(ConfigError, match=r"the task is not clean UTF-8: character 7 of"):
        Task(**{"question": "?", field: "Paris \ud835?"})


@pytest.mark.parametrize("row", [{"question": "\ud835"}, {"\udc00": 1}, {"deep": [{"er": ["\ud835"]}]}])
def test_a_line_of_a_file_with_half_a_character_is_named(tmp_path, row: dict[str, object]):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"question": "\U0001d400"}) + "\n" + json.dumps(row))
    with pytest.raises(ConfigError, match=r"own\.jsonl, line 2 is not clean UTF-8"):
        list(read_objects(path))


@given(TEXTS)
def test_what_an_operator_leaves_can_be_written_down(text: str):
    candidate, verdict = Candidate(text, text, text, text), Verdict(False, text, None, text)
    draft = Draft(text, (text, text), text, text, text, (candidate,), verdict, text)
    failure = Failure("bad", text, trace=text)
    event = NodeRan(1, NodeId("node_1"), "Plan", (), False, draft, failure, "b:", NO_USAGE, 0, 0.0)
    assert events_from_json([json.loads(event_line(event).encode())]) == [event]
    assert draft.answer == sound(text)
