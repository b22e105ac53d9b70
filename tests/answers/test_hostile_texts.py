"""Whatever a model writes is read in linear time."""

import pytest

from flowsteer.answers.agreement import normalised
from flowsteer.answers.code import MAX_CHARS, inserted_code, solution_code
from flowsteer.answers.extract import final_answer, tidy
from flowsteer.answers.thinking import without_thinking
from flowsteer.answers.value import math_value
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
