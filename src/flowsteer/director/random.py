"""A Director that edits at random: what training starts above, and a Director for trying everything without a model."""

import random
from dataclasses import dataclass

from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.director.parse import parse_action
from flowsteer.director.render import render_action
from flowsteer.errors import ConfigError
from flowsteer.workflow.edits import Finish
from flowsteer.workflow.sample import INSTRUCTIONS, random_edit

FINISH = 0.5
"""Chance of a finish in each turn in which it is allowed."""


@dataclass(frozen=True, slots=True)
class RandomDirector:
    """Draws a legal edit each turn, and finishes at some time once it may.

    Its choice is a function of its seed, the episode's, the task, and what was said so far: the same episode comes out
    again.

    Attributes:
        seed: Another seed, another Director.
    """

    seed: int = 0

    @property
    def spec(self) -> str:
        """`simulated:`, with the seed unless it is 0."""
        return f"simulated:?seed={self.seed}" if self.seed else "simulated:"

    async def act(self, observation: Observation) -> Turn:
        """Draw the next action.

        Raises:
            ConfigError: If the canvas allows no edit at all.
        """
        said = tuple(turn.text for turn in observation.history)
        rng = random.Random(repr((self.seed, observation.seed, observation.task.digest, said)))  # noqa: S311
        if observation.asks_prompt:
            reply = PromptText(rng.choice(INSTRUCTIONS))
            return Turn(f"<prompt>{reply.text}</prompt>", reply)
        if not observation.unmet and rng.random() < FINISH:
            return Turn(render_action(Finish()), Finish())
        edit = random_edit(observation.workflow, observation.rules, rng)
        if edit is None:
            raise ConfigError("the canvas allows no edit at all", "raise max_steps or choose a library with operators")
        text = render_action(edit)
        return Turn(text, parse_action(text))
