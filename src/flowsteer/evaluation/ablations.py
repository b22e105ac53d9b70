"""The paper's ablations: a Director that goes without something (spec §7)."""

from typing import Literal, get_args

from flowsteer.canvas.feedback import Told
from flowsteer.director.spec_options import refuse_votes
from flowsteer.errors import ConfigError
from flowsteer.evaluation.baselines import HAND_MADE
from flowsteer.evaluation.one_turn import OneTurnSystem
from flowsteer.evaluation.systems import DirectorSystem, System, WorkflowSystem
from flowsteer.workflow.dsl import parse_dsl

Ablation = Literal["canvas", "multi-turn", "prompts", "agent"]
ABLATIONS: tuple[Ablation, ...] = get_args(Ablation)

OPTION = " --without "
"""Between the Director's spec and what it goes without, as in `director:openai:gpt-5-mini --without canvas,prompts`."""


def ablated(director: str, without: frozenset[Ablation]) -> System:
    """The system of a Director that goes without something; the name says it.

    * `canvas`: edits are accepted or rejected, but nothing runs until the end, so feedback carries no results.
    * `prompts`: every instruction is dropped, so all operators work by their own; the canvas asks for none.
    * `multi-turn`: the Director is asked once, for the whole workflow as DSL.
    * `agent`: no Director at all; the first of `HAND_MADE` runs on every task.

    Args:
        director: Spec of the Director.
        without: What it goes without; `canvas` and `prompts` go together, the others stand alone.

    Raises:
        ConfigError: If they do not go together.
    """
    names = [name for name in ABLATIONS if name in without]
    name = f"director:{director}" + (f"{OPTION}{','.join(names)}" if names else "")
    if len(names) > 1 and set(names) != {"canvas", "prompts"}:
        raise ConfigError(f"{' and '.join(names)} cannot be left out together", "only canvas,prompts can be combined")
    if "agent" in without:
        return WorkflowSystem(name, parse_dsl(HAND_MADE[0]))
    if "multi-turn" in without:
        refuse_votes(director, "a Director without turns")
        return OneTurnSystem(name, director)
    told: Told = "status" if "canvas" in without else "full"
    return DirectorSystem(name, director, feedback=told, prompts="prompts" not in without)
