"""Random legal edits: what an untrained Director that knows the rules would do."""

import random
from collections.abc import Callable, Iterator

from flowsteer.workflow.apply import Applied, apply
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
from flowsteer.workflow.nodes import MAX_LOOP, Conditional, Loop, NodeId, Parallel, Step, Workflow, steps, walk
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.tree import containers

INSTRUCTIONS = ("Be brief.", "Work step by step.", "Check every number.", "Look for another way.")

Source = Callable[[Workflow, Rules, random.Random], Iterator[Edit]]


def random_edit(workflow: Workflow, rules: Rules, rng: random.Random) -> Edit | None:
    """Draw an edit that `apply` accepts: first its kind, then one of that kind, each uniformly.

    Args:
        workflow: The workflow as it stands.
        rules: The rules.
        rng: Source of chance; the same state gives the same edit.

    Returns:
        The edit, or None if no edit is legal.
    """
    for source in rng.sample(_SOURCES, len(_SOURCES)):
        candidates = list(source(workflow, rules, rng))
        rng.shuffle(candidates)
        for edit in candidates:
            if isinstance(apply(workflow, edit, rules), Applied):
                return edit
    return None


def _places(workflow: Workflow) -> Iterator[tuple[str, int]]:
    for container, children in containers(workflow.nodes).items():
        for position in range(len(children) + 1):
            yield container, position


def _new_steps(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    for container, position in _places(workflow):
        for name in rules.categories:
            yield AddStep(name, position=position, container=container)


def _new_structures(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    """Structures of one or two random operators and a count, for every place."""
    names, checks = tuple(rules.categories), rules.of("verification")
    if not names:
        return
    unset = NodeId("")

    def step() -> tuple[Step]:
        return (Step(unset, rng.choice(names)),)

    for container, position in _places(workflow):
        yield AddStructure(Parallel(unset, (step(), step())), position, container)
        yield AddStructure(Loop(unset, step() + step(), rng.randint(1, MAX_LOOP)), position, container)
        if checks:
            check = Step(unset, rng.choice(checks))
            yield AddStructure(Conditional(unset, check, step(), rng.choice([(), step()])), position, container)


def _runs(workflow: Workflow) -> Iterator[tuple[NodeId, ...]]:
    """Every run of siblings, by id."""
    for children in containers(workflow.nodes).values():
        ids = tuple(node.id for node in children)
        for first in range(len(ids)):
            for last in range(first + 1, len(ids) + 1):
                yield ids[first:last]


def _parallels(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    return (WrapParallel(run) for run in _runs(workflow) if len(run) > 1)


def _loops(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    return (WrapLoop(run, count) for run in _runs(workflow) for count in range(1, MAX_LOOP + 1))


def _conditionals(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    for check, *rest in _runs(workflow):
        if rest:
            for split in range(len(rest) + 1):
                yield WrapConditional(check, tuple(rest[:split]), tuple(rest[split:]))


def _deletes(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    return (Delete(node.id) for node in walk(workflow.nodes))


def _modifies(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    return (Modify(step.id, name) for step in steps(workflow.nodes) for name in rules.categories)


def _prompts(workflow: Workflow, rules: Rules, rng: random.Random) -> Iterator[Edit]:
    return (SetPrompt(step.id, text) for step in steps(workflow.nodes) for text in INSTRUCTIONS)


_SOURCES: tuple[Source, ...] = (
    _new_steps,
    _new_structures,
    _parallels,
    _loops,
    _conditionals,
    _deletes,
    _modifies,
    _prompts,
)
