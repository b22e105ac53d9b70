"""Edit scripts for a cold start: what teaches the action language and no choice.

Most scripts are role-ordered: planning before solving before checking before formatting, with the operators of each
role, the structures and the length drawn uniformly; the others are legal edits drawn uniformly. A script whose length
is reached adds what the canvas says a finish still needs, and finishes; it may do so in some of the turns before, too,
so that the policy learns to heed what the canvas says.
Uniform scripts alone teach structure but no accuracy, and RL soon leads a policy that was taught on scripts of a few
lengths to lengths it has never seen; so the order is that of roles, and all lengths occur.

Whatever reads a solution stands behind a solver: a policy that starts with workflows that can run need not learn first
to open the gate, by which time it would have settled on operators before their answers were worth anything. Beyond
that no script knows what suits a task.
"""

import random
from dataclasses import dataclass

from flowsteer.canvas.director import Observation, Turn
from flowsteer.director.render import render_action
from flowsteer.errors import NoTurn
from flowsteer.training.sft.settings import DEFAULT, ScriptSettings
from flowsteer.workflow.apply import Applied, apply
from flowsteer.workflow.edits import Action, AddStep, AddStructure, Edit, Finish
from flowsteer.workflow.facts import facts
from flowsteer.workflow.nodes import Category, Conditional, Loop, Node, NodeId, Parallel, Step, Workflow, steps
from flowsteer.workflow.rules import Rules
from flowsteer.workflow.sample import random_edit

ORDER: tuple[Category, ...] = ("planning", "solving", "ensemble", "verification", "revision", "formatting")
READERS: tuple[Category, ...] = ("ensemble", "verification", "revision", "formatting")
"""Roles whose operators read what a solver wrote."""
STRUCTURED: tuple[Category, ...] = ("solving", "verification")
"""Roles that structures are made of."""

MOST_BRANCHES = 3
MOST_ROUNDS = 3
_UNSET = NodeId("")


@dataclass(slots=True)
class Script:
    """One script as a Director, made up turn by turn as the canvas answers; it directs one episode.

    Attributes:
        rng: Source of chance; the same seed and canvas give the same script.
        turns: The turn from which it finishes as soon as the canvas allows; earlier only if no operator has room.
        free: Whether it is drawn uniformly.
        settings: The chances of its draws.
    """

    rng: random.Random
    turns: int
    free: bool
    settings: ScriptSettings

    @classmethod
    def draw(cls, seed: int, max_turns: int, settings: ScriptSettings = DEFAULT) -> "Script":
        """A script of any length up to the turn limit, each as likely.

        Args:
            seed: Seed of its draws.
            max_turns: The turn limit.
            settings: Their chances.
        """
        rng = random.Random(seed)  # noqa: S311
        return cls(rng, rng.randint(2, max_turns), rng.random() < settings.free, settings)

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
        if not self.free and self.rng.random() >= self.settings.detour:
            cast = _Cast(self.rng, observation.rules, self.settings)
            for _ in range(8):
                edit = self._needed(observation, cast) if self._heeds(observation) else self._add(observation, cast)
                if isinstance(apply(observation.workflow, edit, observation.rules), Applied):
                    return edit
        drawn = random_edit(observation.workflow, observation.rules, self.rng)
        return Finish() if drawn is None and not observation.unmet else drawn

    def _add(self, observation: Observation, cast: "_Cast") -> Edit:
        """A step or structure of the role that is due by the script's length, or of a neighbouring one, at the end."""
        roles = [role for role in ORDER if observation.rules.of(role)]
        due = (observation.turn - 1) * len(roles) // max(1, self.turns - 1)
        role = roles[min(max(0, due + self.rng.randint(-1, 1)), len(roles) - 1)]
        return _added(cast.next(role, observation.workflow))

    def _heeds(self, observation: Observation) -> bool:
        """Whether this turn goes by what the canvas says is missing."""
        heed = self.settings.heed
        return observation.turn >= self.turns or (heed > 0 and self.rng.random() < heed)

    def _needed(self, observation: Observation, cast: "_Cast") -> Edit:
        """What a finish still needs, by the canvas's own conditions."""
        rules = observation.rules
        found = facts(observation.workflow, rules.categories)
        for name in rules.needs_operators:
            if name not in found.operators:
                return _added(cast.behind(rules.categories[name], observation.workflow) or Step(_UNSET, name))
        for role in rules.needs:
            if role not in found.categories:
                return _added(cast.next(role, observation.workflow))
        if rules.needs_structure and not found.structures:
            return _added(cast.next(self.rng.choice(STRUCTURED), observation.workflow, structured=True))
        return _added(cast.next(self.rng.choice([role for role in ORDER if rules.of(role)]), observation.workflow))


def _added(node: Node) -> Edit:
    return AddStep(node.operator, backend=node.backend) if isinstance(node, Step) else AddStructure(node)


@dataclass(frozen=True, slots=True)
class _Cast:
    """Gives roles to operators."""

    rng: random.Random
    rules: Rules
    settings: ScriptSettings

    def next(self, role: Category, workflow: Workflow, structured: bool = False) -> Node:
        """What stands at the end next: of a role, or of one that this role cannot do without.

        Whatever reads a solution stands behind a solver, and a step that chooses among branches right behind these.
        """
        return self.behind(role, workflow) or (self.structure(role) if structured else self.node(role))

    def behind(self, role: Category, workflow: Workflow) -> Node | None:
        """What a role needs before it and the workflow has not got; None for nothing."""
        written = facts(workflow, self.rules.categories).categories
        if role in READERS and "solving" not in written and self.rules.of("solving"):
            return self.node("solving")
        branches = workflow.nodes and isinstance(workflow.nodes[-1], Parallel)
        if role == "ensemble" and self.settings.solvers and not branches:
            room = self.rules.max_steps - sum(1 for _ in steps(workflow.nodes))
            return self.structure("solving") if room >= MOST_BRANCHES else self.step("solving")
        return None

    def node(self, role: Category) -> Node:
        """A step of a role, or a structure that fits it."""
        chance = {"solving": self.settings.solvers, "verification": self.settings.checks}.get(role)
        return self.structure(role) if chance is not None and self.rng.random() < chance else self.step(role)

    def structure(self, role: Category) -> Node:
        """Solvers side by side, or a check with its repair."""
        if role == "solving":
            return Parallel(_UNSET, tuple((self.step(role),) for _ in range(self.rng.randint(2, MOST_BRANCHES))))
        check, repair = self.step(role), self.step(self.rng.choice(("revision", "solving")))
        if self.rng.random() < 1 / 2:
            return Conditional(_UNSET, check, (repair,))
        return Loop(_UNSET, (check, repair), self.rng.randint(1, MOST_ROUNDS))

    def step(self, role: Category) -> Step:
        """An operator of a role, or any if the library has none."""
        name = self.rng.choice(self.rules.of(role) or tuple(self.rules.categories))
        backends = self.rules.backends
        return Step(_UNSET, name, backend=self.rng.choice(("", *backends)) if backends else "")
