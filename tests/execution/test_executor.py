"""What runs, in which order, how often, and what it leaves: through `Executor.run` with small operators."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from flowsteer.backends.base import Features, Reply, Sampling
from flowsteer.backends.other_draws import EQUAL_TEMPERATURE
from flowsteer.draft import Candidate, Draft, Verdict, draft_to_json
from flowsteer.errors import BackendUnavailable, OperatorError, WorkflowError
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.operators.base import operator
from flowsteer.operators.registry import Library
from flowsteer.runs.failure import MAX_TRACE
from flowsteer.task import Task
from flowsteer.usage import Usage
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Step, Workflow

TASK = Task("What is 6 times 7?", "math")


class Instant:
    """A backend that answers at once with what it was told to, or the number of the call."""

    def __init__(self, spec="fake:", says=None):
        self.spec = spec
        self.features = Features()
        self.requests = []
        self._says = says

    async def complete(self, request):
        self.requests.append(request)
        text = str(len(self.requests)) if self._says is None else self._says(request)
        return Reply(text, Usage(calls=1, completion_tokens=1), "fake")

    async def aclose(self):
        pass


async def ask(call):
    return (await call.ask(())).text


@operator(category="solving", reads=("plan", "answer", "verdict"), writes=("answer", "verdict"))
async def solve(call):
    """Solve."""
    return Draft(answer=f"{call.operator.name}{call.prompt}:{await ask(call)}")


@operator(category="planning", reads=(), writes=("plan",))
async def plan(call):
    """Plan."""
    return Draft(plan=await ask(call))


@operator(category="verification", reads=("answer",), writes=("verdict",))
async def check(call):
    """Check: passes if the backend says pass."""
    return Draft(verdict=Verdict((await ask(call)) == "pass", "because", by="Check"))


@operator(category="revision", reads=("answer", "verdict"), writes=("answer", "verdict"))
async def mend(call):
    """Mend."""
    return Draft(answer=f"{call.draft.answer}+{await ask(call)}")


@operator(category="ensemble", reads=("candidates",), writes=("answer", "candidates", "verdict"))
async def vote(call):
    """Vote."""
    return Draft(answer="|".join(candidate.answer for candidate in call.draft.candidates))


@operator(category="solving", reads=(), writes=("answer",))
async def broken(call):
    """Fail."""
    raise OperatorError("it cannot be done", kind="broken")


@operator(category="verification", reads=(), writes=("verdict",))
async def broken_check(call):
    """Fail to check."""
    raise OperatorError("no idea", kind="broken")


@operator(category="solving", reads=(), writes=("answer",))
async def slow(call):
    """Take a second."""
    await asyncio.sleep(1)
    return Draft(answer="late")


LIBRARY = Library.of("test", (solve, plan, check, mend, vote, broken, broken_check, slow))


def executor(backend=None, **more):
    return Executor(
        LIBRARY, backend or Instant(), None, more.pop("memo", None) or Memo(), more.pop("roster", {}), **more
    )


async def run(dsl, backend=None, **more):
    return await executor(backend, **more).run(parse_dsl(dsl), TASK)


def trace(execution):
    return [f"{r.operator}{''.join(f'.{i}' for i in r.iteration)}{'!' if r.failure else ''}" for r in execution.ran]


async def test_a_sequence_passes_the_draft_on():
    execution = await run("Plan -> Solve -> Mend")
    assert trace(execution) == ["Plan", "Solve", "Mend"]
    assert execution.draft.plan == "1"
    assert execution.draft.answer == "Solve:2+3"
    assert execution.usage == Usage(calls=3, completion_tokens=3)


async def test_parallel_branches_start_from_the_same_draft_and_become_candidates_in_order():
    execution = await run("Solve -> [Mend, Plan -> Solve, Solve] -> Vote")
    first, second, third = execution.draft.answer.split("|")
    assert first.startswith("Solve:1+")
    assert second != third
    assert {second, third} <= {f"Solve:{n}" for n in range(2, 6)}
    assert execution.draft.candidates == ()


async def test_parallel_branches_run_at_once():
    async def timed(dsl):
        start = asyncio.get_running_loop().time()
        await run(dsl, node_seconds=0.1)
        return asyncio.get_running_loop().time() - start

    assert await timed("[Slow, Slow, Slow]") < 0.25


async def test_a_failed_branch_does_not_fail_the_workflow():
    execution = await run("[Broken, Solve] -> Vote")
    assert execution.draft.answer == "Solve:1"
    assert trace(execution) == ["Broken!", "Solve", "Vote"]
    assert len(execution.succeeded) == 2


@operator(category="revision", reads=("answer", "verdict"), writes=("answer", "verdict"))
async def keep(call):
    """Keep what there is."""
    return call.draft


@pytest.mark.parametrize(
    ("branches", "says", "votes"),
    [
        ("Keep, Solve", "pass", ["Keep", "Solve"]),
        ("Check -> Keep, Solve", "pass", ["Check -> Keep", "Solve"]),
        ("Check ? Keep : done, Solve", "pass", ["Check ? Keep : done", "Solve"]),
        ("Solve, Check", "pass", ["Solve", "Check"]),
        ("Keep, Keep", "pass", ["Keep", "Keep"]),
        ("Check, Solve", "fail", ["Solve"]),
        ("Check -> Broken, Solve", "fail", ["Solve"]),
        ("Broken, Solve", "pass", ["Solve"]),
        ("Broken -> Keep, Solve", "pass", ["Broken -> Keep", "Solve"]),
        ("Plan, Solve", "pass", ["Solve"]),
    ],
)
async def test_a_branch_that_comes_to_the_same_answer_votes_for_it(branches, says, votes):
    library = Library.of("test", (*LIBRARY.operators.values(), keep))
    run_on = Executor(library, Instant(says=lambda r: says), None, Memo(), {})
    draft = (await run_on.run(parse_dsl(f"Solve -> [{branches}]"), TASK)).draft
    assert [candidate.source for candidate in draft.candidates] == votes
    assert {candidate.answer for candidate in draft.candidates} == {f"Solve:{says}"}


@pytest.mark.parametrize("branches", ["Check, Check", "Plan, Check", "Broken, Broken"])
async def test_branches_that_do_no_work_leave_earlier_candidates(branches):
    draft = (await run(f"[Solve, Mend] -> [{branches}]", Instant(says=lambda r: "pass"))).draft
    assert [candidate.source for candidate in draft.candidates] == ["Solve", "Mend"]


async def test_what_a_branch_did_in_an_earlier_round_of_a_loop_is_no_vote():
    outcomes = iter([False, True])

    @operator(category="revision", reads=("answer",), writes=("answer",))
    async def once(call):
        """Keep what there is, once."""
        if next(outcomes):
            raise OperatorError("once only", kind="broken")
        return call.draft

    run_on = Executor(Library.of("test", (solve, once)), Instant(), None, Memo(), {})
    execution = await run_on.run(parse_dsl("Solve -> ([Once, Solve]) * 2"), TASK)
    assert trace(execution) == ["Solve", "Once.0", "Solve.0", "Once.1!", "Solve.1"]
    assert [candidate.source for candidate in execution.draft.candidates] == ["Solve"]


async def test_the_first_branch_speaks_until_an_ensemble_chooses():
    execution = await run("[Solve, Mend]", Instant(says=lambda request: request.origin.operator))
    assert execution.draft.answer == "Solve:Solve"
    assert [c.source for c in execution.draft.candidates] == ["Solve", "Mend"]


@pytest.mark.parametrize(("says", "ran"), [("pass", ["Solve", "Check"]), ("fail", ["Solve", "Check", "Mend"])])
async def test_a_conditional_runs_its_first_branch_when_the_check_fails(says, ran):
    assert trace(await run("Solve -> Check ? Mend : done", Instant(says=lambda r: says))) == ran


async def test_the_second_branch_runs_when_the_check_passes():
    execution = await run("Solve -> Check ? Mend : Plan", Instant(says=lambda r: "pass"))
    assert trace(execution) == ["Solve", "Check", "Plan"]


async def test_a_check_that_errors_runs_no_branch_and_the_draft_passes_on():
    execution = await run("Solve -> BrokenCheck ? Mend : Plan -> Vote")
    assert trace(execution) == ["Solve", "BrokenCheck!", "Vote"]


async def test_a_repair_inside_a_conditional_is_kept():
    execution = await run("Solve -> Check ? Mend : done", Instant(says=lambda r: "no"))
    assert execution.draft.answer == "Solve:no+no"


async def test_a_loop_stops_at_the_first_passing_check_and_skips_the_rest_of_its_body():
    verdicts = iter(["fail", "pass"])
    backend = Instant(says=lambda r: next(verdicts) if r.origin.operator == "Check" else "x")
    execution = await run("Solve -> (Check -> Mend) * 5 -> Plan", backend)
    assert trace(execution) == ["Solve", "Check.0", "Mend.0", "Check.1", "Plan"] or sorted(trace(execution)) == sorted(
        ["Solve", "Check.0", "Mend.0", "Check.1", "Plan"]
    )


async def test_a_loop_runs_as_often_as_it_says_when_nothing_passes():
    execution = await run("Solve -> (Check -> Mend) * 3", Instant(says=lambda r: "fail"))
    assert sorted(trace(execution)) == sorted(
        ["Solve", *(f"Check.{i}" for i in range(3)), *(f"Mend.{i}" for i in range(3))]
    )


async def test_a_conditional_that_passes_ends_its_loop():
    execution = await run("Solve -> (Check ? Mend : done) * 3", Instant(says=lambda r: "pass"))
    assert sorted(trace(execution)) == ["Check.0", "Solve"]


class Bit:
    """A truth value of another kind, such as numpy's."""

    def __init__(self, value):
        self._value = value

    def __bool__(self):
        return self._value


@operator(category="verification", reads=("answer",), writes=("verdict",))
async def odd(call):
    """Check, and say so in types of its own."""
    said = await ask(call)
    return Draft(verdict=Verdict(Bit(said == "pass"), confidence=Decimal("0.5") if said == "pass" else "90 %"))


@operator(category="solving", reads=("candidates",), writes=("candidates", "subproblems"))
async def collect(call):
    """Write lists."""
    return Draft(candidates=[Candidate("Collect", "4")], subproblems=[])


async def test_what_an_operator_writes_in_other_types_is_converted_or_its_own_failure():
    odds = Library.of("odds", (solve, vote, odd, collect))

    async def ran(dsl, says):
        made = Executor(odds, Instant(says=lambda request: says), None, Memo(), {})
        return await made.run(parse_dsl(dsl), TASK)

    passed = await ran("(Odd -> Solve) * 3", "pass")
    assert trace(passed) == ["Odd.0"]
    assert json.loads(json.dumps(draft_to_json(passed.draft)))["verdict"]["confidence"] == 0.5
    assert passed.draft.verdict.passed is True
    failed = await ran("Odd", "fail")
    assert (failed.ran[0].failure.kind, failed.ran[0].failure.error) == ("unexpected", "ValueError")
    assert trace(await ran("Collect -> Collect -> Vote", "x")) == ["Collect", "Collect", "Vote"]


async def test_nested_loops_name_their_iterations():
    execution = await run("((Check -> Mend) * 2 -> Plan) * 2", Instant(says=lambda r: "fail"))
    assert [r.iteration for r in execution.ran if r.operator == "Check"] == [(0, 0), (0, 1), (1, 0), (1, 1)]


async def test_nothing_known_runs_again():
    memo, backend = Memo(), Instant()
    await run("Plan -> Solve", backend, memo=memo)
    longer = await run("Plan -> Solve -> Check", backend, memo=memo)
    assert len(backend.requests) == 3
    assert [r.memo for r in longer.ran] == [True, True, False]
    assert longer.usage.calls == 1


async def test_wrapping_into_a_loop_runs_its_first_round_from_the_memo():
    memo, backend = Memo(), Instant(says=lambda r: "fail")
    await run("Solve -> Check -> Mend", backend, memo=memo)
    await run("Solve -> (Check -> Mend) * 2", backend, memo=memo)
    assert len(backend.requests) == 5


async def test_another_instruction_runs_again_and_what_follows_too():
    memo, backend = Memo(), Instant()
    one = Workflow((Step("node_1", "Plan"), Step("node_2", "Solve"), Step("node_3", "Check")), 4)
    other = Workflow((Step("node_1", "Plan"), Step("node_2", "Solve", "carefully"), Step("node_3", "Check")), 4)
    run_on = executor(backend, memo=memo)
    await run_on.run(one, TASK)
    execution = await run_on.run(other, TASK)
    assert [r.memo for r in execution.ran] == [True, False, False]


async def test_equal_steps_are_separate_draws():
    backend = Instant()
    execution = await run("[Solve, Solve, Solve] -> Vote", backend)
    assert len(backend.requests) == 3
    assert len(set(execution.draft.answer.split("|"))) == 3
    assert len({r.origin.sample for r in backend.requests}) == 3


@pytest.mark.parametrize("own_draws", [False, True])
async def test_a_greedy_branch_that_is_equal_to_one_before_it_is_sampled(own_draws):
    async def sampling_by_draw():
        backend = Instant()
        backend.features = Features(own_draws=own_draws)
        run_on = replace(executor(backend), sampling=Sampling(seed=5))
        execution = await run_on.run(parse_dsl("[Solve, Plan -> Solve, Solve, Solve] -> Solve -> Vote"), TASK)
        assert execution.usage.calls == len(backend.requests) == 6
        return {r.origin.sample: r.sampling for r in backend.requests if r.origin.operator == "Solve"}

    draws = await sampling_by_draw()
    assert {name: sampling.temperature for name, sampling in draws.items()} == {
        "0": 0.0,
        "1": 0.0,  # given a plan
        "2": 0.0 if own_draws else EQUAL_TEMPERATURE,
        "3": 0.0 if own_draws else EQUAL_TEMPERATURE,
        "4": 0.0,  # given an answer
    }
    assert (len({sampling.seed for sampling in draws.values()}) == 3) != own_draws
    assert await sampling_by_draw() == draws


async def test_the_same_call_in_flight_twice_is_made_once():
    backend, memo = Instant(), Memo()

    async def slowly(request):
        await asyncio.sleep(0.02)
        return await Instant.complete(backend, request)

    backend.complete = slowly
    runs = [executor(backend, memo=memo).run(parse_dsl("Plan -> Solve"), TASK) for _ in range(6)]
    drafts = {execution.draft for execution in await asyncio.gather(*runs)}
    assert len(drafts) == 1
    assert len(backend.requests) == 2


async def test_a_cancelled_maker_leaves_the_call_to_the_next_in_line():
    backend, memo = Instant(), Memo()
    gate = asyncio.Event()

    async def gated(request):
        await gate.wait()
        return await Instant.complete(backend, request)

    backend.complete = gated
    tasks = [asyncio.create_task(executor(backend, memo=memo).run(parse_dsl("Plan"), TASK)) for _ in range(3)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert [r.draft.plan for r in results[1:]] == ["1", "1"]


async def test_a_slow_node_fails_by_name_and_the_rest_goes_on():
    execution = await run("Slow -> Plan", node_seconds=0.02)
    assert execution.ran[0].failure.kind == "timeout"
    assert execution.draft.plan == "1"


async def test_the_record_of_a_fault_is_bounded_and_keeps_both_ends_of_its_trace():
    @operator(category="solving", reads=(), writes=("answer",))
    async def deep(call):
        """Fail in the depth."""

        def even(n):
            return odd(n - 1) if n else 1 / 0

        def odd(n):
            return even(n - 1)

        return Draft(answer=str(even(600)))

    @operator(category="solving", reads=(), writes=("answer",))
    async def wordy(call):
        """Fail with many words."""
        raise ValueError("word " * 100_000)

    run_on = Executor(Library.of("test", (deep, wordy)), Instant(), None, Memo(), {})
    one, two = (await run_on.run(parse_dsl("Deep -> Wordy"), TASK)).ran
    assert one.failure.message == "ZeroDivisionError: division by zero"
    assert one.failure.trace.startswith("Traceback")
    assert one.failure.trace.endswith(f"{one.failure.message}\n")
    assert max(len(one.failure.trace), len(two.failure.message), len(two.failure.trace)) < MAX_TRACE + 100


async def test_a_lost_backend_ends_the_run_cancels_the_branches_and_is_not_remembered():
    state = {"up": False}

    def says(request):
        if not state["up"] and request.origin.operator == "Solve":
            raise BackendUnavailable("gone")
        return "x"

    memo, backend = Memo(), Instant(says=says)
    with pytest.raises(BackendUnavailable):
        await run("Plan -> [Slow, Solve]", backend, memo=memo)
    assert len(asyncio.all_tasks()) == 1
    state["up"] = True
    assert (await run("Plan -> Solve", backend, memo=memo)).draft.answer == "Solve:x"


async def test_each_node_may_have_its_own_backend():
    other = Instant("other:", says=lambda r: "theirs")
    workflow = Workflow((Step("node_1", "Plan", backend="big"), Step("node_2", "Solve")), 3)
    execution = await executor(Instant(), roster={"big": other}).run(workflow, TASK)
    assert execution.draft.plan == "theirs"
    assert [r.backend for r in execution.ran] == ["other:", "fake:"]


async def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(WorkflowError, match="unknown operator 'Nope'") as error:
        await run("Nope")
    assert "Solve" in error.value.hint
    with pytest.raises(WorkflowError, match="unknown backend 'x'"):
        await executor().run(Workflow((Step("node_1", "Plan", backend="x"),), 2), TASK)


async def test_only_nodes_that_ran_well_count():
    execution = await run("Solve -> Check ? Mend : done -> Broken", Instant(says=lambda r: "pass"))
    assert {r.operator for r in execution.ran if r.node in execution.succeeded} == {"Solve", "Check"}


async def test_an_operator_sees_only_what_it_declared_to_read():
    seen = []

    @operator(category="solving", reads=("plan",), writes=("answer",))
    async def peek(call):
        """Look at the draft."""
        seen.append(call.draft)
        return Draft(answer="x", plan="not mine to write")

    library = Library.of("peek", (solve, plan, peek))
    run_on = Executor(library, Instant(), None, Memo(), {})
    execution = await run_on.run(parse_dsl("Plan -> Solve -> Peek"), TASK)
    assert seen == [Draft(plan="1")]
    assert execution.draft.plan == "1"
