"""`flowsteer grade` and `flowsteer validate`: what answers from anywhere may look like, and what is refused."""

import json

import pytest
from flowsteer_cli import flowsteer

TASKS = [
    {"id": "six", "type": "math", "question": "What is 6 times 7?", "answer": "42"},
    {"id": "ü ☃", "type": "math", "question": "What is half of 3?", "answer": "3/2"},
    {"id": "France", "type": "qa", "question": "What is the capital of France?", "answer": ["Paris", "Lutetia"]},
]


@pytest.fixture
def grade(tmp_path):
    """Grade lines given as text or as values."""

    def run(*lines, encoding="utf-8", newline="\n"):
        (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, TASKS)), encoding=encoding)
        text = newline.join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        (tmp_path / "answers.jsonl").write_bytes(text.encode(encoding))
        return flowsteer("grade", "--tasks", "tasks.jsonl", "--answers", "answers.jsonl", "--json", cwd=tmp_path)

    return run


def verdicts(outcome):
    assert outcome.code == 0, outcome.err
    return [(item["id"], item["correct"]) for item in outcome.json["items"]]


def test_answers_may_be_numbers_or_null(grade):
    lines = ('{"id": "six", "answer": 42}', '{"id": "ü ☃", "answer": 1.50}', '{"id": "France", "answer": null}')
    assert verdicts(grade(*lines)) == [("six", True), ("ü ☃", True), ("France", False)]


def test_a_number_of_any_length_is_an_answer(grade):
    assert verdicts(grade('{"id": "six", "answer": ' + "4" * 5000 + "}")) == [("six", False)]


def test_a_byte_order_mark_and_windows_lines_are_read(grade):
    lines = ({"id": "six", "answer": "42"}, "", {"id": "France", "answer": "paris"})
    assert verdicts(grade(*lines, encoding="utf-8-sig", newline="\r\n")) == [("six", True), ("France", True)]


def test_each_line_is_an_item_and_missing_tasks_are_counted(grade):
    outcome = grade({"id": "six", "answer": "42"}, {"id": "six", "answer": "41"})
    assert verdicts(outcome) == [("six", True), ("six", False)]
    assert {key: outcome.json[key] for key in ("n", "correct", "unscorable", "missing")} == {
        "n": 2,
        "correct": 1,
        "unscorable": 0,
        "missing": 2,
    }


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"id": "seven", "answer": "42"}, "has no task 'seven'"),
        ({"id": "six", "answer": ["42"]}, "line 1 is not an object with the texts id and answer"),
        ({"id": "six", "answer": True}, "line 1 is not an object with the texts id and answer"),
        ({"id": "six"}, "line 1 is not an object with the texts id and answer"),
        ("[1]", "line 1 is not a JSON object"),
        ("{", "line 1 is not JSON"),
        ("[" * 100_000, "line 1 is not JSON"),
    ],
)
def test_what_is_no_answer_is_refused_by_line(grade, line, complaint):
    outcome = grade(line)
    assert outcome.code == outcome.json["error"]["code"] == 2
    assert complaint in outcome.err


def test_tasks_that_share_an_id_are_refused(tmp_path):
    (tmp_path / "tasks.jsonl").write_text(f"{json.dumps(TASKS[0])}\n{json.dumps(TASKS[0] | {'answer': '7'})}\n")
    (tmp_path / "answers.jsonl").write_text('{"id": "six", "answer": "42"}\n')
    outcome = flowsteer("grade", "--tasks", "tasks.jsonl", "--answers", "answers.jsonl", cwd=tmp_path)
    assert outcome.code == 2
    assert "six" in outcome.err


def test_the_limit_is_the_most_and_not_a_demand(tmp_path):
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, TASKS)))
    outcome = flowsteer("validate", "own", "--data", ".", "--limit", "9", "--json", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert outcome.json["own"]["correct"] == 3
