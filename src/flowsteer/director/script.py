"""From a workflow back to the edits that build it."""

from flowsteer.canvas.director import PromptText
from flowsteer.errors import ConfigError
from flowsteer.workflow.edits import Action, AddStep, AddStructure, Finish, SetPrompt
from flowsteer.workflow.nodes import Conditional, Step, Structure, Workflow, steps, walk
from flowsteer.workflow.tree import bare, renumbered

Script = list[Action | PromptText]


def script_for(workflow: Workflow, two_step: bool = False) -> Script:
    """Actions that build a workflow on an empty canvas, one top-level node after the other, and finish.

    What they build has the workflow's shape, instructions and backends, and ids that count from 1 in reading order.

    Args:
        workflow: What to build.
        two_step: Whether the canvas asks for each new step's instruction in a turn of its own.

    Raises:
        ConfigError: If no action can say it: a conditional with two empty branches, or in two-step mode a step without
            an instruction.

    >>> from flowsteer.workflow import parse_dsl
    >>> [type(action).__name__ for action in script_for(parse_dsl("Plan -> [Custom, Programmer] -> ScEnsemble"))]
    ['AddStep', 'AddStructure', 'AddStep', 'Finish']
    """
    nodes, _ = renumbered(workflow.nodes, 1)
    silent = [step for step in steps(nodes) if not step.prompt]
    if two_step and silent:
        raise ConfigError(
            f"{silent[0].id} {silent[0].operator} has no instruction, and a two-step canvas asks for one",
            "give every step an instruction, or use inline prompts",
        )
    hollow = [node.id for node in walk(nodes) if isinstance(node, Conditional) and not (node.if_fail or node.if_pass)]
    if hollow:
        raise ConfigError(
            f"{hollow[0]} has two empty branches, and no edit makes such a conditional", "fill one of them"
        )
    script: Script = []
    for node in nodes:
        if isinstance(node, Step):
            script.append(AddStep(node.operator, node.prompt, node.backend))
        else:
            script += _structure(node, two_step)
    return [*script, Finish()]


def _structure(structure: Structure, two_step: bool) -> Script:
    """An add of the bare structure, and the instructions of its steps, each a turn of its own."""
    inner = list(steps((structure,)))
    added = AddStructure(bare(structure))
    if two_step:
        return [added, *(PromptText(step.prompt) for step in inner)]
    return [added, *(SetPrompt(step.id, step.prompt) for step in inner if step.prompt)]
