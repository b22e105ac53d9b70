"""EM and F1 of the SQuAD 2.0 script, on cases computed by hand."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.grading.qa import f1, grade_qa, tokens


@pytest.mark.parametrize(
    ("accepted", "answer", "em", "f1"),
    [
        (["Paris"], "Paris", 1, 1),
        (["Paris"], "paris.", 1, 1),
        (["the Eiffel Tower"], "Eiffel Tower", 1, 1),
        (["Eiffel Tower"], "An Eiffel Tower!", 1, 1),
        (["Eiffel Tower"], "the tower", 0, 2 / 3),  # common 1, precision 1/1, recall 1/2
        (["Eiffel Tower"], "Eiffel Tower in Paris", 0, 2 / 3),  # common 2, precision 2/4, recall 2/2
        (["Paris"], "London", 0, 0),
        (["14 December 1972 UTC", "December 1972"], "december 1972", 1, 1),
        (["14 December 1972 UTC", "December 1972"], "14 December 1972", 0, 6 / 7),  # 3 of 3, 3 of 4
        (["New York City", "NYC"], "nyc", 1, 1),
        (["new new york"], "new york york", 0, 2 / 3),  # multiset: new 1, york 1 of 3 and 3
        (["a b c d"], "b b b b", 0, 2 / 7),  # "a" is an article: common 1, precision 1/4, recall 1/3
        (["711,988"], "711988", 1, 1),
        (["U.S."], "US", 1, 1),
        (["state-of-the-art"], "stateoftheart", 1, 1),
        (["Paris"], "", 0, 0),
        ([""], "", 1, 1),
        ([""], "Paris", 0, 0),
        (["yes"], "yes, it is", 0, 0.5),
        (["The"], "the", 1, 1),
    ],
)
def test_em_and_f1(accepted, answer, em, f1):
    grade = grade_qa(accepted, answer)
    assert grade.metrics["em"] == em
    assert grade.metrics["f1"] == pytest.approx(f1)
    assert grade.score == grade.metrics["f1"]


def test_no_answer_is_said_in_words_only_where_the_dataset_allows_it():
    assert grade_qa([""], "Unanswerable.", may_be_unanswerable=True).metrics == {"em": 1.0, "f1": 1.0}
    assert grade_qa([""], "no answer", may_be_unanswerable=True).score == 1.0
    assert grade_qa(["Paris"], "unanswerable", may_be_unanswerable=True).score == 0.0
    assert grade_qa([""], "it is unanswerable to me", may_be_unanswerable=True).score == 0.0
    assert grade_qa([""], "unanswerable").score == 0.0


def test_squad_leaves_aside_references_that_normalise_to_nothing():
    assert grade_qa(["the", "Paris"], "", may_be_unanswerable=True).score == 0.0
    assert grade_qa(["the"], "", may_be_unanswerable=True).score == 1.0


words = st.text(alphabet=string.ascii_letters + " .,'", max_size=40)


@given(words, words)
def test_f1_is_symmetric_and_within_bounds(one, other):
    assert f1(one, other) == pytest.approx(f1(other, one))
    assert 0.0 <= f1(one, other) <= 1.0
    assert (f1(one, other) == 1.0) == (sorted(tokens(one)) == sorted(tokens(other)))


@given(st.lists(words, min_size=1, max_size=4), words)
def test_more_references_never_lower_the_score(accepted, answer):
    assert grade_qa(accepted, answer).score >= grade_qa(accepted[:1], answer).score
