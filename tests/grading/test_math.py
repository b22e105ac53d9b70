"""Math is right when equal in value: a table of pairs, the extraction, AIME, options, and what never ends."""

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from math_pairs import RIGHT, WRONG

from flowsteer.answers.numbers import read_number
from flowsteer.answers.spelling import plain
from flowsteer.answers.value import math_value
from flowsteer.errors import GraderError
from flowsteer.grading.math import grade_integer, grade_math, grade_option
from flowsteer.grading.math_process import MathWorkers


@pytest.fixture
async def workers():
    pool = MathWorkers(seconds=20)
    yield pool
    await pool.aclose()


async def faults(pairs, wanted, workers):
    """Pairs that do not get the verdict they must get."""
    found = []
    for gold, answer in pairs:
        grade = await grade_math(gold, answer, workers)
        if grade.score != wanted:
            found.append((gold, answer, grade))
    return found


async def test_equal_values_are_right(workers):
    assert await faults(RIGHT, 1.0, workers) == []


async def test_other_values_are_wrong(workers):
    assert await faults(WRONG, 0.0, workers) == []


def test_the_table_is_large_enough_and_has_no_pair_twice():
    assert len(set(RIGHT)) == len(RIGHT) >= 80
    assert len(set(WRONG)) == len(WRONG) >= 60
    assert not set(RIGHT) & set(WRONG)


NASTY = ["(", "{", "\\boxed{", "a ", "is ", "1 is = ", "and ", "1,", "1/", "$", "\\frac", "answer: ", "<<", " ", "\n"]


@pytest.mark.parametrize("piece", NASTY)
def test_extraction_takes_linear_time_on_whatever_a_model_writes(piece):
    text = piece * (40_000 // len(piece)) + "x"
    start = time.process_time()
    read_number(plain(math_value(text)))
    grade_integer("70", text)
    assert time.process_time() - start < 2


@given(st.text(alphabet="0123456789.,/ -+%$\\{}()[]=^_abxyzisANSWER:\n", max_size=60))
def test_extraction_raises_on_nothing(text):
    read_number(plain(math_value(text)))
    assert grade_integer("123456789", text).score in (0.0, 1.0)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("70", 1.0),
        ("070", 1.0),
        (r"\boxed{70}", 1.0),
        ("n = 70", 1.0),
        ("70.0", 1.0),
        ("The answer is 70.", 1.0),
        ("71", 0.0),
        ("69.99", 0.0),
        ("70.4", 0.0),
        ("7", 0.0),
        ("700", 0.0),
        ("-70", 0.0),
        ("69 or 70", 0.0),
        ("seventy", 0.0),
        ("", 0.0),
    ],
)
def test_aime_takes_the_very_integer(answer, score):
    assert grade_integer("70", answer).score == score


OPTIONS = {"a": "rs . 400", "b": "1 / 3", "c": "b / 2", "d": "22 1 / 2 days", "e": "none of these", "f": "5 p . m ."}


@pytest.mark.parametrize(
    ("gold", "answer", "score"),
    [
        ("a", "a", 1.0),
        ("a", "A", 1.0),
        ("a", "(A)", 1.0),
        ("a", "a ) rs . 400", 1.0),
        ("a", "Option a", 1.0),
        ("a", r"\boxed{\text{A}}", 1.0),
        ("a", "The answer is (a).", 1.0),
        ("a", "400", 1.0),
        ("a", "Rs. 400", 1.0),
        ("b", r"\frac{1}{3}", 1.0),
        ("c", r"\frac{b}{2}", 1.0),
        ("d", "22.5 days", 1.0),
        ("e", "none of these", 1.0),
        ("f", "5 pm", 1.0),
        ("f", "5 a.m.", 0.0),
        ("a", "b", 0.0),
        ("a", "401", 0.0),
        ("b", "400", 0.0),
        ("b", "3", 0.0),
        ("c", "b", 0.0),
        ("e", "400", 0.0),
        ("a", "A is the correct answer.", 1.0),
        ("a", "Choose A", 1.0),
        ("a", "[A]", 1.0),
        ("a", "I would pick option (A)", 1.0),
        ("f", "Therefore, option f is correct.", 1.0),
        ("a", "Option A or B", 0.0),
        ("b", "The answer is A or B", 0.0),
        ("e", "e.g. this", 0.0),
        ("a", "Option A is wrong.", 0.0),
        ("a", "A train takes 5 hours.", 0.0),
        ("b", "(A) is too large, so (B)", 0.0),
        ("a", "a or b", 0.0),
        ("a", "", 0.0),
    ],
)
async def test_options_by_letter_or_value(gold, answer, score, workers):
    assert (await grade_option(gold, OPTIONS, answer, workers)).score == score


@pytest.mark.parametrize(
    ("answer", "score"), [("H", 1.0), ("The answer is (H).", 1.0), ("18", 1.0), ("(G)", 0.0), ("11", 0.0)]
)
async def test_letters_are_those_of_the_options(answer, score, workers):
    options = {letter: str(value) for value, letter in enumerate("abcdefghij", start=11)}
    assert (await grade_option("H", options, answer, workers)).score == score


async def test_without_values_only_letters_count(workers):
    assert (await grade_option("c", {}, "(C)", workers)).score == 1.0
    assert (await grade_option("c", {}, "42", workers)).score == 0.0


async def test_what_never_ends_is_killed_and_the_next_comparison_works():
    pool = MathWorkers(seconds=3, workers=1)
    await pool.equal("x", "x + 0")
    with pytest.raises(GraderError, match="did not end within 3 s"):
        await pool.equal(r"\sqrt{2}", "9^{9^{9^{9}}}")
    assert await pool.equal(r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}")
    await pool.aclose()


async def test_comparisons_run_at_once_and_keep_apart(workers):
    pairs = [(rf"{n}\sqrt{{2}}", rf"\sqrt{{{2 * n * n}}}") for n in range(2, 8)]
    assert await asyncio.gather(*(workers.equal(*pair) for pair in pairs)) == [True] * 6
    assert not any(await asyncio.gather(*(workers.equal(gold, rf"{gold}+1") for gold, _ in pairs)))


async def test_a_gold_that_is_no_mathematics_is_unscorable(workers):
    with pytest.raises(GraderError, match="gold"):
        await workers.equal("}{", "x")


async def test_the_worker_sees_none_of_our_environment(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    pool = MathWorkers(workers=1)
    await pool.equal("x", "x")
    (worker,) = pool._all
    assert "s3cret" not in await asyncio.to_thread(Path(f"/proc/{worker.pid}/environ").read_text)
    await pool.aclose()
    assert worker.returncode is not None
