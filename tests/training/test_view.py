"""The tiny policy's view says in few words what the canvas said, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.canvas.director import Turn
from flowsteer.datasets.base import Sample
from flowsteer.datasets.simulated_tasks import simulated_sample
from flowsteer.director.parse import parse_action
from flowsteer.draft import Draft, Verdict
from flowsteer.errors import ActionError, ConfigError
from flowsteer.execution.memo import Memo
from flowsteer.runs.events import Failure, Feedback, NodeRan, ignore
from flowsteer.task import AssertTests, Task
from flowsteer.training.policy.view import CompactView, compact, compact_view, features, terse
from flowsteer.usage import NO_USAGE
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.rules import Condition

EARLIER = CompactView(reminds=False)


async def told(words, kind="math", view=EARLIER):
    """The compact feedback after each of these turns on a real canvas."""
    pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")
    from training.small import arena

    answers = []
    async with arena() as place:
        canvas = place.open(simulated_sample(kind, "train", 0, 1), ignore, 0, Memo())
        for text in words:
            try:
                action = parse_action(text)
            except ActionError as error:
                action = error
            answers.append(view.answer((await canvas.step(Turn(text, action))).feedback, canvas.task))
    return answers


async def test_feedback_of_a_real_canvas_in_few_words():
    answers = await told(
        [
            "<action>add</action><operator>Custom</operator>",
            "<action>add</action><operator>Test</operator>",
            "<action>add</action><structure>loop</structure><operators>Review</operators><count>3</count>",
            "nonsense",
        ]
    )
    assert answers == [
        "ok node_1 | 1 left 4\n",
        "ok node_2 error | 2 left 3\n",
        "ok node_4 pass | 3 left 2\n",
        "no | 3 left 1\n",
    ]


async def test_what_a_finish_needs_is_named():
    answers = await told(["<action>add</action><operator>Plan</operator>"], "code")
    assert answers == ["ok node_1 | 1 needs Test left 4\n"]


async def test_a_new_policy_hears_less_and_is_told_again_what_the_task_is():
    words = ["<action>add</action><operator>Custom</operator>", "nonsense"]
    sample = simulated_sample("math", "train", 0, 1)
    known = " ".join(("math", *features(sample.task)))
    assert await told(words, view=CompactView()) == [f"ok node_1 1 ready 4 {known}\n", f"no 1 ready 3 {known}\n"]


def test_the_operator_of_a_failed_check_is_named():
    fresh = (ran("node_1", wrote=Draft(verdict=Verdict(False))), ran("node_2", wrote=Draft(verdict=Verdict(True))))
    said = Feedback(True, "", (), parse_dsl("Verify -> Verify"), fresh, None, (), 1, 2)
    assert terse(said) == "ok node_1 Verify FAIL node_2 pass 2 ready 1"


def test_each_view_is_found_again_by_its_mark():
    for view in (CompactView(), CompactView(reminds=False)):
        assert compact_view(view.name) == view
    assert compact_view("chat") is None


CONDITIONS = {
    "verification": Condition("category", "verification", ("Test", "Review", "Verify")),
    "formatting": Condition("category", "formatting", ("Format",)),
    "structure": Condition("structure"),
    "operators": Condition("steps", least=5, found=2),
    "Test": Condition("operator", "Test"),
}


@pytest.mark.parametrize("need", CONDITIONS)
def test_each_condition_keeps_its_word(need):
    said = Feedback(True, "x", (), parse_dsl("Plan"), (), None, (CONDITIONS[need],), 1, 4)
    assert compact(said) == f"ok | 1 needs {need} left 3"


def ran(node, iteration=(), wrote=Draft(), failure=None):  # noqa: B008 - frozen
    return NodeRan(1, node, "Verify", iteration, False, wrote, failure, "x", NO_USAGE, 0, 0.0)


@given(st.lists(st.tuples(st.sampled_from(["pass", "FAIL", "error", ""]), st.text()), max_size=30), st.text())
def test_every_run_is_told_however_much_was_written_and_whatever_it_says(runs, status):
    """Neither the length of what nodes wrote nor words that look like the canvas's own change what is read."""
    fresh = []
    for number, (state, text) in enumerate(runs, 1):
        verdict = Verdict(state == "pass", text * 99) if state in ("pass", "FAIL") else None
        failure = Failure("odd", f"{text}\nturn 1 of 2") if state == "error" else None
        fresh.append(ran(f"node_{number}", wrote=Draft(answer=text * 99, verdict=verdict), failure=failure))
    said = compact(Feedback(True, status, (), parse_dsl("Plan"), tuple(fresh), None, (), 2, 9)).split()
    words = [word for number, (state, _) in enumerate(runs, 1) for word in (f"node_{number}", state) if word]
    assert said == ["ok", *words, "|", "1", "left", "7"]


def test_of_a_node_that_ran_more_than_once_the_last_run_is_told():
    fresh = tuple(ran("node_1", (at,), Draft(verdict=Verdict(at == 1))) for at in (0, 1))
    assert compact(Feedback(True, "", (), parse_dsl("Verify"), fresh, None, (), 1, 2)) == "ok node_1 pass | 1 left 1"


def test_words_alone_are_for_llms():
    with pytest.raises(ConfigError, match="in words alone"):
        CompactView().answer("accepted: added node_1 Plan at the end", Task("x"))


def test_features_are_coarse_and_never_the_question():
    task = Task("x" * 500, "code", context="y", public_tests=AssertTests("assert f(1)"), answer_form="code")
    assert features(task) == ["long", "context", "tested", "form"]
    sample: Sample = simulated_sample("qa", "train", 0, 3)
    assert set(features(sample.task)) == {sample.reference.meta["topic"], sample.reference.meta["difficulty"]}
