"""Hypothesis strategies for workflows and edits."""

import random

from hypothesis import strategies as st

from flowsteer.workflow.dsl import parse_structure
from flowsteer.workflow.edits import (
    AddStep,
    AddStructure,
    Delete,
    Edit,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.nodes import MAX_LOOP, Conditional, Loop, NodeId, Parallel, Sequence, Step, Workflow, walk
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.tree import containers, renumbered

CATEGORIES_BY_NAME = {
    "Plan": "planning",
    "Programmer": "solving",
    "Custom": "solving",
    "Test": "verification",
    "Review": "verification",
    "Revise": "revision",
    "ScEnsemble": "ensemble",
    "Format": "formatting",
}
OPERATORS = tuple(CATEGORIES_BY_NAME)
CHECKS = ("Test", "Review")
BACKENDS = ("some:model", "große Maschine")
RULES = Rules(CATEGORIES_BY_NAME, max_steps=24, max_runs=10**40, backends=BACKENDS)
UNSET = NodeId("")


def bare_steps(names: tuple[str, ...] = OPERATORS) -> st.SearchStrategy[Step]:
    """Steps of an operator and no more."""
    return st.builds(Step, st.just(UNSET), st.sampled_from(names))


def written_steps(names: tuple[str, ...] = OPERATORS) -> st.SearchStrategy[Step]:
    """Steps as the DSL can say them: some name a backend."""
    return st.builds(Step, st.just(UNSET), st.sampled_from(names), st.just(""), st.sampled_from(("", "", "some:model")))


def full_steps(names: tuple[str, ...] = OPERATORS) -> st.SearchStrategy[Step]:
    """Steps with any instruction and backend."""
    return st.builds(
        Step, st.just(UNSET), st.sampled_from(names), st.text(max_size=8), st.sampled_from(("", *BACKENDS))
    )


def structures(inner, check) -> st.SearchStrategy[Parallel | Conditional | Loop]:
    """One structure around inner nodes."""
    filled = st.lists(inner, min_size=1, max_size=3).map(tuple)
    branch = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Parallel, st.just(UNSET), st.lists(filled, min_size=2, max_size=3).map(tuple)),
        st.builds(Conditional, st.just(UNSET), check, branch, branch),
        st.builds(Loop, st.just(UNSET), filled, st.integers(1, MAX_LOOP)),
    )


def sequences(step=bare_steps, max_leaves: int = 12) -> st.SearchStrategy[Sequence]:
    """Nested sequences without ids."""
    node = st.recursive(step(), lambda inner: structures(inner, step(CHECKS)), max_leaves=max_leaves)
    return st.lists(node, max_size=4).map(tuple)


def workflows(step=bare_steps, max_leaves: int = 12) -> st.SearchStrategy[Workflow]:
    """Workflows of any nesting, with ids in reading order from any number on."""
    first = st.one_of(st.just(1), st.integers(1, 50))
    return st.builds(lambda nodes, number: Workflow(*renumbered(nodes, number)), sequences(step, max_leaves), first)


def edits(workflow: Workflow) -> st.SearchStrategy[Edit]:
    """Edits of this workflow, many of them illegal; quick enough to draw sequences of them."""
    return st.integers(0, 2**32).map(lambda seed: any_edit(workflow, random.Random(seed)))


def any_edit(workflow: Workflow, rng: random.Random) -> Edit:
    """An edit with each part drawn from what exists and a little that does not."""
    run = rng.choice(_runs(workflow))
    target = rng.choice([*(node.id for node in walk(workflow.nodes)), NodeId("node_999")])
    operator = rng.choice((*OPERATORS, "Nobody"))
    text = rng.choice(("", " ", "Be brief."))
    place = (rng.choice((None, None, 0, 1, 2, -1)), rng.choice([*containers(workflow.nodes), "node_1"]))
    added = parse_structure(
        rng.choice(("[Plan, Custom]", "(Test -> Plan) * 2", "Test ? Plan@big : done", "(Nobody) * 3"))
    )
    split = rng.randint(1, 3)
    return rng.choice(
        (
            AddStep(operator, text, rng.choice(("", "some:model")), *place),
            AddStructure(added, *place),
            WrapParallel(run),
            WrapLoop(run, rng.randint(0, MAX_LOOP + 1)),
            WrapConditional(run[0], run[1:split], run[split:]),
            Delete(target),
            Modify(target, operator),
            SetPrompt(target, text),
        )
    )


def _runs(workflow: Workflow) -> list[tuple[NodeId, ...]]:
    """Runs of one to three siblings, and one that is none."""
    found = [
        tuple(node.id for node in children[first : first + size])
        for children in containers(workflow.nodes).values()
        for size in (1, 2, 3)
        for first in range(len(children) - size + 1)
    ]
    return [*found, (NodeId("node_999"), NodeId("node_1"))]
