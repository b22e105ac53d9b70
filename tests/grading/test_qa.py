"""EM and F1 of the SQuAD 2.0 script, on cases computed by hand."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.grading.qa import grade_qa, token_f1, tokens, triviaqa_tokens


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
    assert grade_qa([""], "Unanswerable.", dataset="squad_v2").metrics == {"em": 1.0, "f1": 1.0}
    assert grade_qa([""], "no answer", dataset="squad_v2").score == 1.0
    assert grade_qa(["Paris"], "unanswerable", dataset="squad_v2").score == 0.0
    assert grade_qa([""], "it is unanswerable to me", dataset="squad_v2").score == 0.0
    assert grade_qa([""], "unanswerable").score == 0.0


def test_squad_leaves_aside_references_that_normalise_to_nothing():
    assert grade_qa(["the", "Paris"], "", dataset="squad_v2").score == 0.0
    assert grade_qa(["the"], "", dataset="squad_v2").score == 1.0


@pytest.mark.parametrize(
    ("gold", "answer", "em", "f1"),
    [
        ("yes", "yes, it is", 0, 0),
        ("Yes Minister", "yes", 0, 0),
        ("no", "No.", 1, 1),
        ("no", "yes", 0, 0),
        ("noanswer", "no", 0, 0),
        ("Eiffel Tower", "the tower", 0, 2 / 3),
    ],
)
def test_hotpotqa_gives_yes_and_no_all_or_nothing(gold, answer, em, f1):
    assert grade_qa([gold], answer, "hotpotqa").metrics == {"em": em, "f1": pytest.approx(f1)}


@pytest.mark.parametrize("answer", ["", "the", "A!"])
@pytest.mark.parametrize("dataset", ["hotpotqa", "triviaqa"])
def test_where_nothing_is_left_of_an_answer_hotpotqa_and_triviaqa_find_no_words_in_common(dataset, answer):
    metrics = grade_qa(["The The"], answer, dataset).metrics
    assert {value for name, value in metrics.items() if name.endswith("f1")} == {0.0}
    assert {value for name, value in metrics.items() if name.endswith("em")} == {1.0}
    assert grade_qa(["The The"], answer).score == 1.0


def test_triviaqa_reports_its_own_normalisation_beside_squads():
    metrics = grade_qa(["state-of-the-art"], "state of the art", "triviaqa").metrics
    assert metrics == {"em": 0.0, "f1": 0.0, "triviaqa_em": 1.0, "triviaqa_f1": 1.0}
    assert triviaqa_tokens("Hergé’s “Tintin_in America”") == ["hergé", "s", "“tintin", "in", "america”"]


def test_thinking_is_no_part_of_an_answer_and_alone_it_is_none():
    assert grade_qa(["Paris"], "<think>Paris or Lyon?</think>Paris").score == 1.0
    assert grade_qa(["Paris"], "<think>Paris").score == 0.0
    assert grade_qa([""], "<think>Is it unanswerable?", "squad_v2").score == 0.0
    assert grade_qa([""], "", "squad_v2").score == 1.0


words = st.text(alphabet=string.ascii_letters + " .,'", max_size=40)


def f1(one, other):
    return token_f1(tokens(one), tokens(other))


@given(words, words)
def test_f1_is_symmetric_and_within_bounds(one, other):
    assert f1(one, other) == pytest.approx(f1(other, one))
    assert 0.0 <= f1(one, other) <= 1.0
    assert (f1(one, other) == 1.0) == (sorted(tokens(one)) == sorted(tokens(other)))


@given(st.lists(words, min_size=1, max_size=4), words)
def test_more_references_never_lower_the_score(accepted, answer):
    assert grade_qa(accepted, answer).score >= grade_qa(accepted[:1], answer).score
