"""The reward reads what was executed, by category, and releases the answer only behind the gate (spec §6, §8)."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas.instant import InstantLLM, InstantSandbox
from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.grading.base import RIGHT, Grade, unscorable, wrong
from flowsteer.operators.base import operator
from flowsteer.operators.registry import Library, load_library
from flowsteer.reward.additions import Course
from flowsteer.reward.diversity import diversity_terms
from flowsteer.reward.reward import reward
from flowsteer.reward.settings import RewardSettings
from flowsteer.task import Task
from flowsteer.training.rollout.shortcuts import shortcuts
from flowsteer.usage import NO_USAGE, Usage
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Conditional, Step, steps, walk
from strategies import CATEGORIES_BY_NAME, workflows

TASK = Task("What is 6 times 7?", "math")
FULL = "Plan -> Decompose -> Programmer -> Verify ? Revise : done -> Custom -> Format"
CATEGORIES = load_library().categories


class Dear(SimulatedBackend):
    """A simulated executor that has its price."""

    async def complete(self, request):
        reply = await super().complete(request)
        return replace(reply, usage=replace(reply.usage, cost=reply.usage.tokens / 3))


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


async def paid(dsl, grade=RIGHT, asked=None, **how):
    workflow, succeeded = await executed(dsl, **how)
    return reward(workflow, succeeded, CATEGORIES, grade, settings=asked or RewardSettings())


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


async def test_unscorable_is_no_reward_behind_a_closed_gate_either():
    result = await paid("Custom", unscorable("the grader timed out"))
    assert (result.gate_open, result.value, result.paper) == (False, None, None)


@pytest.mark.parametrize(
    ("variant", "one_step", "full"),
    [("cwrpo", -1.0, 1.0), ("additive", 0.0, 1.0), ("answer", 0.0, 0.0), ("structure", -1.0, 0.0)],
)
async def test_variants(variant, one_step, full):
    assert (await paid("Custom", asked=RewardSettings(variant))).value == one_step
    assert (await paid(FULL, asked=RewardSettings(variant))).value == full


async def test_additions_are_off_by_default():
    plain = await paid(FULL)
    assert [term.name for term in plain.terms] == [
        "base",
        "verification",
        "formatting",
        "operators",
        "structure",
        "answer",
    ]


async def test_every_addition_is_a_term_of_its_own_with_its_reason():
    course = Course(
        finished=True, turns=10, rejected=3, sampled_tokens=500, runs=9, usage=Usage(12, 1500, 500, 1.0, 0.02)
    )
    workflow, succeeded = await executed(FULL)
    asked = RewardSettings("cwrpo", 0.2, 0.3, 0.5, 0.1, 0.01, 0.02, 2.0)
    result = reward(workflow, succeeded, CATEGORIES, RIGHT, course, asked)
    added = {term.name: (pytest.approx(term.value), term.reason) for term in result.terms[6:]}
    assert added == {
        "finish": (0.2, "the Director finished"),
        "rejected": (-0.15, "3 of 10 turns were rejected"),
        "tokens": (-0.05, "the Director sampled 500 tokens"),
        "gated_finish": (0.3, "the Director finished, the gate is open"),
        "operator_cost": (-0.03, "9 operators were run, 3 above 6"),
        "executor_token_cost": (-0.04, "the operators' calls read and wrote 2000 tokens"),
        "money_cost": (-0.04, "the calls cost $0.02"),
    }
    assert result.value == pytest.approx(1.0 + sum(term.value for term in result.terms[6:]))
    closed = reward(*await executed("Custom"), CATEGORIES, RIGHT, course, asked)
    assert closed.value == pytest.approx(-1.0 + 0.2 - 0.15 - 0.05)
    assert all("gate is closed" in term.reason for term in closed.terms[9:])


async def test_a_cost_that_is_not_known_is_no_reward_where_it_is_asked_for():
    course, asked = Course(usage=Usage(1, 10, 10, cost=None)), RewardSettings(money_cost=1.0)
    opened, closed = await executed(FULL), await executed("Custom")
    assert reward(*opened, CATEGORIES, RIGHT, course, asked).value is None
    assert "not known" in reward(*opened, CATEGORIES, RIGHT, course, asked).terms[-1].reason
    assert reward(*closed, CATEGORIES, RIGHT, course, asked).value == -1.0
    assert reward(*opened, CATEGORIES, RIGHT, course).value == 1.0


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


@st.composite
def courses(draw):
    """Any way an episode can go."""
    turns = draw(st.integers(0, 30))
    counts = st.integers(0, 10_000)
    usage = Usage(draw(counts), draw(counts), draw(counts), 1.0, draw(st.none() | st.floats(0, 10)))
    return Course(draw(st.booleans()), turns, draw(st.integers(0, turns)), draw(counts), draw(counts), usage)


@given(run_workflows(), st.floats(0, 1), courses())
def test_without_additions_how_an_episode_went_changes_nothing(case, score, course):
    """R is exactly the paper's, written out here by hand."""
    workflow, succeeded = case
    ran = [step for step in steps(workflow.nodes) if step.id in succeeded]
    kinds = {CATEGORIES_BY_NAME[step.operator] for step in ran}
    structures = [node for node in walk(workflow.nodes) if not isinstance(node, Step)]
    ids = [{node.check.id} if isinstance(node, Conditional) else {s.id for s in steps((node,))} for node in structures]
    skeleton = ("verification" in kinds) + ("formatting" in kinds) + (len(ran) >= 6)
    fifths = skeleton + 2 * any(some & succeeded for some in ids)
    result = reward(workflow, succeeded, CATEGORIES_BY_NAME, Grade(score), course)
    assert result.value == -1 + fifths / 5 + (score if fifths == 5 else 0)
    assert result == reward(workflow, succeeded, CATEGORIES_BY_NAME, Grade(score))


PRICES = st.builds(RewardSettings, st.just("cwrpo"), *[st.sampled_from((0.0, 0.01, 0.5))] * 7)


@given(run_workflows(), courses(), PRICES)
def test_costs_and_the_gated_finish_wait_for_the_gate(case, course, asked):
    result = reward(*case, CATEGORIES_BY_NAME, Grade(1.0), course, asked)
    late = [term.value for term in result.terms if term.name.endswith("_cost") or term.name == "gated_finish"]
    assert result.gate_open or not any(late)
    assert result.value is None or result.value == pytest.approx(sum(term.value for term in result.terms))
    less = [term.value for term in result.terms if term.name.endswith("_cost") or term.name in ("rejected", "tokens")]
    assert all(value <= 0 for value in less)


@given(st.lists(workflows(max_leaves=6), min_size=1, max_size=4), workflows(max_leaves=6))
@settings(max_examples=40, deadline=None)
def test_who_asked_first_changes_no_cost(earlier, workflow):
    """A workflow costs the same alone and after others of its group, down to the last digit."""

    async def costs(others):
        executor = Executor(load_library(), Dear(), InstantSandbox(), Memo(), {})
        for other in (*others, workflow):
            execution = await executor.run(other, TASK)
        return execution

    alone, after = asyncio.run(costs(())), asyncio.run(costs((*earlier, workflow)))
    assert alone.whole_usage == alone.usage == after.whole_usage
    assert after.usage == NO_USAGE
    assert [run.node for run in alone.ran] == [run.node for run in after.ran]


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
