"""Reading the short answer off a text, and telling when two answers agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.answers.agreement import as_number, normalised, same_answer
from flowsteer.answers.extract import final_answer, marked_answer, tidy
from flowsteer.answers.thinking import without_thinking
from flowsteer.answers.value import math_value


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("6 * 7 = 42\nAnswer: 42", "42"),
        ("**Answer:** 42.", "42"),
        ("**Answer**: 42", "42"),
        ("### Final Answer: Paris", "Paris"),
        ("So the final answer is $\\frac{1}{2}$.", "\\frac{1}{2}"),
        ("Therefore, the answer is: B", "B"),
        ("steps\n#### 18", "18"),
        ("Answer:\n\n  The Nile", "The Nile"),
        ("Answer: 1\nNo wait.\nAnswer: 2", "2"),
        ("it is \\boxed{\\frac{a}{b^{2}}} indeed", "\\frac{a}{b^{2}}"),
        ("Answer: \\boxed{7}", "7"),
        ("The answer is: Answer: blue", "blue"),
        ("<answer>blue</answer> and that is that", "blue"),
        ("<think>Answer: 1</think>Answer: 2", "2"),
        ("Answer: $1,200", "$1,200"),
        ("Answer: U.S.A.", "U.S.A."),
        ("My choice is (C)", "(C)"),
        ("So the correct option: (B)", "(B)"),
        ("**Option**: B", "B"),
        ("Answer: let me see.\nThis gives the answer: 42.", "42"),
        ("The answer is the sum of both.\nThis gives the answer: 42", "42"),
        ("My answer is: 41. No.\nSo the final answer: 42", "42"),
        ("My answer is: **12**\n\nLet me double check the option: 3*4=12.", "12"),
        ("My answer is: **12**\n\nLet me double check the answer: 3*4=12.", "12"),
        ("The other answer is 6, but the answer is 7.", "7"),
    ],
)
def test_marked_answers_are_found_wherever_models_put_them(text, answer):
    assert marked_answer(text) == answer


@pytest.mark.parametrize("text", ["", "I do not know.", "The answers differ.", "\\boxed{unclosed", "<think>Answer: 1"])
def test_a_text_without_a_mark_has_no_marked_answer(text):
    assert marked_answer(text) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Her first choice was Oxford, but it was full.\nSo she studied at Cambridge.", "So she studied at Cambridge"),
        ("One option is to sell 3 apples.\nShe has 10, so she keeps 7.", "She has 10, so she keeps 7"),
        ("The wrong answer was Rome.\nIt is Paris.", "It is Paris"),
        ("No answer is given in the text.\nUnanswerable.", "Unanswerable"),
        ("An answer of 12 is too big.\nSo 11.", "So 11"),
    ],
)
def test_prose_on_answers_and_options_marks_none(text, answer):
    assert marked_answer(text) is None
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The final temperature is −5 degrees Celsius.", "-5"),
        ("The total is \N{EN DASH}7 dollars.", "-7"),
        ("Answer: \N{NON-BREAKING HYPHEN}3", "-3"),
        ("Answer: 3\N{EN DASH}5", "3\N{EN DASH}5"),
        ("\\boxed{n!}", "n!"),
        ("The answer is n!", "n!"),
        ("So it is Paris!", "Paris"),
        (
            "Answer: 2+3+5+7+11+13+17+19+23+29+…+71, the sum of the primes",
            "2+3+5+7+11+13+17+19+23+29+…+71, the sum of the primes",
        ),
        ("y + mx for all real x", "y + mx"),
        ("\\frac{1}{2} of the pie", "\\frac{1}{2}"),
        ("well-known for its eggs", "well-known for its eggs"),
    ],
)
def test_the_value_keeps_its_signs(text, value):
    assert math_value(text) == value


def test_without_a_mark_the_last_sentence_is_the_answer():
    assert final_answer("First this. Then that.\n\nIt was 3.5 km. So Rome won!") == "So Rome won!"
    assert final_answer("") == ""
    assert final_answer("<think>nothing else") == ""


def test_thinking_is_removed_also_where_the_template_opened_it():
    assert without_thinking("a <b> is less</think> 4") == "4"
    assert without_thinking("4 <think>and then") == "4"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1/2", "0.5", True),
        ("\\frac{1}{2}", "0.50", True),
        ("-\\frac{1}{2}", "-1/2", True),
        ("1,000", "1000.0", True),
        ("$18", "18", True),
        ("1/2", "12", False),
        ("18", "18.18", False),
        ("The Beatles", "beatles", True),
        ("(A)", "a", True),
        ("a", "A.", True),
        ("50%", "50", None),
        ("New York", "New York City", None),
        ("x+1", "1+x", None),
        ("1\\frac{1}{2}", "3/2", True),
        ("1\\frac{1}{2}", "11/2", False),
        ("0.3333333333333333", "1/3", True),
        ("0.33", "1/3", False),
        ("−½", "-0.5", True),
        ("[0,1)", "(0,1]", None),
        ("(0, pi)", "[0, pi]", None),
        ("(5, x)", "[5, x]", None),
        ("[Paris]", "Paris", True),
        ("5!", "5", None),
        ("n!", "n", None),
        ("Paris!", "paris", True),
        ("f'", "f", None),
        ("“Paris”", "Paris", True),
        ("10⁵", "105", None),
        ("x²", "x2", None),
        ("a + b", "+ b", None),
        ("5€", "$5", None),
        ("12 m", "12", None),
    ],
)
def test_agreement(one, other, same):
    assert same_answer(one, other) is same
    assert same_answer(other, one) is same


def test_no_number_is_made_of_what_is_none():
    assert as_number("1/0") is None
    assert as_number("1,2,3") is None
    assert as_number("3 eggs") is None
    assert as_number("") is None


@given(st.integers(-(10**12), 10**12))
def test_an_integer_agrees_with_all_its_spellings(number):
    assert same_answer(str(number), f"{number:,}") is True
    assert same_answer(str(number), f"{number}.0") is True
    assert same_answer(str(number), f"${number}$") is True
    assert same_answer(str(number), str(number + 1)) is False


@given(st.text(max_size=40))
def test_normalising_and_tidying_are_stable(text):
    assert tidy(tidy(text)) == tidy(text)
    assert same_answer(text, text) is True
    assert isinstance(normalised(text), str)


@given(st.text(alphabet="abc123/., $\\{}", max_size=20))
def test_an_announced_answer_survives_the_way_back(answer):
    expected = tidy(answer.strip(" \t*_"))
    if expected.strip("."):  # Dots alone stand for an answer that was not written.
        assert marked_answer(f"Some work.\nAnswer: {answer}") == expected
