"""Datasets from files: plain rows, the authors' rows, errors that name the line, and HotpotQA cut short."""

import json
from pathlib import Path

import pytest

from flowsteer.datasets.base import ProgramTests
from flowsteer.datasets.excerpt import excerpt
from flowsteer.datasets.hotpot_short import MAX_WORDS, cut, shorten
from flowsteer.datasets.local import read_samples
from flowsteer.datasets.public_tests import docstring_examples, shown_cases
from flowsteer.datasets.registry import Dataset, dataset_names, find_dataset, load_samples
from flowsteer.datasets.rows import sample_from_row
from flowsteer.datasets.splits import overlap
from flowsteer.errors import ConfigError
from flowsteer.task import AssertTests, StdioTests

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the folder with samples of the real datasets is not here")


def write(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def row(number=1, **more):
    return {"id": f"own/{number}", "type": "math", "question": f"1 + {number}?", "answer": str(1 + number)} | more


def test_a_file_of_ones_own_is_a_dataset(tmp_path):
    path = write(tmp_path / "own.jsonl", row(1), "", row(2))
    samples = load_samples(str(path))
    assert [(one.task.question, one.reference.answers) for one in samples] == [("1 + 1?", ("2",)), ("1 + 2?", ("3",))]
    assert load_samples("own", data=tmp_path) == samples


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "own.jsonl, line 2 is not JSON"),
        ("[" * 100_000, "own.jsonl, line 2 is not JSON"),
        ('{"id": ' + "4" * 5000 + "}", "own.jsonl, line 2 is not JSON"),
        (json.dumps(row(answer={"value": 1})), "line 2: the answer is not a text, a number or a list of them"),
        ("[1]", "line 2 is not a JSON object but list"),
        (json.dumps({"id": "1", "type": "math"}), "line 2 has no text under 'question'"),
        (json.dumps(row(type="maths")), "line 2: type 'maths' is not one of math, qa, code"),
        (json.dumps(row(type="code", tests='{"inputs": ["1"]}')), "the tests of own/1 cannot be read"),
        (json.dumps({"problem": "?", "ground_truth": "1", "source": "gsm9k"}), "unknown source 'gsm9k'"),
        (json.dumps(row(meta={"options": 12})), "'options' of 'meta' is neither a list of texts or numbers"),
        (json.dumps(row(meta={"options": [["1"]]})), "'options' of 'meta' is neither"),
        (json.dumps(row(meta={"options": {"a": None}})), "'options' of 'meta' is neither"),
        (json.dumps(row(meta={"options": ["1"] * 27})), "'options' of 'meta' is neither"),
        (json.dumps(row(meta="test")), "'meta' is no object"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, complaint):
    path = write(tmp_path / "own.jsonl", row(1), line)
    with pytest.raises(ConfigError, match=complaint.replace("[", r"\[")):
        list(read_samples(path))


def test_files_of_other_editors_and_numbers_are_read(tmp_path):
    path = tmp_path / "own.jsonl"
    lines = [json.dumps(row(1, answer=2)), json.dumps(row(2, id=7, answer=[3, "three", 3.5]))]
    path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    samples = load_samples(str(path))
    assert [one.reference.answers for one in samples] == [("2",), ("3", "three", "3.5")]
    assert samples[1].task.id == "7"


def test_options_in_a_list_have_letters_in_order(tmp_path):
    path = write(
        tmp_path / "own.jsonl", row(1, meta={"options": ["12", 16, "none"]}), row(2, meta={"options": {"A": 1}})
    )
    listed, named = load_samples(str(path))
    assert listed.reference.options == {"a": "12", "b": "16", "c": "none"}
    assert named.reference.options == {"a": "1"}


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"cannot read .*own\.jsonl"):
        list(read_samples(path))


def test_missing_files_name_what_is_there(tmp_path):
    write(tmp_path / "own.jsonl", row())
    with pytest.raises(ConfigError) as error:
        load_samples("other", data=tmp_path)
    assert "own" in error.value.hint
    with pytest.raises(ConfigError):
        load_samples(str(tmp_path / "no" / "x.jsonl"))
    with pytest.raises(ConfigError) as error:
        load_samples("other")
    assert "simulated" in error.value.hint


@needs_data
def test_the_real_samples_load_with_tests_apart():
    kinds = {}
    for path in sorted(DATA.glob("*.jsonl")):
        samples = list(read_samples(path))
        kinds[path.stem] = (type(samples[0].task.public_tests), type(samples[0].reference.tests))
        for one in samples:
            assert one.task.id
            assert one.task.answer_form
            if one.task.type == "code":
                assert one.reference.tests is not None
    assert kinds["humaneval"] == kinds["mbpp"] == (AssertTests, AssertTests)
    assert kinds["apps"] == (StdioTests, StdioTests)
    assert kinds["ds1000"] == (type(None), ProgramTests)


@needs_data
def test_nothing_hidden_stands_in_a_task():
    for name in ("gsm8k", "math", "humaneval", "mbpp", "apps", "ds1000"):
        for one in read_samples(DATA / f"{name}.jsonl"):
            shown = repr(one.task)
            assert repr(one.reference.solution)[1:-1] not in shown or not one.reference.solution
            for key in ("solution", "rationale"):
                assert not one.reference.meta.get(key) or one.reference.meta[key] not in shown


@needs_data
def test_examples_of_humaneval_are_found_where_the_file_has_them():
    missing = []
    with (DATA / "humaneval.jsonl").open() as lines:
        for one in map(json.loads, lines):
            mine = docstring_examples(one["prompt_code"], one["entry_point"])
            if one["public_tests"] and mine.count("assert") < one["public_tests"].count("assert"):
                missing.append(one["id"])
    assert missing == []


@needs_data
def test_sample_cases_of_apps_are_found_in_the_question():
    found = total = 0
    with (DATA / "apps.jsonl").open() as lines:
        for one in map(json.loads, lines):
            tests, public = json.loads(one["tests"]), json.loads(one["public_tests"])
            shown = {tests["inputs"][index].strip() for index in shown_cases(one["question"], **tests)}
            found += len({text.strip() for text in public["inputs"]} & shown)
            total += len(public["inputs"])
    assert found > 0.95 * total


RELEASED = [
    {"problem": "1 + 1?", "ground_truth": "2", "source": "gsm8k", "problem_type": "math"},
    {"problem": "who?", "ground_truth": ["Ann", "Lee"], "source": "nq", "meta": {}},
    {"problem": "which? a ) 1 , b ) 2 , c ) 3", "ground_truth": "b", "source": "mathqa"},
    {
        "problem": "Complete it.",
        "ground_truth": "    return 2 * n\n",
        "source": "humaneval",
        "meta": {
            "test": "def check(candidate):\n    assert candidate(5) == 10\n",
            "entry_point": "double",
            "code_prompt": "def double(n):\n    '''>>> double(2)\n    4\n    '''\n",
        },
    },
    {
        "problem": "Double it.",
        "ground_truth": "def double(n):\n    return 2 * n",
        "source": "mbpp",
        "meta": {"test": "assert double(2) == 4\nassert double(5) == 10", "entry_point": "double"},
    },
]


def test_the_authors_files_are_read_as_they_are(tmp_path):
    math, nq, choice, humaneval, mbpp = read_samples(write(tmp_path / "train.jsonl", *RELEASED))
    assert math.reference.answers == ("2",)
    assert (nq.task.dataset, nq.reference.answers) == ("nq_open", ("Ann", "Lee"))
    assert choice.reference.options == {"a": "1", "b": "2", "c": "3"}
    assert humaneval.task.public_tests == AssertTests("assert double(2) == 4")
    assert humaneval.reference.tests.code.endswith("check(double)\n")
    assert humaneval.reference.solution.startswith("def double(n):")
    assert mbpp.task.public_tests == AssertTests("assert double(2) == 4\n")
    assert len({one.task.id for one in (math, nq, choice, humaneval, mbpp)}) == 5
    assert all("authors" in one.reference.meta["file"] for one in (math, mbpp))


def test_the_papers_own_overlap_is_kept_and_seen(tmp_path):
    train = list(read_samples(write(tmp_path / "train.jsonl", *RELEASED)))
    test = list(read_samples(write(tmp_path / "test.jsonl", RELEASED[3])))
    assert overlap(train, test) == [test[0].task.id]


@needs_data
def test_hotpotqa_short_keeps_the_answer_within_the_words():
    for one in read_samples(DATA / "hotpotqa.jsonl"):
        short = shorten(one)
        assert len(short.task.context.split()) <= MAX_WORDS
        assert short.task.dataset == "hotpotqa-short"
        assert short.task.id != one.task.id
        assert short.reference == one.reference
        gold = one.reference.answers[0]
        if gold not in ("yes", "no") and gold in one.task.context:
            assert gold in short.task.context
    assert len(load_samples("hotpotqa-short", n=5, data=DATA)) == 5


def test_a_cut_keeps_facts_first_and_the_order_of_the_text():
    context = "[A]\nA one. A two. A three.\n\n[B]\nB one. B two. B three.\n\n[C]\nC one."
    assert cut(context, [("B", 1)], 3) == "[B]\nB two."
    assert cut(context, [("B", 1)], 7) == "[B]\nB one. B two. B three."
    assert cut(context, [("B", 1), ("C", 9)], 6) == "[B]\nB two.\n\n[C]\nC one."
    assert cut(context, [("B", 1)], 100) == context


@needs_data
def test_an_excerpt_is_around_the_facts_or_from_the_top():
    for one in read_samples(DATA / "hotpotqa.jsonl"):
        short = excerpt(one, 240)
        assert len(short.task.context.split()) <= 240
        assert (short.task.id, short.reference) == (one.task.id, one.reference)
    squad = max(read_samples(DATA / "squad_v2.jsonl"), key=lambda one: len(one.task.context.split()))
    assert excerpt(squad, 100).task.context.split() == squad.task.context.split()[:100]
    assert excerpt(squad, 10_000) is squad


def test_hotpotqa_short_needs_the_facts():
    with pytest.raises(ConfigError, match="supporting facts"):
        shorten(sample_from_row(row(type="qa")))


def test_installed_datasets_are_found_by_entry_point(monkeypatch):
    from flowsteer.datasets import registry

    mine = Dataset("mine", ("test",), lambda split, seed: [sample_from_row(row(n)) for n in range(5)], "my own")

    class Entry:
        name = "mine"

        def load(self):
            return mine

    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()] if group == "flowsteer.datasets" else [])
    assert "mine" in dataset_names()
    assert find_dataset("mine") is mine
    assert len(load_samples("mine", n=3)) == 3
    with pytest.raises(ConfigError, match="no split 'train'"):
        load_samples("mine", "train")
    mine = 5
    with pytest.raises(ConfigError, match="no Dataset but int"):
        find_dataset("mine")
