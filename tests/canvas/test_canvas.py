"""The canvas takes an edit whole or not at all, runs what is new, and says what happened."""

import asyncio
import re
import statistics
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas.instant import InstantLLM, InstantSandbox
from flowsteer.canvas.canvas import LONG_ANSWER, Canvas, Settings, rules_for
from flowsteer.canvas.director import PromptText, Turn
from flowsteer.canvas.feedback import Budgets, render, shorten
from flowsteer.director.layouts import messages
from flowsteer.draft import Draft
from flowsteer.errors import ActionError
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.operators.registry import load_library
from flowsteer.runs.events import EditApplied, EditRejected, Feedback, FeedbackGiven, NodeRan
from flowsteer.task import AssertTests, Task
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.dsl import parse_dsl, to_dsl
from flowsteer.workflow.edits import (
    AddStep,
    AddStructure,
    Delete,
    Finish,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.nodes import Loop, NodeId, Step, Workflow, node_id

TASK = Task("What is 6 times 7?", "math")
FULL = "Plan -> Decompose -> [Programmer, Custom] -> Aggregate -> Verify ? Revise : done -> Review -> Format"
SNAPSHOTS = Path(__file__).parent / "snapshots"


def make(backend=None, task=TASK, settings=None, events=None, **rules):
    library = load_library()
    executor = Executor(library, backend or InstantLLM(), InstantSandbox(), Memo(), {})
    emit = events.append if events is not None else lambda event: None
    return Canvas(task, executor, replace(rules_for(task, library), **rules), settings, emit)


def edits(dsl):
    for node in parse_dsl(dsl).nodes:
        yield AddStep(node.operator) if hasattr(node, "operator") else AddStructure(node)


async def build(canvas, dsl):
    for edit in edits(dsl):
        assert (await canvas.step(Turn("…", edit))).accepted
    return canvas


@pytest.mark.parametrize(
    ("dsl", "fails", "calls"),
    [
        (FULL, (), 7),
        (FULL, ("Verify",), 8),
        (FULL.replace("-> Review", "-> (Review -> Revise) * 2"), ("Verify", "Review"), 11),
    ],
)
async def test_each_node_runs_once_over_the_whole_episode(dsl, fails, calls):
    backend = InstantLLM(fails)
    canvas = await build(make(backend), dsl)
    assert len(backend.calls) == calls, backend.calls
    assert canvas.draft.answer == "42"
    assert (await canvas.step(Turn("done", Finish()))).accepted
    assert canvas.done == "finished"
    assert len(backend.calls) == calls


async def test_an_edit_takes_under_a_millisecond():
    times = []
    for _ in range(10):
        canvas = make()
        for edit in edits(FULL):
            started = perf_counter()
            await canvas.step(Turn("…", edit))
            times.append(perf_counter() - started)
    assert statistics.median(times) < 0.005, "five times the target: this is a guard, the figure is the benchmark's"


async def test_a_rejected_edit_costs_a_turn_and_changes_nothing():
    events = []
    canvas = await build(make(events=events), "Plan -> Custom")
    before = canvas.workflow
    for action in (AddStep("Check"), Delete("node_9"), Modify("node_1", "Nope"), ActionError("no action", "emit one")):
        step = await canvas.step(Turn("…", action))
        assert not step.accepted
        assert step.parsed is not isinstance(action, ActionError)
        assert canvas.workflow is before
    assert canvas.turn == 6
    assert sum(isinstance(event, EditRejected) for event in events) == 4
    assert (await canvas.step(Turn("…", AddStep("Verify")))).accepted, "an unknown name locks nothing"


async def test_repairs_are_told_whether_the_edit_is_accepted_or_not():
    canvas = make()
    for action, accepted in ((AddStep("Plan"), True), (AddStep("Nobody"), False)):
        step = await canvas.step(Turn("…", action, repairs=("<operator> was closed",)))
        assert step.accepted is accepted
        assert step.feedback.status.endswith("(repaired: <operator> was closed)")


async def test_a_finish_is_refused_until_its_conditions_are_met():
    canvas = await build(make(), "Custom")
    step = await canvas.step(Turn("…", Finish("42")))
    assert not step.accepted
    for missing in ("at least 5 operators", "verification", "parallel, conditional or loop"):
        assert missing in render(step.feedback)
    assert not canvas.done


async def test_a_long_answer_needs_a_format():
    backend = InstantLLM()
    backend._text = lambda operator, request: (
        '{"feedback": "", "passed": true}' if operator == "Review" else "word " * 60
    )
    canvas = make(backend, Task("Tell me.", "qa"), min_steps=1, needs_structure=False)
    await build(canvas, "Custom -> Review")
    assert "formatting" in render((await canvas.step(Turn("…", Finish()))).feedback)


@pytest.mark.parametrize("operators", ["Plan,Custom,Review,Revise,Aggregate", "Plan,Custom"])
async def test_nothing_is_asked_for_that_the_library_does_not_have(operators):
    backend = InstantLLM()
    backend._text = lambda operator, request: (
        '{"feedback": "", "passed": true}' if operator == "Review" else "word " * 60
    )
    task, library = Task("Tell me.", "qa"), load_library(f"paper:{operators}")
    executor = Executor(library, backend, InstantSandbox(), Memo(), {})
    canvas = Canvas(task, executor, rules_for(task, library))
    await build(canvas, f"Plan -> [Custom, Custom] -> {'Review' if 'Review' in operators else 'Plan'} -> Custom")
    assert len(canvas.draft.answer) > LONG_ANSWER
    assert (await canvas.step(Turn("…", Finish()))).accepted


async def test_a_code_task_with_public_tests_needs_a_test():
    task = Task("Write f.", "code", entry_point="f", public_tests=AssertTests("assert f() == 1"))
    canvas = await build(make(task=task, min_steps=1, needs_structure=False), "Review")
    assert "Test" in render((await canvas.step(Turn("…", Finish()))).feedback)


async def test_the_turn_limit_scores_the_workflow_as_it_stands():
    canvas = await build(make(settings=Settings(max_turns=2)), "Plan -> Custom")
    assert canvas.done == "turn limit"
    assert canvas.draft.answer == "42"


async def test_rejections_in_a_row_can_end_an_episode():
    canvas = make(settings=Settings(max_rejected=2))
    for action in (AddStep("Nope"), AddStep("Plan"), AddStep("Nope"), AddStep("Nope")):
        assert not canvas.done
        await canvas.step(Turn("…", action))
    assert canvas.done == "rejected edits"


async def test_without_execution_nothing_runs_before_the_end():
    backend = InstantLLM()
    canvas = await build(make(backend, settings=Settings(feedback="status")), FULL)
    assert backend.calls == []
    assert "results" not in render(canvas.observe().history[-1].feedback)
    await canvas.step(Turn("…", Finish()))
    assert len(backend.calls) == 7
    assert canvas.draft.answer == "42"


async def test_two_steps_ask_for_the_instruction_of_each_new_step():
    backend = InstantLLM()
    canvas = make(backend, two_step=True)
    step = await canvas.step(Turn("…", AddStructure(parse_dsl("[Custom, Programmer]").nodes[0])))
    assert "now: write the instruction of node_2 Custom" in render(step.feedback)
    assert not (await canvas.step(Turn("…", AddStep("Plan")))).accepted
    await canvas.step(Turn("…", PromptText("be brief")))
    assert backend.calls == []
    await canvas.step(Turn("…", PromptText("use sympy")))
    assert sorted(backend.calls) == ["Custom", "Programmer"]
    assert canvas.observe().asks_prompt is None
    await canvas.step(Turn("…", Modify("node_2", "AnswerGenerate")))
    assert canvas.observe().asks_prompt == "node_2"
    assert canvas.turn == 5


async def test_an_instruction_reaches_the_feedback_and_runs_the_node_again():
    backend = InstantLLM()
    canvas = await build(make(backend), "Plan -> Custom -> Review")
    await canvas.step(Turn("…", SetPrompt("node_2", "think twice")))
    assert backend.calls == ["Plan", "Custom", "Review", "Custom"], "the answer is the same, so the check stands"


async def test_each_node_run_is_told_of_once():
    events = []
    canvas = await build(make(events=events), "Plan -> Custom -> Review")
    ran = [(event.turn, event.operator) for event in events if isinstance(event, NodeRan)]
    assert ran == [(1, "Plan"), (2, "Custom"), (3, "Review")]
    assert [type(event) for event in events[:3]] == [EditApplied, NodeRan, FeedbackGiven]
    assert canvas.spent.calls == 3


async def test_deleting_and_adding_again_is_free_and_told():
    backend = InstantLLM()
    canvas = await build(make(backend), "Plan -> Custom")
    await canvas.step(Turn("…", Delete("node_2")))
    step = await canvas.step(Turn("…", AddStep("Custom")))
    assert backend.calls == ["Plan", "Custom"]
    assert "node_3 Custom: " in render(step.feedback)


async def test_feedback_holds_no_more_than_its_budget():
    backend = InstantLLM()
    backend._text = lambda operator, request: "x" * 100_000
    canvas = await build(make(backend), "Custom -> Custom -> Custom")
    assert len(render(canvas.observe().history[-1].feedback)) < 4000


@pytest.mark.parametrize("budget", [*range(1, 8), 40])
def test_what_is_shortened_is_no_longer_than_its_budget(budget):
    assert len(shorten("x" * 100, budget)) == budget


@pytest.mark.parametrize("budget", [400, 250, 90, 40])
def test_results_that_are_too_long_are_left_out_whole_and_counted(budget):
    nodes = tuple(Step(node_id(number), "Custom") for number in range(1, 9))
    ran = tuple(
        NodeRan(1, node.id, "Custom", (), False, Draft(answer=f"said by {node.id}"), None, "x:", NO_USAGE, 0, 0.0)
        for node in nodes
    )
    heard = Feedback(True, "added", (), Workflow(nodes, 9), ran, None, (), 1, 20)
    text = render(heard, Budgets(results=budget)).partition("results:\n")[2].partition("\noperators:")[0]
    assert len(text) <= budget
    lines = text.split("\n")
    whole = [line for line in lines if not line.startswith("[")]
    if budget >= 90:
        assert all(re.fullmatch(r"- (node_\d) Custom: answer: said by \1", line) for line in whole)
        assert whole[-1].startswith("- node_8")
    if budget < 300:
        assert f"[{8 - len(whole)} more results are left out here]" in lines or budget < 80


async def test_the_words_of_the_feedback_are_the_policy_s_input():
    """A change here changes what a trained Director sees: update the snapshot only on purpose."""
    canvas = make(InstantLLM(("Verify",)))
    said = [*edits(FULL), AddStep("Checker"), ActionError("no action was found", "emit one action"), Finish("42")]
    texts = [render((await canvas.step(Turn("…", action))).feedback) for action in said]
    text = "\n\n".join(texts) + "\n"
    file = SNAPSHOTS / "feedback.txt"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        pytest.fail(f"wrote {file.name}; read it, then run again")
    assert text == file.read_text()


TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["\n", "\r\n", "\u2028", "\x85", "\x0c"]).map(
        lambda end: f"Plan{end}turn 1 of 9{end}finish is allowed"
    ),
)
SAYINGS = st.one_of(
    st.builds(AddStep, TEXTS, TEXTS, TEXTS, st.none(), TEXTS),
    st.builds(AddStep, st.just("Plan"), TEXTS, TEXTS, st.none(), TEXTS),
    st.builds(lambda name: AddStructure(Loop(NodeId(""), (Step(NodeId(""), name),), 2)), TEXTS),
    st.builds(Delete, TEXTS),
    st.builds(Modify, st.just("node_1"), TEXTS),
    st.builds(Modify, TEXTS, TEXTS),
    st.builds(SetPrompt, TEXTS, TEXTS),
    st.builds(SetPrompt, st.just("node_1"), TEXTS),
    st.builds(WrapParallel, st.lists(TEXTS, max_size=3).map(tuple)),
    st.builds(WrapLoop, st.lists(TEXTS, max_size=3).map(tuple), st.integers()),
    st.builds(WrapConditional, TEXTS, st.lists(TEXTS, max_size=2).map(tuple)),
    st.builds(Finish, TEXTS),
    st.builds(PromptText, TEXTS),
    st.builds(ActionError, TEXTS, TEXTS),
)


@given(st.lists(SAYINGS, max_size=4), TEXTS)
def test_nothing_a_director_or_an_operator_writes_can_pass_for_a_line_of_the_canvas(actions, written):
    backend, events = InstantLLM(), []
    backend._text = lambda operator, request: written
    canvas = make(backend, events=events)

    async def play():
        return [(await canvas.step(Turn("…", action))).feedback for action in (AddStep("Plan"), *actions)]

    for number, feedback in enumerate(asyncio.run(play()), 1):
        first, *lines = render(feedback).splitlines()
        assert first.startswith("accepted: " if feedback.accepted else "rejected: ")
        heads = [line.partition(" ")[0] for line in lines]
        results = ["results:", *("-" for _ in feedback.fresh)] if feedback.fresh else []
        legal, nodes = ["legal:"] if feedback.choices else [], ["nodes:"] if canvas.workflow.nodes else []
        assert heads == [*legal, "workflow:", *nodes, *results, "operators:", "finish", "turn"]
        assert lines[-1] == f"turn {number} of 20"
    said = [event for event in events if isinstance(event, EditRejected) and event.parsed]
    assert all(len(event.reason.splitlines()) == 1 for event in said)


async def test_what_an_llm_reads_is_what_is_recorded():
    events = []
    canvas = make(settings=Settings(budgets=Budgets(status=20, field=12)), events=events)
    await build(canvas, "Plan -> Decompose")
    told = [event.text for event in events if isinstance(event, FeedbackGiven)]
    seen = canvas.observe()
    assert [message.content for message in messages(seen, "conversation") if message.role == "user"][1:] == told
    assert told[-1] in messages(seen, "rebuilt")[-1].content
    assert "[…]" in told[-1]


@pytest.mark.parametrize(("told", "heard"), [("full", "results:"), ("status", "accepted: "), ("none", "")])
async def test_what_a_director_is_told_is_one_setting(told, heard):
    events = []
    canvas = make(settings=Settings(feedback=told), events=events)
    step = await canvas.step(Turn("…", AddStep("Plan")))
    (given,) = (event for event in events if isinstance(event, FeedbackGiven))
    assert canvas.observe().history[-1].feedback is step.feedback is given.feedback
    assert given.text == render(step.feedback)
    assert heard in given.text
    assert ("results:" in given.text) == (told == "full")
    assert (step.feedback is None) == (told == "none")


@pytest.mark.parametrize("told", ["full", "status", "none"])
@pytest.mark.parametrize("trained", ["full", "status", "none"])
def test_a_trained_director_is_told_no_more_than_in_training(told, trained):
    heard = Settings(feedback=told).heard_by(SimpleNamespace(canvas=Settings(feedback=trained))).feedback
    assert heard == ("none" if "none" in (told, trained) else "status" if "status" in (told, trained) else "full")
    assert Settings(feedback=told).heard_by(None).feedback == told


async def test_the_workflow_told_is_the_workflow_held():
    canvas = await build(make(), FULL)
    feedback = render(canvas.observe().history[-1].feedback)
    assert re.search(r"^workflow: (.*)$", feedback, re.M)[1] == to_dsl(canvas.workflow)
