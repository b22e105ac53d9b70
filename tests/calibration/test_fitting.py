"""Counting what operators are worth: rates with intervals, and a profile from single observations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.backends.simulated_profiles import look_up
from flowsteer.calibration.counted_steps import CountedStep, distinct, observed
from flowsteer.calibration.fitting import fit
from flowsteer.calibration.rates import Rate
from flowsteer.draft import Draft, Verdict
from flowsteer.operators.registry import load_library
from flowsteer.runs.events import NodeRan
from flowsteer.runs.failure import Failure
from flowsteer.usage import Usage

GOOD, BAD = "good", "bad"
LIBRARY = load_library("paper")


def right(task, answer):
    return answer == GOOD


def seen(operator, category, before="", after=GOOD, **more):
    plain = {"task": "t", "type": "math", "operator": operator, "category": category, "before": before, "after": after}
    rest = {
        "passed": None,
        "faulty": False,
        "planned": False,
        "candidates": (),
        "calls": 1,
        "tokens": 10,
        "seconds": 1.0,
    }
    return CountedStep(**plain | rest | {"failed": False, "asked": ()} | more)


def solved(operator, outcomes, **more):
    """Attempts of a solver on tasks 0, 1, …"""
    return [seen(operator, "solving", after=GOOD if so else BAD, task=str(n), **more) for n, so in enumerate(outcomes)]


def ran(operator, wrote, failure=None):
    return NodeRan(0, "n", operator, (), False, wrote, failure, "b", Usage(1, 5, 7), 0, 1.0)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1))
def test_a_rate_lies_between_what_was_counted_and_the_guess_and_within_its_interval(hits, misses, guess):
    rate = Rate(hits, hits + misses)
    low, high = rate.interval()
    if rate.count:
        share = hits / rate.count
        assert min(share, guess) - 1e-9 <= rate.value(guess) <= max(share, guess) + 1e-9
        assert low <= share <= high
    assert 0 <= low <= high <= 1


def test_more_observations_narrow_the_interval():
    few, many = Rate(2, 4).interval(), Rate(200, 400).interval()
    assert many[1] - many[0] < (few[1] - few[0]) / 5


def test_solvers_get_the_skill_that_was_counted():
    found = fit("x", solved("Programmer", [True] * 30 + [False] * 10), right).profile
    assert look_up(found.skill, "Programmer", "solving", "math") == pytest.approx(0.75, abs=0.03)
    assert look_up(found.skill, "Decompose", "solving", "math") == pytest.approx(0.75, abs=0.05)


def test_a_solver_behind_a_plan_has_a_skill_of_its_own():
    attempts = solved("Programmer", [True] * 20) + solved("Programmer", [False] * 20, planned=True)
    found = fit("x", attempts, right).profile
    assert found.skill["Programmer"]["math"] > 0.9
    assert found.planned["Programmer"]["math"] < 0.1


def test_checks_are_counted_by_what_they_were_given():
    faults = [seen("Verify", "verification", BAD, BAD, passed=so) for so in (False, False, False, True)]
    alarms = [seen("Verify", "verification", GOOD, GOOD, passed=so) for so in (True, True, True, False)]
    rates = fit("x", [*faults, *alarms], right).rates
    assert rates["power"]["Verify"]["math"] == Rate(3, 4)
    assert rates["false_alarm"]["Verify"]["math"] == Rate(1, 4)


def test_a_check_that_failed_as_a_step_found_nothing():
    found = fit("x", [seen("Verify", "verification", BAD, BAD, passed=None, failed=True)], right)
    assert found.rates["power"]["Verify"]["math"] == Rate(0, 1)


def test_repairs_are_told_from_harm():
    repairs = [seen("Revise", "revision", BAD, after, faulty=True) for after in (GOOD, BAD)]
    harm = [seen("Revise", "revision", GOOD, after, faulty=True) for after in (GOOD, GOOD, BAD)]
    rates = fit("x", [*repairs, *harm], right).rates
    assert rates["mending"]["Revise"]["math"] == Rate(1, 2)
    assert rates["harm"]["Revise"]["math"] == Rate(1, 3)
    assert "Revise" not in rates["skill"]


def test_a_test_that_mended_the_code_itself_saw_the_fault():
    rates = fit("x", [seen("Test", "verification", BAD, GOOD, passed=True, type="code")], right).rates
    assert rates["power"]["Test"]["code"] == rates["mending"]["Test"]["code"] == Rate(1, 1)


@pytest.mark.parametrize(("other", "low", "high"), [([True, False] * 10, 0.9, 1.0), ([False, True] * 10, 0.0, 0.1)])
def test_solvers_that_err_on_the_same_tasks_are_alike(other, low, high):
    found = fit("x", solved("Custom", [True, False] * 10) + solved("Programmer", other), right).profile
    assert low <= found.common <= high


def test_a_chain_says_what_came_into_each_step():
    steps = [
        ran("Custom", Draft(answer=BAD)),
        ran("Verify", Draft(verdict=Verdict(False, "no"))),
        ran("Revise", Draft(answer=GOOD)),
        ran("Format", Draft(), Failure("bad_reply", "no")),
    ]
    custom, verify, revise, form = observed("t", "math", steps, LIBRARY)
    assert (custom.before, custom.after, verify.passed) == ("", BAD, False)
    assert (revise.before, revise.after, revise.faulty) == (BAD, GOOD, True)
    assert (form.before, form.after, form.failed) == (GOOD, GOOD, True)


def test_branches_start_from_nothing_and_their_answers_are_candidates():
    steps = [
        ran("Custom", Draft(answer="1")),
        ran("Programmer", Draft(answer="2")),
        ran("ScEnsemble", Draft(answer="2")),
    ]
    _, second, chosen = observed("t", "math", steps, LIBRARY)
    assert second.before == ""
    assert chosen.candidates == ("1", "2")


def test_the_same_call_is_observed_once():
    one, other = seen("Custom", "solving", asked=("k",)), seen("Custom", "solving", asked=("other",))
    assert len(distinct([one, one, other])) == 2
