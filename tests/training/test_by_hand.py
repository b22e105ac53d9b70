"""The workflows by hand that a trained Director is measured against: whole, good, and within the demo's reach."""

from itertools import islice
from pathlib import Path

import pytest

from flowsteer.canvas.director import Turn
from flowsteer.datasets.simulated_tasks import TYPES, simulated_samples
from flowsteer.director.render import render_action
from flowsteer.errors import ConfigError
from flowsteer.evaluation.by_hand import BY_HAND, by_hand
from flowsteer.grading.base import Grade
from flowsteer.grading.connect import open_grader
from flowsteer.reward.reward import reward
from flowsteer.session import open_session
from flowsteer.training.config import load_training, setup_of
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.edits import AddStep, AddStructure, Finish
from flowsteer.workflow.nodes import Step

DEMO = Path(__file__).parents[2] / "examples" / "demo.toml"
EACH = 100
MEASURED = {
    "typed": {"math": 0.89, "qa": 0.90, "code": 0.96},
    "typed-2": {"math": 0.88, "qa": 0.93, "code": 0.98},
}
"""Share of right answers on the first hundred test tasks of each type: a yardstick that moved would be seen."""


def demo(world):
    return setup_of(load_training(DEMO, [f"executor.backend=simulated:{world}"]))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("world", list(BY_HAND))
async def test_each_opens_the_gate_on_every_task_and_is_as_good_as_measured(world, kind):
    workflow, right = parse_dsl(by_hand(f"simulated:{world}")[kind]), 0.0
    async with open_session(demo(world)) as session, open_grader() as grade:
        for sample in islice(simulated_samples("test", 0, (kind,)), EACH):
            done = await session.execute(workflow, sample.task)
            found = reward(workflow, done.succeeded, session.library.categories, Grade(1.0, {}, ""))
            assert found.gate_open, (sample.task.id, found.terms)
            right += (await grade(sample, done.draft.answer)).score
    assert right / EACH == MEASURED[world][kind]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("world", list(BY_HAND))
async def test_a_director_has_turns_enough_to_build_it(world, kind):
    workflow = parse_dsl(BY_HAND[world][kind])
    async with open_session(demo(world)) as session:
        canvas = session.canvas(next(simulated_samples("test", 0, (kind,))).task)
        edits = [AddStep(node.operator) if isinstance(node, Step) else AddStructure(node) for node in workflow.nodes]
        for edit in (*edits, Finish()):
            result = await canvas.step(Turn(render_action(edit), edit))
            assert result.feedback.accepted, result.feedback.status
        assert canvas.done


def test_a_world_that_needs_no_types_has_none():
    with pytest.raises(ConfigError, match="flat"):
        by_hand("simulated:flat")
