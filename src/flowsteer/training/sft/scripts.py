"""Edit scripts for a cold start: what teaches the action language and no choice.

A script is drawn without a look at the task. Nine in ten are role-ordered: planning before solving before checking
before formatting, with the operators of each role, the structures and the length drawn uniformly; a tenth are legal
edits drawn uniformly. A script whose length is reached adds what the canvas says a finish still needs, and finishes; it
may do so in some of the turns before, too, so that the policy learns to heed what the canvas says.
Uniform scripts alone teach structure but no accuracy, and RL soon leads a policy that was taught on scripts of a few
lengths to lengths it has never seen; so the order is that of roles, and all lengths occur.
"""

import random
from dataclasses import dataclass

from flowsteer.canvas.director import Observation, Turn
from flowsteer.director.render import render_action
from flowsteer.errors import NoTurn
from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.edits import Action, AddStep, AddStructure, Edit, Finish
from flowsteer.workflow.facts import facts
from flowsteer.workflow.nodes import Category, Conditional, Loop, Node, NodeId, Parallel, Step, steps
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.sample import random_edit

FREE = 0.1
"""Share of scripts that are legal edits drawn uniformly."""

DETOUR = 0.05
"""Chance that a turn of a role-ordered script is a random edit: what shows modify, delete, wraps and instructions."""

ORDER: tuple[Category, ...] = ("planning", "solving", "ensemble", "verification", "revision", "formatting")
STRUCTURED: tuple[Category, ...] = ("solving", "verification")
"""Roles that structures are made of."""

MOST_ROUNDS = 3
_UNSET = NodeId("")


@dataclass(slots=True)
class Script:
    """One script as a Director, made up turn by turn as the canvas answers; it directs one episode.

    Attributes:
        rng: Source of chance; the same seed and canvas give the same script.
        turns: The turn from which it finishes as soon as the canvas allows; earlier only if no operator has room.
        free: Whether it is drawn uniformly.
        heed: Chance that a turn adds what a finish still needs before `turns` is reached.
    """

    rng: random.Random
    turns: int
    free: bool
    heed: float = 0.0

    @classmethod
    def draw(cls, seed: int, max_turns: int, heed: float = 0.0) -> "Script":
        """A script of any length up to the turn limit, each as likely."""
        rng = random.Random(seed)  # noqa: S311
        return cls(rng, rng.randint(2, max_turns), rng.random() < FREE, heed)

    @property
    def spec(self) -> str:
        """`script`."""
        return "script"

    async def act(self, observation: Observation) -> Turn:
        """Say the next action.

        Raises:
            NoTurn: The canvas allows none.
        """
        action = self.choose(observation)
        if action is None:
            raise NoTurn("the canvas allows no edit, and no finish either")
        return Turn(render_action(action), action)

    def choose(self, observation: Observation) -> Action | None:
        """The next action; None if the canvas allows none."""
        room = observation.rules.max_steps - sum(1 for _ in steps(observation.workflow.nodes))
        if (observation.turn >= self.turns or not room) and not observation.unmet:
            return Finish()
        if not self.free and self.rng.random() >= DETOUR:
            for _ in range(8):
                edit = self._needed(observation) if self._heeds(observation) else self._add(observation)
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
        return _added(_node(role, rules, rng))

    def _heeds(self, observation: Observation) -> bool:
        """Whether this turn goes by what the canvas says is missing."""
        return observation.turn >= self.turns or (self.heed > 0 and self.rng.random() < self.heed)

    def _needed(self, observation: Observation) -> Edit:
        """What a finish still needs, by the canvas's own conditions."""
        rng, rules = self.rng, observation.rules
        found = facts(observation.workflow, rules.categories)
        for name in rules.needs_operators:
            if name not in found.operators:
                return AddStep(name)
        for role in rules.needs:
            if role not in found.categories:
                return _added(_node(role, rules, rng))
        if rules.needs_structure and not found.structures:
            return _added(_structure(rng.choice(("solving", "verification")), rules, rng))
        return _added(_node(rng.choice([role for role in ORDER if rules.of(role)]), rules, rng))


def _added(node: Node) -> Edit:
    return AddStep(node.operator) if isinstance(node, Step) else AddStructure(node)


def _node(role: Category, rules: Rules, rng: random.Random) -> Node:
    """A step of a role, or a structure that fits it."""
    if role in STRUCTURED and rng.random() < 1 / 3:
        return _structure(role, rules, rng)
    return _step(role, rules, rng)


def _structure(role: Category, rules: Rules, rng: random.Random) -> Node:
    """Solvers side by side, or a check with its repair."""
    if role == "solving":
        return Parallel(_UNSET, tuple((_step(role, rules, rng),) for _ in range(rng.randint(2, 3))))
    check, repair = _step(role, rules, rng), _step(rng.choice(("revision", "solving")), rules, rng)
    if rng.random() < 1 / 2:
        return Conditional(_UNSET, check, (repair,))
    return Loop(_UNSET, (check, repair), rng.randint(1, MOST_ROUNDS))


def _step(role: Category, rules: Rules, rng: random.Random) -> Step:
    return Step(_UNSET, rng.choice(rules.of(role) or tuple(rules.categories)))
