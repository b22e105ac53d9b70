"""The tiny policy's view says in few words what the canvas said, and nothing else."""

import pytest

from flowsteer.canvas.director import Turn
from flowsteer.datasets.base import Sample
from flowsteer.datasets.simulated_tasks import simulated_sample
from flowsteer.director.parse import parse_action
from flowsteer.errors import ActionError
from flowsteer.execution.memo import Memo
from flowsteer.runs.events import ignore
from flowsteer.task import AssertTests, Task
from flowsteer.training.policy.view import CompactView, compact, features


async def told(words, kind="math"):
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
            answers.append(CompactView().answer((await canvas.step(Turn(text, action))).feedback))
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


@pytest.mark.parametrize("need", ["verification", "formatting", "structure", "operators", "Test"])
def test_each_condition_keeps_its_word(need):
    said = {
        "verification": "a verification operator (Test or Review or Verify)",
        "formatting": "a formatting operator (Format)",
        "structure": "a structure: parallel, conditional or loop",
        "operators": "at least 5 operators (there are 2)",
        "Test": "the operator Test",
    }[need]
    assert compact(f"accepted: x\nfinish needs {said}\nturn 1 of 4") == f"ok | needs {need} left 3"


def test_features_are_coarse_and_never_the_question():
    task = Task("x" * 500, "code", context="y", public_tests=AssertTests("assert f(1)"), answer_form="code")
    assert features(task) == ["long", "context", "tested", "form"]
    sample: Sample = simulated_sample("qa", "train", 0, 3)
    assert set(features(sample.task)) == {sample.reference.meta["topic"], sample.reference.meta["difficulty"]}
