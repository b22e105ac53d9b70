"""From the native columns of each public dataset to a sample; the rows are made by hand in the shape of the hub's."""

import json

import pytest

from flowsteer.datasets.base import ProgramTests
from flowsteer.datasets.hub import SOURCES, Source, hub_samples
from flowsteer.datasets.native import CONVERTERS
from flowsteer.datasets.registry import load_samples
from flowsteer.datasets.released import TYPES
from flowsteer.datasets.rows import sample_from_row
from flowsteer.datasets.splits import check_disjoint
from flowsteer.errors import ConfigError
from flowsteer.task import AssertTests, CallTests, StdioTests

NATIVE = {
    "gsm8k": {"question": "How many?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"},
    "math": {
        "problem": "Find $x$.",
        "solution": r"We get $\boxed{1}$, no, $\boxed{\frac{1}{2}}$.",
        "level": "Level 2",
        "type": "Algebra",
    },
    "mathqa": {
        "Problem": "the speed is ?",
        "Rationale": "…",
        "options": "a ) 12 km / hr , b ) 1,108 , c ) rs . 400 , d ) 1 / 3 , e ) none of these",
        "correct": "d",
        "category": "physics",
    },
    "aime2025": {"id": "3", "problem": "Find $n$.", "answer": 70},
    "hotpotqa": {
        "id": "5a8b",
        "question": "Which one is older?",
        "answer": "Ann",
        "type": "comparison",
        "level": "hard",
        "supporting_facts": {"title": ["Ann", "Bob"], "sent_id": [0, 1]},
        "context": {"title": ["Ann", "Bob"], "sentences": [["Ann is old.", " She sings."], ["Bob.", " He is young."]]},
    },
    "squad_v2": {
        "id": "56d",
        "title": "Towers",
        "context": "The tower is in Paris.",
        "question": "Where is it?",
        "answers": {"text": ["Paris", "in Paris", "Paris"], "answer_start": [16, 13, 16]},
    },
    "nq_open": {"question": "who wrote it", "answer": ["Ann Lee", "A. Lee"]},
    "triviaqa": {
        "question": "Who?",
        "question_id": "tc_1",
        "answer": {"value": "Ann Lee", "aliases": ["Lee, Ann", "Ann Lee"], "normalized_aliases": ["ann lee"]},
    },
    "humaneval": {
        "task_id": "HumanEval/999",
        "prompt": 'def double(n: int) -> int:\n    """Double n.\n    >>> double(2)\n    4\n    """\n',
        "canonical_solution": "    return 2 * n\n",
        "test": "def check(candidate):\n    assert candidate(5) == 10\n",
        "entry_point": "double",
    },
    "mbpp": {
        "task_id": 11,
        "text": "Write a function to double a number.",
        "code": "def double(n):\n    return 2 * n",
        "test_list": ["assert double(2) == 4", "assert double(5) == 10"],
        "test_setup_code": "import math",
        "challenge_test_list": [],
    },
    "apps": {
        "problem_id": 7,
        "question": "Double it.\n\n-----Input-----\nOne number.\n\n-----Example-----\nInput\n2\n\nOutput\n4\n",
        "solutions": json.dumps(["print(2 * int(input()))", "n = int(input())\nprint(n + n)"]),
        "input_output": json.dumps({"inputs": ["2\n", "5\n"], "outputs": ["4\n", "10\n"]}),
        "difficulty": "introductory",
        "url": "…",
        "starter_code": "",
    },
    "ds1000": {
        "prompt": "Problem:\nDouble x.\n\nA:\n<code>\nx = 2\n</code>\ny = ... # put solution in this variable\n",
        "reference_code": "y = 2 * x",
        "code_context": "def test_execution(solution):\n    ...\n",
        "metadata": {"problem_id": 4, "library": "Numpy", "test_case_cnt": 1},
    },
}


def convert(name, **changes):
    return sample_from_row(CONVERTERS[name](NATIVE[name] | changes, 5))


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_dataset_converts_with_type_form_and_gold(name):
    sample = convert(name)
    assert sample.task.dataset == name
    assert sample.task.type == TYPES[name]
    assert sample.task.id
    assert sample.task.answer_form
    assert sample.reference.gold
    assert sample.reference.gold not in sample.task.question or name in ("mathqa", "apps")


def test_the_table_covers_all_twelve():
    assert set(SOURCES) == set(CONVERTERS) == set(NATIVE) == set(TYPES)
    assert len(TYPES) == 12
    assert all("test" in splits for splits in SOURCES.values())


def test_no_source_claims_to_be_pinned_without_a_commit():
    for splits in SOURCES.values():
        assert not any(source.pinned for source in splits.values())
    assert Source("a/b", "test", revision="0123456789" * 4).pinned


def test_math_golds():
    assert convert("gsm8k").reference.answers == ("7",)
    assert convert("math").reference.answers == (r"\frac{1}{2}",)
    assert convert("math", answer="0.5", unique_id="test/algebra/1.json").task.id == "math/test/algebra/1.json"
    assert convert("aime2025").reference.answers == ("70",)


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"Adding gives $\boxed 2$.", "2"),
        (r"Adding gives $1 + 1 = \boxed 2.$", "2"),
        (r"\[x = \boxed \frac{1}{2}.\] Done.", r"\frac{1}{2}"),
        (r"Not $\boxed{1}$ but $\boxed 2$", "2"),
        (r"Not $\boxed 1$ but $\boxed{2}$", "2"),
        (r"It is $\boxed {2}$, boxed.", "2"),
    ],
)
def test_what_a_math_solution_boxes_without_braces_is_its_answer(solution, answer):
    assert convert("math", solution=solution).reference.answers == (answer,)


def test_mathqa_options():
    sample = convert("mathqa")
    assert sample.reference.answers == ("d",)
    assert sample.reference.options == {
        "a": "12 km / hr",
        "b": "1,108",
        "c": "rs . 400",
        "d": "1 / 3",
        "e": "none of these",
    }
    assert sample.task.question.endswith("d ) 1 / 3 , e ) none of these")
    listed = convert("mathqa", options="['a ) 38', 'b ) 27.675', 'c ) 30', 'd ) 31', 'e ) 32']")
    assert listed.reference.options["b"] == "27.675"


def test_qa_contexts_and_aliases():
    hotpot = convert("hotpotqa")
    assert hotpot.task.context == "[Ann]\nAnn is old. She sings.\n\n[Bob]\nBob. He is young."
    assert hotpot.reference.meta["supporting_facts"] == [["Ann", 0], ["Bob", 1]]
    assert convert("squad_v2").reference.answers == ("Paris", "in Paris")
    assert convert("squad_v2", answers={"text": [], "answer_start": []}).reference.answers == ("",)
    assert convert("triviaqa").reference.answers == ("Ann Lee", "Lee, Ann")


def test_humaneval_keeps_hidden_tests_and_the_public_example_apart():
    sample = convert("humaneval")
    assert sample.task.public_tests == AssertTests("assert double(2) == 4")
    assert sample.reference.tests == AssertTests(NATIVE["humaneval"]["test"] + "\ncheck(double)\n")
    assert sample.reference.solution == NATIVE["humaneval"]["prompt"] + "    return 2 * n\n"
    assert "candidate(5)" not in repr(sample.task)


def test_mbpp_in_both_configurations():
    full = convert("mbpp")
    assert full.task.entry_point == "double"
    assert full.task.public_tests == AssertTests("import math\nassert double(2) == 4\n")
    assert full.reference.tests.code.count("assert") == 2
    sanitized = convert("mbpp", prompt="Write it.", text=None, test_imports=["import re"], test_setup_code=None)
    assert sanitized.task.question == "Write it."
    assert sanitized.task.public_tests.code.startswith("import re\n")


def test_apps_by_streams_and_by_call():
    sample = convert("apps")
    assert sample.task.public_tests == StdioTests(("2\n",), ("4\n",))
    assert sample.reference.tests == StdioTests(("2\n", "5\n"), ("4\n", "10\n"))
    assert sample.reference.solution == "print(2 * int(input()))"
    cases = json.dumps({"fn_name": "double", "inputs": [[2], [5]], "outputs": [4, 10]})
    call = convert("apps", input_output=cases, starter_code="class Solution:\n    def double(self, n):")
    assert call.reference.tests == CallTests("double", ("[2]", "[5]"), ("4", "10"))
    assert call.task.entry_point == "double"
    assert call.task.public_tests is None
    assert "class Solution" in call.task.question
    assert convert("apps", solutions="", input_output="").reference.gold is None


@pytest.mark.parametrize("form", ["{}", "-{}", '[1, {{"a": {}}}]'])
def test_an_integer_of_any_length_in_the_cases_of_apps_is_read_as_it_is(form):
    value = form.format("9" * 9131)
    cases = f'{{"fn_name": "power", "inputs": [[{value}], [2]], "outputs": [{value}, 4]}}'
    assert convert("apps", input_output=cases).reference.tests == CallTests(
        "power", (f"[{value}]", "[2]"), (value, "4")
    )


def test_streams_of_apps_may_be_lines_and_numbers():
    cases = f'{{"inputs": [[1, "2"], 3], "outputs": [["a", "b"], 1{"0" * 5000}]}}'
    assert convert("apps", input_output=cases).reference.tests == StdioTests(("1\n2", "3"), ("a\nb", "1" + "0" * 5000))


def test_ds1000_keeps_its_program_from_the_task():
    sample = convert("ds1000")
    assert sample.reference.tests == ProgramTests(NATIVE["ds1000"]["code_context"])
    assert "test_execution" not in repr(sample.task)
    assert sample.task.prompt_code.startswith("<code>\nx = 2")


def test_unknown_datasets_and_splits_name_the_known_ones():
    with pytest.raises(ConfigError) as error:
        next(hub_samples("gsm8k", "validation"))
    assert "train, test" in error.value.hint
    with pytest.raises(ConfigError) as error:
        next(hub_samples("nothing", "test"))
    assert "gsm8k" in error.value.hint


def test_a_hub_that_cannot_be_reached_is_an_error_with_a_way_out(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")

    def refuse(self, *args, **kwargs):
        raise ConnectionError("refused")

    monkeypatch.setattr(hub.HfApi, "dataset_info", refuse)
    with pytest.raises(ConfigError, match="could not be loaded") as error:
        next(hub_samples("gsm8k", "test"))
    assert "--data" in error.value.hint


def test_a_load_goes_to_the_commit_that_the_hub_names_and_records_it(monkeypatch):
    hub, datasets = pytest.importorskip("huggingface_hub"), pytest.importorskip("datasets")
    commit, asked = "ab" * 20, []

    class Info:
        sha = commit

    def load(repository, config, split, revision, trust_remote_code):
        assert trust_remote_code is False
        asked.append((repository, config, split, revision))
        return datasets.Dataset.from_list([NATIVE["gsm8k"], NATIVE["gsm8k"]])

    monkeypatch.setattr(hub.HfApi, "dataset_info", lambda self, name, revision: Info)
    monkeypatch.setattr(datasets, "load_dataset", load)
    samples = list(hub_samples("gsm8k", "test"))
    assert asked == [("openai/gsm8k", "main", "test", commit)]
    assert [sample.reference.meta["revision"] for sample in samples] == [commit] * 2
    assert [sample.task.id for sample in samples] == ["gsm8k/test/0", "gsm8k/test/1"]
    assert next(hub_samples("gsm8k", "test", "cd" * 20)).reference.meta["revision"] == "cd" * 20


@pytest.fixture
def hub(monkeypatch):
    """A hub whose splits hold these rows, by repository, configuration and split."""
    client, datasets = pytest.importorskip("huggingface_hub"), pytest.importorskip("datasets")
    rows = {}

    class Info:
        sha = "ab" * 20

    monkeypatch.setattr(client.HfApi, "dataset_info", lambda self, name, revision: Info)
    monkeypatch.setattr(
        datasets, "load_dataset", lambda repository, config, split, **_: rows[repository, config, split]
    )
    return rows


@pytest.mark.parametrize(
    ("name", "question"), [("gsm8k", "question"), ("mathqa", "Problem"), ("nq_open", "question"), ("apps", "question")]
)
def test_no_two_splits_share_an_id_where_rows_have_none_of_their_own(hub, name, question):
    for source in SOURCES[name].values():
        row = NATIVE[name] | {question: f"Of {source.split}?"}
        hub[source.repository, source.configs[0] or None, source.split] = [row, row | {question: "Another?"}]
    parts = {split: [next(iter(load_samples(name, split)))] for split in SOURCES[name]}
    check_disjoint(parts)
    assert {split: rows[0].task.id for split, rows in parts.items()} == {split: f"{name}/{split}/0" for split in parts}


def test_each_question_of_triviaqa_is_one_row(hub):
    """`rc.nocontext` repeats a question for each source of evidence; `unfiltered.nocontext` has each once."""
    repository = SOURCES["triviaqa"]["train"].repository
    hub[repository, "rc.nocontext", "train"] = [NATIVE["triviaqa"]] * 2
    hub[repository, "unfiltered.nocontext", "train"] = [NATIVE["triviaqa"]]
    assert [sample.task.id for sample in load_samples("triviaqa", "train")] == ["triviaqa/tc_1"]
