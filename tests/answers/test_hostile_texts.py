"""Whatever a model writes is read in linear time."""

import pytest

from flowsteer.answers.agreement import normalised, same_answer
from flowsteer.answers.boxed import last_boxed
from flowsteer.answers.code import MAX_CHARS, extract_code, inserted_code, solution_code
from flowsteer.answers.extract import final_answer, tidy, without_emphasis
from flowsteer.answers.no_answer import is_no_answer
from flowsteer.answers.numbers import read_number, without_unit
from flowsteer.answers.short_form import has_form, still_says
from flowsteer.answers.spelling import plain, spelling
from flowsteer.answers.thinking import without_thinking
from flowsteer.answers.value import math_value, unwrap
from flowsteer.grading.code_compare import close_output, same_output
from flowsteer.grading.code_spelling import from_code
from flowsteer.grading.math import chosen_letter, grade_integer
from flowsteer.grading.qa import grade_qa
from flowsteer.grading.relations import aligned, brackets, in_base
from flowsteer.task import Task
from quickest import quickest

NAMED = ["\n", "{", "\\boxed{", "<", ". ", '"\n#']
OTHERS = [
    "<answer>",
    "<think>",
    "**",
    "*a",
    "_",
    "answer: ",
    "answer is ",
    "answer to ",
    "#### ",
    " ",
    "`",
    "$",
    "\\boxed ",
]
OTHERS += [
    "}",
    "{}",
    "\\begin{",
    '"',
    "answer:\n",
    "x.",
    "a ",
    "is ",
    "1 is = ",
    "and ",
    "=",
    "1,",
    "( a.",
    "<<",
    "$a",
    "4/",
]
SECONDS = 0.5
"""For up to three million characters, a share of which a quiet machine needs; what is quadratic needs hours."""


CODE = ["\n", "{", "<", '"\n#', "```\n", "~~~\n", "</think>", "@a\n", "a\nx=1\n", "if x:\n", "x=", "print(\n", '"""']


@pytest.mark.parametrize("read", [lambda text: solution_code(text, Task("?", "code")), inserted_code])
@pytest.mark.parametrize("piece", CODE)
def test_the_longest_text_that_may_hold_code_is_read_in_linear_time(read, piece):
    text = piece * (MAX_CHARS // len(piece))
    assert quickest(lambda: read(text), enough=2) < 2


@pytest.mark.parametrize("read", [final_answer, math_value, tidy, without_thinking, normalised])
@pytest.mark.parametrize("piece", NAMED + OTHERS)
def test_two_hundred_thousand_pieces_are_read_in_linear_time(read, piece):
    text = piece * 200_000
    assert quickest(lambda: read(text), enough=SECONDS) < SECONDS


def read_plain(text):
    formula = plain(text)
    spelling(formula), from_code(formula), read_number(formula, variables=True), without_unit(formula)
    aligned("5", formula), aligned("x=5", formula), in_base(formula), brackets(formula)


def read_code(text):
    solution_code(text, Task("?", "code")), inserted_code(text), extract_code(text)
    same_output(text, "1"), close_output(text, "1.5")


def read_words(text):
    tidy(text), unwrap(text), without_emphasis(text), last_boxed(text), without_thinking(text)
    is_no_answer(text, "a number"), still_says(text, f"{text}1", Task("?", "math"), "a number")
    has_form(text, Task("?", "qa"), "a few words"), grade_qa([text], f"the {text}", "triviaqa")


def read_formula(text):
    grade_integer("70", text), has_form(text[:100], Task("?", "math"), "a number")
    same_answer(text, f"{text}x"), same_answer(text[:200], text[:199])


PIECES = "a+|1+|(|^(|{|[|\\frac|\\frac{|\\text{|\\sqrt|sqrt(|\\boxed{|\\boxed |  |\n|answer is |answer: |option |7|1,"
PIECES += "|1/|1.1|-1|−|$|$a|'|\"|`|**|*a|_|^|=|1 is = |x.|( a.|<<|<answer>|and |(A) |the |! |½|²|..."
AROUND = [("Answer: 2", ", the sum of the primes"), ("It is 1", " in all, I think")]
SIZES = (500, 2000)
ENOUGH = 0.01
"""Seconds that nothing linear needs for the longer text; what is quadratic needs several times as long."""


@pytest.mark.parametrize("read", [read_plain, read_code, read_words, read_formula, final_answer, chosen_letter])
def test_four_times_as_long_a_text_takes_about_four_times_as_long_to_read(read):
    for piece in PIECES.split("|"):
        for before, behind in AROUND:
            short, long = (f"{before}{piece * (size // len(piece))}{behind}" for size in SIZES)
            taken = quickest(lambda text=long: read(text), enough=ENOUGH)
            assert taken < ENOUGH or taken < 8 * quickest(lambda text=short: read(text), enough=0), (piece, before)
