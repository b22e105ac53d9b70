"""Systems: each does what its docstring says, on one engine, and leaves the same events."""

import pytest

from evaluation.evaluation_cases import SaysLLM, figures, run, small
from flowsteer.backends.base import Reply
from flowsteer.errors import BackendRejected, ConfigError, DSLError
from flowsteer.evaluation.baselines import HAND_MADE
from flowsteer.evaluation.evaluation_plan import most_calls
from flowsteer.evaluation.specs import parse_system, parse_systems
from flowsteer.runs.events import FINISHED, UNDIRECTED, EpisodeEnded, EpisodeStarted, Graded, NodeRan, TurnTaken
from flowsteer.runs.folder import RunFolder
from flowsteer.session import Setup, open_session
from flowsteer.task import AssertTests, Task
from flowsteer.usage import Usage
from flowsteer.workflow import parse_dsl, unmet
from flowsteer.workflow.rules import Rules

MATH = Task("What is 6 times 7?", "math", id="m1")
CODE = Task("Double n.", "code", id="c1", entry_point="f", public_tests=AssertTests("assert f(2) == 4"))


async def episode(spec, task=MATH, says="Six sevens.\nAnswer: 42", director="", **setup):
    """One episode of a system on an LLM that always says the same; its end, its events and the LLM."""
    llm, other = SaysLLM(says), SaysLLM(director, "says:director")
    events = []
    setup = Setup(director="", executor=llm.spec, sandbox="monty", **setup)
    async with open_session(setup, {llm.spec: llm, other.spec: other}) as session:
        system = parse_system(spec)
        await system.check(session)
        ended = await system.run(session, task, events.append, "e1", 0)
    return ended, events, llm, other


def ran(events):
    return [event.operator for event in events if isinstance(event, NodeRan)]


async def test_direct_is_one_call_that_asks_for_no_reasoning():
    ended, _, llm, _ = await episode("direct")
    assert ended.answer == "42"
    assert len(llm.requests) == 1
    prompt = llm.requests[0].messages[0].content
    assert "without explaining" in prompt
    assert "step by step" not in prompt


async def test_cot_is_one_call_that_asks_for_steps():
    _, events, llm, _ = await episode("cot")
    assert ran(events) == ["Custom"]
    assert len(llm.requests) == 1
    assert "step by step" in llm.requests[0].messages[0].content


async def test_self_consistency_draws_apart_and_votes_without_a_call_when_most_agree():
    answers = iter(["Answer: 41", "Answer: 42", "Answer: 42"])
    ended, events, llm, _ = await episode("sc:3", says=lambda request: next(answers))
    assert ended.answer == "42"
    assert ran(events) == ["Custom", "Custom", "Custom", "ScEnsemble"]
    assert {request.sampling.temperature for request in llm.requests} == {0.7}
    assert len({request.sampling.seed for request in llm.requests}) == 3


async def test_refine_stops_when_the_critique_finds_no_fault_and_after_two_rounds_otherwise():
    def critic(verdict):
        return lambda request: (
            f'{{"feedback": "so", "passed": {verdict}}}' if request.origin.operator == "Review" else "Answer: 42"
        )

    _, content, *_ = await episode("refine", says=critic("true"))
    assert ran(content) == ["Custom", "Review"]
    _, never, *_ = await episode("refine", says=critic("false"))
    assert ran(never) == ["Custom", "Review", "Revise", "Review", "Revise"]


@pytest.mark.parametrize("spec", ["direct", "cot", "sc:3", "refine"])
async def test_on_code_tasks_the_answer_is_the_code(spec):
    def says(request):
        code = "```python\ndef f(n):\n    return 2 * n\n```"
        return '{"feedback": "fine", "passed": true}' if request.origin.operator == "Review" else code

    ended, *_ = await episode(spec, CODE, says)
    assert ended.answer == "def f(n):\n    return 2 * n"


async def test_a_fixed_workflow_leaves_the_events_of_an_episode_without_turns():
    ended, events, *_ = await episode("fixed:Plan -> Custom")
    assert isinstance(events[0], EpisodeStarted)
    assert ran(events) == ["Plan", "Custom"]
    assert events[-1] is ended
    assert (ended.turns, ended.finished, ended.reason) == (0, None, UNDIRECTED)
    assert ended.executor_usage.calls == 2


async def test_a_fixed_workflow_may_be_as_large_in_an_evaluation_as_in_a_run():
    large = "(((Custom) * 10) * 5) * 5"
    ended, *_ = await episode(f"fixed:{large}")
    assert ended.executor_usage.calls == 250
    async with open_session(Setup(director="", executor="simulated:", sandbox="monty")) as session:
        assert session.broken(parse_dsl(large)) == ()
        assert "at most 10000" in session.broken(parse_dsl("(((((Custom) * 10) * 10) * 10) * 10) * 2"))[0]


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("nothing", ConfigError),
        ("sc:1", ConfigError),
        ("sc:27", ConfigError),
        ("sc:many", ConfigError),
        ("fixed:Plan ->", DSLError),
        ("search:rounds=0", ConfigError),
        ("search:depth=3", ConfigError),
        ("search:rounds=2,rounds=3", ConfigError),
        ("search:by=", ConfigError),
        ("director:", ConfigError),
        ("director:x --without wings", ConfigError),
        ("director:x --without agent,canvas", ConfigError),
    ],
)
def test_specs_that_name_no_system_are_refused(spec, error):
    with pytest.raises(error):
        parse_system(spec)


@pytest.mark.parametrize("spec", ["fixed:Nobody", "fixed:Plan ? Custom : done", "fixed:", "director:script:/not/there"])
async def test_a_system_that_cannot_run_is_found_out_before_the_first_episode(spec):
    with pytest.raises(ConfigError):
        await episode(spec)


def test_ablations_are_added_behind_each_whole_director():
    names = [system.name for system in parse_systems(["direct", "director:a"], ["canvas", "agent"])]
    assert names == ["direct", "director:a", "director:a --without canvas", "director:a --without agent"]
    with pytest.raises(ConfigError, match="director:SPEC"):
        parse_systems(["direct"], ["canvas"])


async def test_without_canvas_nothing_runs_before_the_end():
    workflow = "Plan -> Custom -> Verify ? Revise : done -> Format"
    _, whole, *_ = await episode(f"director:dsl:{workflow}")
    ended, ablated, *_ = await episode(f"director:dsl:{workflow} --without canvas")
    last = ended.turns
    assert {event.turn for event in whole if isinstance(event, NodeRan)} != {last}
    assert {event.turn for event in ablated if isinstance(event, NodeRan)} == {last}
    assert ended.answer == "42"


async def test_without_prompts_no_instruction_reaches_an_operator(tmp_path):
    script = tmp_path / "script.txt"
    lines = [
        "<action>add</action><operator>Plan</operator><prompt>SECRET PLAN</prompt>",
        "<action>add</action><operator>Custom</operator>",
        "<action>set_prompt</action><target>node_2</target><prompt>SECRET TOO</prompt>",
        "<action>add</action><structure>loop</structure><operators>Review, Revise</operators><count>2</count>",
        "<action>add</action><operator>Format</operator>",
        "<action>finish</action>",
    ]
    script.write_text("\n".join(lines))
    whole, _, heard, _ = await episode(f"director:script:{script}")
    ended, _, llm, _ = await episode(f"director:script:{script} --without prompts")
    assert any("SECRET" in request.messages[0].content for request in heard.requests)
    assert not any("SECRET" in request.messages[0].content for request in llm.requests)
    assert ended.dsl == whole.dsl


async def test_without_multi_turn_one_reply_is_the_whole_workflow():
    reply = "<think>First <workflow>Plan</workflow>?</think><workflow>Plan -> Custom</workflow>"
    ended, events, _, director = await episode("director:says:director --without multi-turn", director=reply)
    assert (ended.dsl, ended.answer, ended.turns, ended.finished) == ("Plan -> Custom", "42", 1, False)
    assert len(director.requests) == 1
    assert ended.director_usage.calls == 1
    assert [event.text for event in events if isinstance(event, TurnTaken)] == [reply]
    assert "ScEnsemble (ensemble)" in director.requests[0].messages[0].content


@pytest.mark.parametrize("reply", ["Plan -> Custom", "<workflow>Plan -> </workflow>", "<workflow>Magic</workflow>"])
async def test_a_reply_without_a_workflow_is_a_rejected_edit_and_an_empty_answer(reply):
    ended, _, llm, _ = await episode("director:says:director --without multi-turn", director=reply)
    assert (ended.answer, ended.dsl, ended.reason) == ("", "", "rejected edits")
    assert llm.requests == []


@pytest.mark.parametrize(
    ("canvas", "ended", "told"),
    [
        ({"min_steps": 1, "needs": (), "needs_structure": False}, FINISHED, "It needs: at least 1 operator"),
        ({"max_steps": 1}, "rejected edits", "At most 1 operators."),
        ({"max_runs": 1}, "rejected edits", "It needs:"),
        ({}, "turn limit", "At most"),
    ],
)
async def test_without_multi_turn_what_the_run_asks_of_the_canvas_holds(canvas, ended, told):
    reply = "<workflow>Custom -> Programmer</workflow>"
    found, _, _, director = await episode("director:says:director --without multi-turn", director=reply, canvas=canvas)
    assert found.reason == ended
    assert told in director.requests[0].messages[0].content


async def test_without_multi_turn_needs_an_llm():
    with pytest.raises(ConfigError, match="no LLM"):
        await episode("director:simulated: --without multi-turn")


async def test_without_agent_the_first_hand_made_workflow_runs_on_every_task():
    ended, *_ = await episode("director:anything --without agent")
    assert ended.dsl == HAND_MADE[0]
    assert ended.turns == 0


async def test_hand_made_workflows_have_a_skeleton_the_paper_would_accept():
    async with open_session(Setup(director="", executor="simulated:", sandbox="monty")) as session:
        rules = Rules(session.library.categories)
    assert [unmet(parse_dsl(text), rules) for text in HAND_MADE] == [()] * len(HAND_MADE)


async def test_a_request_that_the_directors_llm_refuses_ends_the_episode_and_the_work_is_scored_as_it_stands():
    def says(request):
        if len(request.messages) > 2:
            raise BackendRejected("too long")
        return "<action>add</action><operator>Custom</operator>"

    ended, *_ = await episode("director:says:director", director=says)
    assert (ended.answer, ended.finished, ended.turns, ended.dsl) == ("42", False, 1, "Custom")
    assert "refused" in ended.reason
    assert ended.director_usage.calls == 1


class NastyLLM(SaysLLM):
    """Never gives what was asked for, so that every retry is used up."""

    async def complete(self, request):
        self.requests.append(request)
        self.asked[request.origin.operator] = self.asked.get(request.origin.operator, 0) + 1
        return Reply(self.says, Usage(1), self.spec, finish="length")


@pytest.mark.parametrize("task", [MATH, CODE])
@pytest.mark.parametrize("says", ["", "no code, no JSON", "```python\ndef f(n):\n    raise ValueError\n```"])
async def test_no_operator_makes_more_calls_than_its_bound(task, says):
    llm = NastyLLM(says)
    async with open_session(Setup(director="", executor=llm.spec, sandbox="monty"), {llm.spec: llm}) as session:
        for name in session.library.operators:
            llm.asked = {}
            await session.execute(parse_dsl(f"[Custom, AnswerGenerate] -> {name}"), task)
            before = most_calls(parse_dsl("Custom -> AnswerGenerate"))
            assert sum(llm.asked.values()) <= before + most_calls(parse_dsl(name))


def test_every_system_is_recorded_with_its_grade_last(tmp_path):
    run(tmp_path, small(limit=1, systems=["direct", "director:simulated:"]))
    folder = RunFolder.read(tmp_path)
    for name in folder.entries:
        events = folder.events(name)
        assert isinstance(events[0], EpisodeStarted)
        assert isinstance(events[-2], EpisodeEnded)
        assert isinstance(events[-1], Graded)
    finished = [entry.summary.finished for entry in folder.entries.values()]
    assert finished[0] is None
    assert isinstance(finished[1], bool)
    assert len(figures(tmp_path)) == 2
