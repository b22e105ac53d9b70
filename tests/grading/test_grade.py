"""Which grader answers for which dataset, and that golds of real data grade as right."""

from pathlib import Path

import pytest

from flowsteer.backends.base import Features, Reply
from flowsteer.datasets.base import Reference, Sample
from flowsteer.datasets.local import read_samples
from flowsteer.datasets.registry import load_samples
from flowsteer.datasets.rows import sample_from_row
from flowsteer.grading.base import Grade
from flowsteer.grading.grade import Grader
from flowsteer.grading.validate import validate
from flowsteer.task import Task
from flowsteer.usage import NO_USAGE

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
GRADED_HERE = ("gsm8k", "math", "mathqa", "aime2025", "hotpotqa", "squad_v2", "nq_open", "triviaqa")


@pytest.fixture
async def grader():
    async with Grader() as one:
        yield one


def sample(kind, answer, dataset="", question="?", **more):
    return sample_from_row({"id": "1", "type": kind, "dataset": dataset, "question": question, "answer": answer} | more)


@pytest.mark.parametrize("name", GRADED_HERE)
async def test_every_gold_of_the_real_samples_is_right(name, grader):
    if not DATA.is_dir():
        pytest.skip("the folder with samples of the real datasets is not here")
    found = await validate(read_samples(DATA / f"{name}.jsonl"), grader.grade)
    assert found.n > 0
    assert found.correct == found.n, found.faults


@pytest.mark.parametrize("name", GRADED_HERE)
async def test_the_gold_of_another_row_is_mostly_wrong(name, grader):
    if not DATA.is_dir():
        pytest.skip("the folder with samples of the real datasets is not here")
    samples = list(read_samples(DATA / f"{name}.jsonl"))
    others = [one.reference.answers[0] for one in samples[1:]] + [samples[0].reference.answers[0]]
    scores = [(await grader.grade(one, other)).score for one, other in zip(samples, others, strict=True)]
    same = sum(one.reference.answers[0] == other for one, other in zip(samples, others, strict=True))
    assert None not in scores
    assert sum(score == 1.0 for score in scores) <= same + 2


async def test_mathqa_tells_all_options_apart(grader):
    if not DATA.is_dir():
        pytest.skip("the folder with samples of the real datasets is not here")
    for one in read_samples(DATA / "mathqa.jsonl"):
        gold = one.reference.answers[0]
        for letter, value in one.reference.options.items():
            assert (await grader.grade(one, letter)).score == float(letter == gold), (one.task.id, letter)
            assert (await grader.grade(one, value)).score == float(letter == gold), (one.task.id, value)


async def test_generated_datasets_grade_their_own_golds_right(grader):
    for name in ("simulated:math", "simulated:qa", "procedural"):
        found = await validate(load_samples(name, n=60), grader.grade)
        assert found.correct == found.n == 60, found.faults


async def test_dispatch_by_dataset(grader):
    assert (await grader.grade(sample("math", "70", "aime2025"), "140/2")).score == 0.0
    assert (await grader.grade(sample("math", "70", "gsm8k"), "140/2")).score == 1.0
    options = {"meta": {"options": {"a": "12", "b": "16"}}}
    assert (await grader.grade(sample("math", "b", "mathqa", **options), "16")).score == 1.0
    assert (await grader.grade(sample("qa", "", "squad_v2"), "unanswerable")).score == 1.0
    assert (await grader.grade(sample("qa", ["", "x"], "nq_open"), "unanswerable")).score == 0.0
    assert (await grader.grade(sample("math", ["3", "4"]), "4")).score == 1.0


async def test_procedural_answers_get_marks_but_only_full_ones_are_right(grader):
    (one,) = load_samples("procedural:word_sorting", n=1)
    right = one.reference.answers[0]
    worse = await grader.grade(one, ", ".join(reversed(right.split(", "))))
    assert (await grader.grade(one, right)).score == 1.0
    assert worse.score == 0.0
    assert 0.0 <= worse.metrics["verifier"] < 1.0
    (factors,) = load_samples("procedural:prime_factorization", n=1)
    assert (await grader.grade(factors, "no idea")).score == 0.0


async def test_without_reference_or_sandbox_nothing_is_scored(grader):
    empty = Sample(Task("?", "math"), Reference())
    code = Sample(Task("?", "code"), Reference(solution="x = 1"))
    assert (await grader.grade(empty, "1")) == Grade(None, {}, "the sample has no reference")
    assert (await grader.grade(code, "x = 1")).score is None
    found = await validate([empty, code, sample("math", "2")], grader.grade)
    assert (found.n, found.correct, found.wrong, found.unscorable, found.no_reference) == (3, 1, 0, 1, 1)


HOSTILE = [
    "9^{9^{9^{9}}}",
    "(" * 1000 + "x" + ")" * 1000,
    "9" * 5000,
    "answer: " * 2500,
    "{" * 1999,
    "\\sqrt" * 300,
    "1e999",
]


@pytest.mark.parametrize("answer", HOSTILE)
async def test_an_answer_that_cannot_be_compared_is_wrong_and_no_fault_of_the_task(answer):
    async with Grader(seconds=2) as short:
        for one in (sample("math", r"\sqrt{2}"), sample("math", "70", "aime2025"), sample("qa", "Paris")):
            assert (await short.grade(one, answer)).score == 0.0


async def test_a_gold_answer_that_cannot_be_compared_with_itself_is_unscorable_with_the_reason():
    async with Grader(seconds=2) as short:
        grade = await short.grade(sample("math", "9^{9^{9^{9}}}+x"), r"\sqrt{2}")
        broken = await short.grade(sample("math", "}{"), "x")
    assert grade.score is None or grade.score == 0.0
    assert broken.score is None
    assert "gold" in broken.reason


async def test_a_code_grader_can_be_plugged_in():
    async def grade_code(one, answer):
        return Grade(float(answer == one.reference.solution))

    async with Grader(code=grade_code) as with_code:
        code = Sample(Task("?", "code"), Reference(solution="x = 1"))
        assert (await with_code.grade(code, "x = 1")).score == 1.0


class Judge:
    """A backend that always says the same."""

    spec = "fake:judge"
    features = Features(json_schema=True)

    def __init__(self, says):
        self.says = says
        self.asked = []

    async def complete(self, request):
        self.asked.append(request)
        return Reply(self.says, NO_USAGE, "fake")

    async def aclose(self):
        pass


async def test_a_judge_is_a_metric_of_its_own_and_changes_no_score():
    judge = Judge('{"same": true}')
    async with Grader(judge=judge) as judged, Grader() as plain:
        one = sample("qa", "New York City", question="Which city?")
        with_judge, without = await judged.grade(one, "the Big Apple"), await plain.grade(one, "the Big Apple")
    assert with_judge.score == without.score == 0.0
    assert with_judge.metrics == {**without.metrics, "llm_judge": 1.0}
    assert "New York City" in judge.asked[0].messages[0].content
    assert judge.asked[0].origin is None


async def test_a_judge_that_talks_makes_the_answer_unscorable():
    async with Grader(judge=Judge("Well, yes!")) as judged:
        grade = await judged.grade(sample("qa", "x"), "x")
    assert grade.score is None
    assert "judge" in grade.reason


async def test_references_do_not_print_what_is_right():
    one = sample("qa", "the secret gold")
    assert "secret" not in repr(one)
    assert "secret" not in repr(one.task)
