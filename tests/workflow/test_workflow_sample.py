"""Random edits are legal, reproducible, and reach every kind."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.nodes import Workflow, steps
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.sample import random_edit
from strategies import RULES, workflows


@settings(max_examples=50)
@given(workflows(max_leaves=6), st.integers(0, 1000))
def test_a_random_edit_is_always_accepted(workflow: Workflow, seed: int) -> None:
    edit = random_edit(workflow, RULES, random.Random(seed))
    assert edit is not None
    assert isinstance(apply(workflow, edit, RULES), Applied)
    assert random_edit(workflow, RULES, random.Random(seed)) == edit


def walk_at_random(rules: Rules, turns: int) -> tuple[Workflow, set[str]]:
    workflow, rng, kinds = Workflow(), random.Random(7), set()
    for _ in range(turns):
        edit = random_edit(workflow, rules, rng)
        assert edit is not None
        kinds.add(type(edit).__name__)
        outcome = apply(workflow, edit, rules)
        assert isinstance(outcome, Applied)
        workflow = outcome.workflow
        assert sum(1 for _ in steps(workflow.nodes)) <= rules.max_steps
    return workflow, kinds


def test_every_kind_of_edit_is_drawn_and_the_size_limit_holds() -> None:
    _, kinds = walk_at_random(replace(RULES, max_steps=8), 300)
    assert len(kinds) == 8


def test_none_is_drawn_only_when_nothing_is_legal() -> None:
    assert random_edit(Workflow(), Rules({}), random.Random(0)) is None
    full, _ = walk_at_random(replace(RULES, max_steps=1), 1)
    kinds = {type(random_edit(full, Rules({}), random.Random(seed))).__name__ for seed in range(40)}
    assert kinds == {"Delete", "SetPrompt", "WrapLoop"}
