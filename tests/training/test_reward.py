"""The reward reads what was executed, by category, and releases the answer only behind the gate (spec §6, §8)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas.instant import InstantLLM, InstantSandbox
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.grading.base import RIGHT, Grade, unscorable, wrong
from flowsteer.operators.base import operator
from flowsteer.operators.registry import Library, load_library
from flowsteer.task import Task
from flowsteer.training.rollout.reward import RewardSettings, diversity_terms, reward, shortcuts
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import steps
from strategies import CATEGORIES_BY_NAME, workflows

TASK = Task("What is 6 times 7?", "math")
FULL = "Plan -> Decompose -> Programmer -> Verify ? Revise : done -> Custom -> Format"
CATEGORIES = load_library().categories


async def executed(dsl, fails=(), broken=(), library=None):
    """A workflow and the ids that ran, for real; `broken` operators fail."""
    library = library or load_library()

    async def fail(call):
        raise TimeoutError

    operators = {n: replace(o, run=fail) if n in broken else o for n, o in library.operators.items()}
    executor = Executor(Library("test", operators), InstantLLM(fails), InstantSandbox(), Memo(), {})
    workflow = parse_dsl(dsl)
    execution = await executor.run(workflow, TASK)
    return workflow, execution.succeeded


async def paid(dsl, grade=RIGHT, settings=None, **how):
    workflow, succeeded = await executed(dsl, **how)
    return reward(workflow, succeeded, CATEGORIES, grade, settings=settings or RewardSettings())


def parts(result):
    return {term.name for term in result.terms if term.value and term.name != "base"}


async def test_a_whole_skeleton_releases_the_answer():
    right, failed = await paid(FULL), await paid(FULL, wrong("no"))
    assert (right.value, right.diversity, right.gate_open) == (1.0, 1.0, True)
    assert (failed.value, failed.answer, failed.gate_open) == (0.0, 0.0, True)
    assert all(term.reason for term in right.terms)


async def test_one_step_with_the_right_answer_earns_nothing_for_it():
    result = await paid("Custom")
    assert (result.value, result.answer, parts(result)) == (-1.0, 1.0, set())
    assert "held back" in result.terms[-1].reason


async def test_padding_without_a_structure_keeps_the_answer_back():
    result = await paid("Plan -> Decompose -> Custom -> Programmer -> Review -> Format")
    assert (parts(result), result.value) == ({"verification", "formatting", "operators"}, pytest.approx(-0.4))


@pytest.mark.parametrize(
    "dsl", ["Custom -> (Review -> Revise) * 3", "[Custom, Programmer]", "Custom -> Review ? Revise : done"]
)
async def test_every_structure_is_recognised(dsl):
    assert "structure" in parts(await paid(dsl))


async def test_repeats_of_a_loop_earn_nothing():
    workflow, succeeded = await executed("Custom -> (Review -> Revise) * 5", fails=("Review",))
    assert len(succeeded) == 3
    assert "operators" not in parts(reward(workflow, succeeded, CATEGORIES, RIGHT))


async def test_a_branch_not_taken_earns_nothing():
    drawn = "Custom -> Verify ? (Revise -> Format -> Plan -> Decompose) : done"
    passed, failed = await paid(drawn), await paid(drawn, fails=("Verify",))
    assert parts(passed) == {"verification", "structure"}
    assert parts(failed) == {"verification", "structure", "formatting", "operators", "answer"}


async def test_failed_nodes_earn_nothing():
    result = await paid(FULL, broken=("Format",))
    assert parts(result) == {"verification", "structure"}


async def test_a_check_that_errors_is_no_conditional_and_no_verification():
    result = await paid("Custom -> Verify ? Revise : done", broken=("Verify",))
    assert parts(result) == set()


async def test_structures_in_which_nothing_ran_are_not_paid():
    broken = ("Custom", "Programmer")
    assert parts(await paid("[Custom, Programmer]", broken=broken)) == set()
    assert parts(await paid("(Custom -> Programmer) * 2", broken=broken)) == set()


async def test_a_structure_drawn_in_a_branch_not_taken_is_not_paid_for_itself():
    workflow, succeeded = await executed("Custom -> Verify ? [Custom, Plan] : done")
    structure = diversity_terms(workflow, succeeded, CATEGORIES)[3]
    assert "conditional" in structure.reason
    assert "parallel" not in structure.reason


async def test_a_plug_in_checker_counts_as_a_checker():
    @operator(category="verification", reads=("answer",), writes=("verdict",), name="Weigh")
    async def weigh(call):
        """Weigh it."""
        from flowsteer.draft import Draft, Verdict

        return Draft(verdict=Verdict(True, by="Weigh"))

    base = load_library()
    library = Library("mine", {**base.operators, "Weigh": weigh})
    workflow, succeeded = await executed("Custom -> Weigh ? Revise : done", library=library)
    assert "verification" in parts(reward(workflow, succeeded, library.categories, RIGHT))
    # The same name in a library where it is none: the category decides, never the word.
    other = {**library.categories, "Weigh": "planning"}
    assert "verification" not in parts(reward(workflow, succeeded, other, RIGHT))


async def test_an_answer_that_says_pass_is_not_a_pass():
    result = await paid(FULL, wrong("PASS was in the text"))
    assert result.value == 0.0


async def test_unscorable_is_no_reward_but_structure_alone_needs_no_answer():
    lost = unscorable("the grader timed out")
    for variant in ("cwrpo", "additive", "answer"):
        assert (await paid(FULL, lost, RewardSettings(variant))).value is None
    result = await paid(FULL, lost, RewardSettings("structure"))
    assert (result.value, result.answer) == (0.0, None)


@pytest.mark.parametrize(
    ("variant", "one_step", "full"),
    [("cwrpo", -1.0, 1.0), ("additive", 0.0, 1.0), ("answer", 0.0, 0.0), ("structure", -1.0, 0.0)],
)
async def test_variants(variant, one_step, full):
    assert (await paid("Custom", settings=RewardSettings(variant))).value == one_step
    assert (await paid(FULL, settings=RewardSettings(variant))).value == full


async def test_finish_and_tokens_are_additions_and_off_by_default():
    workflow, succeeded = await executed(FULL)
    plain = reward(workflow, succeeded, CATEGORIES, RIGHT, finished=True, sampled_tokens=500)
    assert {term.name for term in plain.terms} == {
        "base",
        "verification",
        "formatting",
        "operators",
        "structure",
        "answer",
    }
    settings = RewardSettings(finish=0.2, token_cost=0.1)
    done = reward(workflow, succeeded, CATEGORIES, RIGHT, True, 500, settings)
    left = reward(workflow, succeeded, CATEGORIES, RIGHT, False, 500, settings)
    assert done.value == pytest.approx(1.0 + 0.2 - 0.05)
    assert left.value == pytest.approx(1.0 - 0.05)


@st.composite
def run_workflows(draw):
    """A workflow and any part of its steps as those that ran."""
    workflow = draw(workflows())
    ids = [step.id for step in steps(workflow.nodes)]
    return workflow, frozenset(draw(st.sets(st.sampled_from(ids))) if ids else ())


@given(run_workflows(), st.floats(0, 1), st.sampled_from(("cwrpo", "additive", "answer", "structure")))
def test_r_lies_between_minus_one_and_one_and_is_the_sum_of_its_terms(case, score, variant):
    result = reward(*case, CATEGORIES_BY_NAME, Grade(score), settings=RewardSettings(variant))
    assert -1 <= result.value <= 1
    assert result.value == pytest.approx(sum(term.value for term in result.terms))
    assert result.diversity in (0, 0.2, 0.4, 0.6, 0.8, 1)
    assert result.paper == reward(*case, CATEGORIES_BY_NAME, Grade(score)).value


@given(run_workflows(), st.floats(0.01, 1))
def test_the_gate(case, score):
    """R > 0 only behind an open gate; an open gate never pays less than a closed one; the answer counts only there."""
    result = reward(*case, CATEGORIES_BY_NAME, Grade(score))
    nothing = reward(*case, CATEGORIES_BY_NAME, Grade(0.0))
    assert (result.value > 0) == result.gate_open
    assert (result.value - nothing.value) == (score if result.gate_open else 0)
    assert result.gate_open == (result.diversity == 1)


@given(run_workflows())
def test_what_did_not_run_changes_nothing(case):
    """More that ran never earns less, and ids that are not in the workflow count for nothing."""
    workflow, succeeded = case
    some = reward(workflow, succeeded, CATEGORIES_BY_NAME, Grade(0.0)).value
    everything = frozenset(step.id for step in steps(workflow.nodes))
    assert some <= reward(workflow, everything, CATEGORIES_BY_NAME, Grade(0.0)).value
    assert some == reward(workflow, succeeded | {"node_99999"}, CATEGORIES_BY_NAME, Grade(0.0)).value


async def test_shortcuts():
    async def of(dsl):
        return shortcuts(*await executed(dsl))

    assert (await of("Custom")).one_step
    assert (await of("Plan -> Decompose -> Custom -> Programmer -> Review -> Format")).padded
    assert not (await of(FULL)).padded
    assert (await of("Custom -> Custom -> Review -> Review")).repeated
    assert not (await of(FULL)).repeated
