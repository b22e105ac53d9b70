"""Observations for the tests of Directors."""

from dataclasses import replace

from flowsteer.canvas.director import Exchange, Observation
from flowsteer.operators.registry import load_library
from flowsteer.task import Task
from flowsteer.workflow.nodes import NodeId, Workflow
from flowsteer.workflow.rules import Rules, unmet

LIBRARY = load_library("paper")
TASK = Task("Natalia sold clips to 48 friends in April, and half as many in May. How many in all?", "math")


def observe(
    workflow: Workflow = Workflow(),  # noqa: B008 - frozen
    task: Task = TASK,
    asks_prompt: NodeId | None = None,
    history: tuple[Exchange, ...] = (),
    max_turns: int = 20,
    seed: int = 0,
    **rules: object,
) -> Observation:
    canvas = replace(Rules(LIBRARY.categories, max_runs=10**40), **rules)
    return Observation(
        task=task,
        library=LIBRARY,
        rules=canvas,
        workflow=workflow,
        turn=len(history) + 1,
        max_turns=max_turns,
        unmet=unmet(workflow, canvas),
        asks_prompt=asks_prompt,
        history=history,
        seed=seed,
    )
