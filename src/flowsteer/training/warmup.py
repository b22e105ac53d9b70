"""Edit scripts for a cold start: what teaches the action language and no choice.

A script is drawn without a look at the task. Four in five are role-ordered: planning before solving before checking
before formatting, with the operators of each role, the structures and the length drawn uniformly; a fifth are legal
edits drawn uniformly. Uniform scripts alone teach structure but no accuracy, and RL soon leads a policy that was taught
on scripts of a few lengths to lengths it has never seen; so the order is that of roles, and all lengths occur.
"""

import random
from dataclasses import dataclass

from flowsteer.canvas.director import Observation
from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.edits import Action, AddStep, AddStructure, Edit, Finish
from flowsteer.workflow.nodes import Category, Conditional, Loop, Node, NodeId, Parallel, Step, steps
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.sample import random_edit

FREE = 0.2
"""Share of scripts that are legal edits drawn uniformly."""

DETOUR = 0.1
"""Chance that a turn of a role-ordered script is a random edit: what shows modify, delete, wraps and instructions."""

ORDER: tuple[Category, ...] = ("planning", "solving", "ensemble", "verification", "revision", "formatting")
MOST_ROUNDS = 3
_UNSET = NodeId("")


@dataclass(frozen=True, slots=True)
class WarmupSettings:
    """How the cold start learns.

    Attributes:
        epochs: Times each is learned from.
        batch: Episodes an update.
        learning_rate: Its peak; a short rise, then a cosine to zero.
    """

    epochs: int = 1
    batch: int = 16
    learning_rate: float = 3e-3


@dataclass(slots=True)
class Script:
    """One script, made up turn by turn as the canvas answers.

    Attributes:
        rng: Source of chance; the same seed and canvas give the same script.
        turns: The turn from which it finishes as soon as the canvas allows; earlier only if no operator has room.
        free: Whether it is drawn uniformly.
    """

    rng: random.Random
    turns: int
    free: bool

    @classmethod
    def draw(cls, seed: int, max_turns: int) -> "Script":
        """A script of any length up to the turn limit, each as likely."""
        rng = random.Random(seed)  # noqa: S311
        return cls(rng, rng.randint(2, max_turns), rng.random() < FREE)

    def act(self, observation: Observation) -> Action | None:
        """The next action; None if the canvas allows none."""
        room = observation.rules.max_steps - sum(1 for _ in steps(observation.workflow.nodes))
        if (observation.turn >= self.turns or not room) and not observation.unmet:
            return Finish()
        if not self.free and self.rng.random() >= DETOUR:
            for _ in range(8):
                edit = self._add(observation)
                if isinstance(apply(observation.workflow, edit, observation.rules), Applied):
                    return edit
        drawn = random_edit(observation.workflow, observation.rules, self.rng)
        return Finish() if drawn is None and not observation.unmet else drawn

    def _add(self, observation: Observation) -> Edit:
        """A step or structure of the role that is due by the script's length, or of a neighbouring one, at the end."""
        rng, rules = self.rng, observation.rules
        roles = [role for role in ORDER if rules.of(role)]
        due = (observation.turn - 1) * len(roles) // max(1, self.turns - 1)
        role = roles[min(max(0, due + rng.randint(-1, 1)), len(roles) - 1)]
        node = _node(role, rules, rng)
        return AddStep(node.operator) if isinstance(node, Step) else AddStructure(node)


def _node(role: Category, rules: Rules, rng: random.Random) -> Node:
    """A step of a role, or a structure that fits it."""
    step = _step(role, rules, rng)
    if role == "solving" and rng.random() < 1 / 3:
        branches = tuple((_step(role, rules, rng),) for _ in range(rng.randint(2, 3)))
        return Parallel(_UNSET, branches)
    if role == "verification" and rng.random() < 1 / 3:
        repair = _step(rng.choice(("revision", "solving")), rules, rng)
        if rng.random() < 1 / 2:
            return Conditional(_UNSET, step, (repair,))
        return Loop(_UNSET, (step, repair), rng.randint(1, MOST_ROUNDS))
    return step


def _step(role: Category, rules: Rules, rng: random.Random) -> Step:
    return Step(_UNSET, rng.choice(rules.of(role) or tuple(rules.categories)))
