"""Whatever an answer says, the grader says right or wrong of it, in bounded time: no answer breaks a grader."""

import asyncio
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.datasets.base import Reference, Sample
from flowsteer.grading.grade import Grader
from flowsteer.task import Task

PIECES = (
    r"\boxed{", "}", "{", r"\frac{1}{2}", r"\sqrt", "^", "_", "^{99", "9" * 60, "1e9999", "0.", "(", ")", "[", "]",
    ",", "/", "Answer: ", "#### ", "**", "$", r"\(", "<think>", "</think>", "<answer>", "```", "{1: 2, ", "!", "\n",
    "range(10**9)", "½", "∞", "\u202e", "\x00", "x**", "Union(", "lambda: ", r"\begin{pmatrix}", "&", r"\\", "=",
    "≤", " and ", "km/h",
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
SECONDS = 15.0
"""Longest time for one answer: a comparison's own limit of 10 seconds, and a busy machine."""

SAMPLES = {
    "math": Sample(Task("What?", "math", dataset="math"), Reference(answers=(r"\frac{1}{2}",))),
    "gsm8k": Sample(Task("What?", "math", dataset="gsm8k"), Reference(answers=("18",))),
    "aime": Sample(Task("What?", "math", dataset="aime2025"), Reference(answers=("204",))),
    "qa": Sample(Task("Who?", "qa", dataset="squad_v2"), Reference(answers=("the Eiffel Tower",))),
    "hotpotqa": Sample(Task("Is it?", "qa", dataset="hotpotqa"), Reference(answers=("yes",))),
    "triviaqa": Sample(Task("Who?", "qa", dataset="triviaqa"), Reference(answers=("N.Y.C.", "New York"))),
}


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def grader(runner):
    grader = Grader()
    yield grader
    runner.run(grader.aclose())


@pytest.mark.parametrize("kind", SAMPLES)
@given(answer=TEXTS)
def test_any_answer_is_right_or_wrong(runner, grader, kind, answer):
    started = perf_counter()
    grade = runner.run(grader.grade(SAMPLES[kind], answer))
    assert grade.failure is None, grade.failure.trace
    assert grade.score is not None, grade.reason
    assert perf_counter() - started < SECONDS
