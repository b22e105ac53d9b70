"""Bodies of chat completions as servers really send them, read into one record or refused with a reason."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from fake_server import completion
from hypothesis import given
from hypothesis import strategies as st
from wire_strategies import ANY_JSON, BODIES, DONE, END, chunk, event

from flowsteer.backends.base import MOST_CHARACTERS, Reply
from flowsteer.backends.body import MOST_BYTES
from flowsteer.backends.completion import Answer, Completion
from flowsteer.backends.failures import Fault, error_in, fault_of, retry_after, said
from flowsteer.backends.openai import Catalogue
from flowsteer.usage import NO_USAGE


def read(body: str | bytes) -> Answer:
    whole = Completion()
    whole.feed(body.encode() if isinstance(body, str) else body)
    return whole.answer()


def both(message: Any) -> list[Answer]:
    """A message in one piece, and as the one delta of a stream."""
    return [
        read(json.dumps(completion("", message=message))),
        read(event(chunk(message)) + event(END) + DONE),
    ]


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        (None, "", ""),
        ([{"type": "text", "text": "Par"}, {"type": "text", "text": "is"}], "Paris", ""),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Paris"}], "Paris", "hm"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "Paris"], "Paris", "hm"),
        ([{"type": "reasoning", "text": "hm"}, {"type": "image_url", "image_url": {"url": "x"}}], "", "hm"),
        ({"type": "text", "text": {"value": "Paris", "annotations": []}}, "Paris", ""),
        (["Par", "is", None, 7, {}], "Paris", ""),
        ({"parts": [{"text": "Paris"}]}, "Paris", ""),
        (42, "", ""),
    ],
)
def test_content_of_any_shape_is_its_text_and_its_thinking(content: object, text: str, reasoning: str):
    for answer in both({"content": content}):
        assert (answer.text, answer.reasoning, answer.finish) == (text, reasoning, "stop")


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"thinking": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
        {"reasoning_content": None, "reasoning": [{"type": "text", "text": "hm"}]},
    ],
)
def test_thinking_apart_is_read_once_from_whatever_field(fields: dict[str, object]):
    for answer in both({"content": "Paris", **fields}):
        assert (answer.text, answer.reasoning) == ("Paris", "hm")


@pytest.mark.parametrize(
    "choice",
    [
        {"text": "Paris"},
        {"text": "Paris", "index": float("nan")},
        {"message": "Paris"},
        {"message": None, "text": "Paris"},
    ],
)
def test_a_choice_of_the_older_protocol_is_read(choice: dict[str, object]):
    assert [read(json.dumps({"choices": choices})).text for choices in ([choice], choice)] == ["Paris"] * 2


def test_a_message_that_is_null_is_an_empty_reply():
    assert [read(json.dumps({"choices": [{"message": None}]})).text, read(event(chunk(None)) + DONE).text] == ["", ""]


def test_of_several_choices_one_is_read():
    two = [{"index": 1, "message": {"content": "Rome"}}, {"index": 0, "message": {"content": "Paris"}}]
    assert read(json.dumps({"choices": two})).text == "Paris"
    pieces = [("Par", "Ro"), ("is", "me")]
    stream = [{"choices": [{"index": n, "delta": {"content": p}} for n, p in enumerate(pair)]} for pair in pieces]
    assert read("".join(map(event, stream)) + DONE).text == "Paris"


@pytest.mark.parametrize("reason", ["stop", "eos", "end_turn", "STOP", "", "null", None, "tool_calls", "weird", 7, {}])
def test_a_whole_reply_is_whole_whatever_its_end_is_called(reason: object):
    assert read(json.dumps(completion("Paris", finish=reason))).finish == "stop"
    assert read(event(chunk({"content": "Paris"}, reason)) + DONE).finish == "stop"


@pytest.mark.parametrize("reason", ["length", "MAX_TOKENS", "max_output_tokens"])
def test_a_cut_reply_is_cut_whatever_its_end_is_called(reason: str):
    assert read(json.dumps(completion("Par", finish=reason))).finish == "length"


@pytest.mark.parametrize(
    ("reason", "status"), [("content_filter", 422), ("SAFETY", 422), ("error", None), ("abort", None)]
)
def test_a_withheld_reply_is_refused_and_a_broken_one_may_pass(reason: str, status: int | None):
    with pytest.raises(Fault) as fault:
        read(json.dumps(completion("", finish=reason)))
    assert fault.value.status == status


USAGE = {"prompt_tokens": 10, "completion_tokens": 3}


@pytest.mark.parametrize(
    ("usages", "counts"),
    [
        ([USAGE], (10, 3)),
        ([{"prompt_tokens": "10", "completion_tokens": 3.0}], (10, 3)),
        ([USAGE, {"prompt_tokens": 0, "completion_tokens": 0}], (10, 3)),
        ([{"prompt_tokens": 10, "completion_tokens": 1}, USAGE], (10, 3)),
        ([{"prompt_tokens": 10, "completion_tokens": -1}], (10, None)),
        ([{"total_tokens": 13}], (None, None)),
        ([USAGE | {"total_tokens": 13}], (10, 3)),
        ([{"completion_tokens": 9, "prompt_tokens": 8, "total_tokens": 1417}], (8, 1409)),  # thinking counted apart
        ([{"prompt_tokens": 8, "total_tokens": 1408}], (8, 1400)),
        ([USAGE, {"prompt_tokens": 10, "total_tokens": 24}, {"total_tokens": 99}], (10, 14)),
        ([{"prompt_tokens": 0, "completion_tokens": 3, "total_tokens": 13}], (0, 3)),
        ([{"prompt_tokens": 10, "total_tokens": 10}], (10, None)),
        ([{"prompt_tokens": True, "completion_tokens": 10**30}], (None, None)),
        ([{"prompt_tokens": float("nan"), "completion_tokens": float("inf")}], (None, None)),
        ([[], "many", None, 3], (None, None)),
    ],
)
def test_usage_is_what_the_server_counted_or_unknown(usages: list[object], counts: tuple[int | None, int | None]):
    answer = read("".join(event(chunk({"content": "x"}, usage=usage)) for usage in usages) + DONE)
    assert (answer.prompt_tokens, answer.completion_tokens) == counts


@pytest.mark.parametrize(
    "body",
    [
        event(chunk({"content": "Paris"}, "stop")),
        event(chunk({"content": "Paris"})) + DONE,
        ": PROCESSING\n\n" + event(chunk({"content": "Paris"})) + ": still\n\n" + DONE,
        (event(chunk({"content": "Par"})) + event(chunk({"content": "is"})) + DONE).replace("\n", "\r\n"),
        (event(chunk({"content": "Par"})) + event(chunk({"content": "is"})) + DONE).replace("\n", "\r"),
        (event(chunk({"content": "Par"})) + event(chunk({"content": "is"})) + DONE).replace("\n\n", "\n"),
        (event(chunk({"content": "Paris"})) + DONE).replace("data: ", "data:"),
        "event: message\nid: 1\nretry: 5\n" + event(chunk({"content": "Paris"})) + "event: ping\ndata: {}\n\n" + DONE,
        "data: " + json.dumps(chunk({"content": "Paris"}), indent=1).replace("\n", "\ndata: ") + "\n\n" + DONE,
        event({"choices": None}) + event({"choices": []}) + event(chunk({"content": "Paris"})) + DONE,
        "\ufeff" + event(chunk({"content": "Paris"})) + DONE,
        "\ufeff" + json.dumps(completion("Paris")),
        "\n\n \n" + json.dumps(completion("Paris"), indent=2),
        json.dumps([completion("Paris")]),
    ],
)
def test_a_body_is_read_in_whatever_form_it_comes(body: str):
    assert read(body).text == "Paris"


@pytest.mark.parametrize(
    "body",
    [
        event(chunk({"content": "Par"})),
        event(chunk({"content": "Par"})) + 'data: {"choices": [{"del',
        json.dumps(completion("Paris"))[:40],
        "",
        "null",
        '"Paris"',
        "<html>Gateway</html>",
        "[" * 100_000,
        '{"a":' * 100_000,
        DONE,
        "data: pong\n\n",
        json.dumps(completion("x", choices=None)),
    ],
)
def test_what_is_no_whole_completion_may_pass_when_asked_again(body: str):
    with pytest.raises(Fault) as fault:
        read(body)
    assert fault.value.status is None


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ({"message": "slow", "code": 429}, 429, "slow"),
        ({"message": "too long", "code": "400"}, 400, "too long"),
        ({"message": "who?", "code": "invalid_api_key"}, 401, "who?"),
        ({"message": "pay", "type": "insufficient_quota", "code": None}, 402, "pay"),
        ({"message": "busy", "type": "overloaded_error"}, None, "busy"),
        ({"message": "odd", "code": 200}, None, "odd"),
        ({"message": "odd", "code": [1]}, None, "odd"),
        ("just text", None, "just text"),
        ({"code": 500}, 500, '{"code": 500}'),
    ],
)
def test_an_error_in_a_good_answer_counts_by_its_code(error: object, status: int | None, words: str):
    broken = completion("half", finish="error")
    broken["choices"][0]["error"] = error
    bodies = [
        json.dumps({"error": error}),
        json.dumps([{"error": error}]),
        json.dumps(broken),
        event(chunk({"content": "half"})) + event({"error": error}) + DONE,
        event(chunk({"content": "half"})) + f"event: error\n{event(error)}",
    ]
    for body in bodies:
        with pytest.raises(Fault) as fault:
            read(body)
        assert (fault.value.status, fault.value.words) == (status, words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "bad thing"}, "bad thing"),
        ({"error": "loading wrongly"}, "loading wrongly"),
        ({"error": {"message": "no"}}, "no"),
        ([{"error": {"message": "no"}}], "no"),
        ({"object": "error", "message": "no", "code": 400}, "no"),
        ({"error": "invalid", "message": "the long story"}, '{"error": "invalid", "message": "the long story"}'),
        ({"detail": [{"loc": ["body", "seed"], "msg": "extra"}]}, '{"loc": ["body", "seed"], "msg": "extra"}'),
        ("<html>502</html>", "<html>502</html>"),
    ],
)
def test_a_servers_words_are_told_in_full(body: object, words: str):
    assert said(body) == words
    assert fault_of(400, body, {}).words == f"400 {words}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "2s"}, 2.0),
        ({"retry-after-ms": "300", "retry-after": "20"}, 0.3),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_from_headers(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers) == seconds


def test_googles_way_to_say_how_long_to_wait_is_understood():
    body = [{"error": {"message": "exhausted", "details": [{"@type": "x"}, {"retryDelay": "7s"}]}}]
    assert fault_of(429, body, {}).wait == 7.0


@given(st.text(max_size=40) | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\d+", fullmatch=True))
def test_any_header_is_a_bounded_wait_or_none(value: str):
    wait = retry_after({"retry-after": value, "retry-after-ms": value})
    assert wait is None or 0 <= wait < 1e13


@given(BODIES, st.lists(st.integers(1, 20), max_size=6))
def test_any_body_is_an_answer_or_a_fault_however_it_is_cut_into_packets(body: bytes, cuts: list[int]):
    def outcome(pieces: list[bytes]) -> tuple[object, ...]:
        reader = Completion()
        try:
            for piece in pieces:
                reader.feed(piece)
                if reader.over:
                    break
            answer = reader.answer()
        except Fault as fault:
            return (fault.status,)
        reply = Reply(answer.text, NO_USAGE, answer.model, answer.finish, answer.reasoning)
        (reply.text + reply.reasoning + reply.model).encode()
        assert "\x00" not in reply.text
        return (answer,)

    pieces, left = [], body
    for size in cuts:
        pieces.append(left[:size])
        left = left[size:]
    assert outcome([*pieces, left]) == outcome([body])


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({"max_model_len": 16384}, 16384),
        ({"context_length": 32768}, 32768),
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 8192}}, 4096),
        ({"max_model_len": "many", "meta": 3}, None),
        ({"max_model_len": -1}, None),
    ],
)
def test_a_catalogue_tells_the_context(entry: dict[str, object], context: int | None):
    assert Catalogue.read({"data": [{"id": "tiny"} | entry]}).contexts.get("tiny") == context


@given(ANY_JSON)
def test_any_json_is_a_catalogue_and_has_words(listed: object):
    assert all(isinstance(name, str) and name.encode() for name in Catalogue.read(listed).names if name)
    assert isinstance(said(listed), str)
    assert error_in(listed) is None or isinstance(error_in(listed), Fault)


@pytest.mark.parametrize(
    "body",
    [
        "data: {}\n\n" * 50_000,
        "\n" * 200_000,
        ": x\n" * 100_000,
        "data: [1,\n" * 50_000,
        json.dumps({"choices": [{}] * 100_000}),
        json.dumps({"choices": [{"message": {"content": [{"text": "x"}] * 100_000}}]}),
    ],
)
def test_reading_takes_time_linear_in_what_is_sent(body: str):
    started = time.process_time()
    reader = Completion()
    try:
        for start in range(0, len(body), 1000):
            reader.feed(body[start : start + 1000].encode())
        reader.answer()
    except Fault:
        pass
    assert time.process_time() - started < 2


def test_a_reply_without_end_is_cut():
    endless = Completion()
    while not endless.over:
        endless.feed(event(chunk({"content": "x" * 10_000})).encode())
    assert endless.answer().finish == "length"


@pytest.mark.parametrize("piece", [b"[" * 2**20, b"data: [" + b"1," * 2**19, b": still here\n" * 2**16])
def test_a_document_without_end_is_refused(piece: bytes):
    endless = Completion()

    def send() -> None:
        for _ in range(MOST_BYTES // 2**19):
            endless.feed(piece)

    with pytest.raises(Fault) as fault:
        send()
    assert fault.value.status == 413


def test_a_reply_is_sound_whoever_makes_it():
    reply = Reply("Paris \ud835\x00" + "x" * MOST_CHARACTERS, NO_USAGE, "m\udc00", reasoning="\ud800")
    assert reply.text.startswith("Paris \ufffd\ufffdx")
    assert (len(reply.text), reply.finish, reply.model, reply.reasoning) == (
        MOST_CHARACTERS,
        "length",
        "m\ufffd",
        "\ufffd",
    )
    assert replace(reply, text="\ud835\udc00").text == "\U0001d400"
