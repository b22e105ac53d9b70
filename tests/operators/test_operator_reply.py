"""Structured replies: what is accepted, what is asked for again, and what fails."""

import contextlib
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scripted import Scripted, call_of, cut

from flowsteer.backends.base import Message
from flowsteer.errors import OperatorError
from flowsteer.operators.reply import BadReply, ask_record, json_objects, parse_record, record, text_field
from flowsteer.task import Task
from quickest import quickest

TASK = Task("2 + 2?", "math")
ASK = (Message("user", "2 + 2?"),)
SCHEMA = record(
    answer={"type": "string"},
    passed={"type": "boolean"},
    confidence={"type": "integer", "minimum": 0, "maximum": 100},
)
GOOD = {"answer": "4", "passed": True, "confidence": 90}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"Here you are:\n```json\n{json.dumps(GOOD, indent=2)}\n```\nAnything else?",
        f"<think>{{}} maybe</think>{json.dumps(GOOD)}",
        '{"answer": "4", "passed": true, "confidence": 90,}',
        '{"answer": 4, "passed": "yes", "confidence": "90%"}',
        'Note {x}. {"answer": "4", "passed": true, "confidence": 90.0} {"note": "done"}',
        "<answer>4</answer><passed>true</passed><confidence>90</confidence>",
        "Answer: 4\n**Passed:** yes\n- confidence: 90",
    ],
)
def test_every_documented_form_is_read(text):
    assert parse_record(text, SCHEMA) == GOOD


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("It passed, PASS, 4.", "no JSON object"),
        ('{"answer": "4", "passed": true}', '"confidence" is missing'),
        ('{"answer": "4", "passed": "maybe", "confidence": 90}', '"passed" must be true or false'),
        ('{"answer": "4", "passed": true, "confidence": 900}', '"confidence" must be a whole number'),
        ('{"answer": ["4"], "passed": true, "confidence": 90}', '"answer" must be'),
        ('{"answer": "4", "passed": tr', "no JSON object"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, complaint):
    with pytest.raises(BadReply, match=complaint):
        parse_record(text, SCHEMA)


HOSTILE = (
    "\n",
    "{",
    "\\boxed{",
    "<",
    '". "',
    '"\n#',
    '{"a":',
    '{"":[',
    '{"a":0,}',
    "<answer>",
    "answer: ",
    "\n{",
    ",",
    " ",
    "\\",
)


@pytest.mark.parametrize("begin", ["", '{"answer": "', "answer: ", '{"answer": "4", "passed": true, "confidence": "9'])
@pytest.mark.parametrize("piece", HOSTILE)
def test_reading_takes_linear_time_on_whatever_a_model_writes(begin, piece):
    text = begin + piece * (200_000 // len(piece)) + "x"

    def read():
        with contextlib.suppress(BadReply):
            parse_record(text, SCHEMA)

    assert quickest(read, enough=0.5) < 0.5  # a quadratic reader takes many seconds


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans(), min_size=1),
    st.text(st.characters(exclude_characters="{\\")),
)
def test_an_object_is_found_in_whatever_prose_stands_around_it(value, prose):
    assert list(json_objects(f"{prose}\n{json.dumps(value)}\n{prose}")) == [value]


def test_optional_fields_may_be_missing_or_malformed():
    text = '{"answer": "4", "confidence": "rather sure"}'
    assert parse_record(text, SCHEMA, optional=("passed", "confidence")) == {"answer": "4"}


LATEX = (
    *(
        r"\frac{1}{2}",
        r"\sqrt{2} \times 3",
        r"\text{no}",
        r"\boxed{4}",
        r"\theta",
        r"\tfrac{1}{2}",
        r"2\tau",
        r"\nabla f",
    ),
    *(
        r"\triangle ABC",
        r"\lfloor x \rfloor",
        r"x \ne 0",
        r"x\notin A",
        r"7 \bmod 3",
        r"\langle u, v\rangle",
        r"x\rightarrow 0",
    ),
    *(
        r"\underline{x}",
        r"\uparrow",
        r"\neg p",
        r"\textit{a}",
        r"\begin{pmatrix} 1 & 2 \end{pmatrix}",
        r"\right)",
        r"\rho_1",
    ),
)


@pytest.mark.parametrize("value", LATEX)
def test_latex_with_single_backslashes_is_read_as_latex(value):
    schema = record(answer={"type": "string"})
    assert parse_record(f'{{"answer": "{value}"}}', schema) == {"answer": value}
    assert parse_record(json.dumps({"answer": value}), schema) == {"answer": value}


@pytest.mark.parametrize(
    "value",
    [
        "Look:\nabout 3",
        "1\tthen 2",
        "so\nnote that",
        "one\rtwo",
        "a\nexample",
        "it\ne.g. is\ni.e. so",
        "a\\\nb",
        "C:\\new",
        "\u00e9",
    ],
)
def test_an_escape_before_words_stays_one(value):
    assert parse_record(json.dumps({"answer": value}), record(answer={"type": "string"})) == {"answer": value}


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=30), min_size=2))
def test_proper_json_is_read_as_it_stands(values):
    schema = record(a={"type": "string"}, b={"type": "string"})
    clean = {name: value.replace("\\", "") for name, value in values.items()}
    stripped = {name: value.strip() for name, value in clean.items()}
    assume(not any(value and set(value) <= set(".… ") for value in stripped.values()))
    assert parse_record(json.dumps(clean), schema) == stripped


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text):
    with contextlib.suppress(BadReply):
        assert parse_record(text, SCHEMA).keys() == SCHEMA["properties"].keys()


async def test_a_bad_reply_is_asked_for_once_more_with_what_was_wrong():
    backend = Scripted("four", GOOD)
    call = call_of("Review", TASK, backend)
    assert await ask_record(call, ASK, SCHEMA) == GOOD
    assert call.retries == 1
    assert call.usage.calls == 2
    first, second = backend.requests
    assert second.messages[: len(first.messages)] == first.messages
    assert second.messages[-2] == Message("assistant", "four")
    assert "no JSON object" in second.messages[-1].content
    assert '"passed" (true or false)' in second.messages[-1].content


async def test_the_second_bad_reply_fails_the_operator():
    call = call_of("Review", TASK, Scripted("four", "still four"))
    with pytest.raises(OperatorError) as failure:
        await ask_record(call, ASK, SCHEMA)
    assert failure.value.kind == "bad_reply"
    assert call.retries == 1


async def test_a_cut_reply_is_told_so_and_fails_by_that_name():
    backend = Scripted(cut('{"answer": "a very long'), cut('{"answer": "no short'))
    call = call_of("Review", TASK, backend, max_tokens=7)
    with pytest.raises(OperatorError, match="7 tokens") as failure:
        await ask_record(call, ASK, SCHEMA)
    assert failure.value.kind == "cut_reply"
    assert "cut off" in backend.prompts[1]


async def test_after_a_cut_reply_the_schema_leaves_less_room():
    schema = record(answer={"type": "string", "maxLength": 90})
    backend = Scripted(cut('{"answer": "1111111111'), {"answer": "1"}, json_schema=True)
    await ask_record(call_of("Review", TASK, backend), ASK, schema)
    rooms = [request.json_schema["properties"]["answer"]["maxLength"] for request in backend.requests]
    assert rooms == [90, 30]


async def test_the_schema_goes_to_backends_that_enforce_it_only():
    for able in (True, False):
        backend = Scripted(GOOD, json_schema=able)
        await ask_record(call_of("Review", TASK, backend), ASK, SCHEMA)
        assert backend.requests[0].json_schema == (SCHEMA if able else None)


def test_texts_are_bounded_where_tokens_are_few_and_free_where_they_are_many():
    few, many = (call_of("Review", TASK, Scripted(), max_tokens=n) for n in (96, 4096))
    assert text_field(few, 0.5) == {"type": "string", "maxLength": 96}
    assert text_field(many, 0.5) == {"type": "string"}
