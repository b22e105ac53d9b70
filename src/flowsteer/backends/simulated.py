"""The simulated executor: answers every operator from a table of what operators are worth, without any model.

It is for teaching a Director, for experiments on learning and for tests, thousands of episodes a minute. What it says
is made up, and labelled so: its spec and the model name of each reply carry the profile and the hash of its table.

Chance enters once: an outcome is a hash of the task, the operator, which use of it this is, and what it read. So equal
workflows get equal outcomes, and within a group of rollouts the reward depends on the workflow alone. An instruction is
read like the rest: another one makes another draw, never a better one.
"""

from collections import Counter
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from flowsteer.backends.base import Features, Origin, Reply, Request
from flowsteer.backends.simulated_profiles import PROFILES, TYPED, Profile, Table, find_profile, look_up
from flowsteer.backends.simulated_replies import Meaning, as_json, as_text
from flowsteer.backends.simulated_world import TRAP, WRONG, World, draw, world
from flowsteer.draft import Draft
from flowsteer.errors import BackendRejected, ConfigError
from flowsteer.usage import Usage

SCHEME = "simulated"
CHARACTERS_PER_TOKEN = 4
"""Simulated token counts are characters over four: an estimate, so that costs have a scale."""

_PLAN = (
    "Say what is asked and what is given.",
    "Work towards it step by step.",
    "Check the result against the question.",
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, seen from the simulated world.

    Attributes:
        origin: Who asks.
        world: The answers its task can get.
        use: Digest of seed, task, operator, which use of it and what it read: the key of every draw but a checker's.
        shown: Number of the answer that the operator has before it, None if it has none.
    """

    origin: Origin
    world: World
    use: float
    shown: int | None


class SimulatedBackend:
    """A `Backend` that plays the executor of a `Profile`.

    Args:
        profile: What operators are worth.
        seed: Another seed, another world of outcomes (the truths stay).
        named: What stands behind `simulated:`, where that is not the profile's name but its file.
    """

    def __init__(self, profile: Profile = TYPED, seed: int = 0, named: str = "") -> None:
        self.profile = profile
        self.seed = seed
        self._named = named or profile.name
        self._acts = {
            "planning": self._plan,
            "solving": self._solve,
            "verification": self._check,
            "revision": self._revise,
            "ensemble": self._choose,
            "formatting": self._format,
        }

    @classmethod
    def from_spec(cls, spec: str) -> "SimulatedBackend":
        """The backend named by `simulated:[PROFILE][?seed=N][#HASH]`.

        Args:
            spec: The profile is a name, or a file that `flowsteer calibrate` wrote; none means `typed`. A hash, as in
                the specs that runs record, must be that of the profile.

        Raises:
            ConfigError: If the profile is unknown, the seed no integer, or the hash another one.

        >>> SimulatedBackend.from_spec("simulated:?seed=3").seed
        3
        """
        scheme, _, rest = spec.partition(":")
        rest, _, digest = rest.partition("#")
        name, _, query = rest.partition("?")
        options = parse_qs(query, keep_blank_values=True)
        profile = find_profile(name or TYPED.name)
        if scheme != SCHEME or profile is None:
            known = ", ".join(f"{SCHEME}:{one}" for one in PROFILES)
            raise ConfigError(
                f"no simulated executor is called {spec!r}",
                f"one of: {known}, or a file of flowsteer calibrate; a seed goes behind it: ?seed=1",
            )
        seed = options.pop("seed", ["0"])[-1]
        if options or not seed.isdecimal():
            raise ConfigError(
                f"{spec!r}: the only option is a seed, a whole number, as in {SCHEME}:{profile.name}?seed=1"
            )
        if digest and digest != profile.digest:
            raise ConfigError(
                f"{spec!r} names a table with hash {digest}, but profile {profile.name} now has {profile.digest}",
                "results of the two tables cannot be mixed; start a new run",
            )
        return cls(profile, int(seed), name)

    @property
    def spec(self) -> str:
        """`simulated:PROFILE#HASH`, with `?seed=N` before the hash unless it is 0."""
        seed = f"?seed={self.seed}" if self.seed else ""
        return f"{SCHEME}:{self._named}{seed}#{self.profile.digest}"

    @property
    def features(self) -> Features:
        """It always replies by the schema it is given, and every use of an operator is a draw of its own."""
        return Features(json_schema=True, own_draws=True)

    async def complete(self, request: Request) -> Reply:
        """Answer an operator.

        Raises:
            BackendRejected: Somebody else asks: the simulated world has no Director and no free chat.
        """
        origin = request.origin
        if origin is None or origin.category not in self._acts:
            raise BackendRejected(
                f"{self.spec} answers operators only, not requests from {origin.role if origin else 'nowhere'}",
                "use it as the executor; give the Director a backend of its own",
            )
        here = world(origin.task)
        turns = len(request.messages)
        # Test writes of its tries in the message, not in the draft.
        before = request.messages[-1].content if origin.operator == "Test" else _content(origin.draft)
        shown = here.number(before)
        use = draw(self.seed, here.key, origin.operator, origin.sample, turns, origin.prompt, origin.draft, shown)
        asked = _Asked(origin, here, use, shown)
        meaning = self._acts[origin.category](asked)
        text = as_json(meaning, request.json_schema) if request.json_schema else as_text(meaning)
        read = sum(len(message.content) for message in request.messages)
        written = (
            look_up(self.profile.tokens, origin.operator, "", origin.task.type) or len(text) // CHARACTERS_PER_TOKEN
        )
        usage = Usage(1, read // CHARACTERS_PER_TOKEN, round(written))
        return Reply(text, usage, self.spec)

    async def aclose(self) -> None:
        """Nothing to release."""

    def _plan(self, asked: _Asked) -> Meaning:
        return Meaning(words=" ".join(_PLAN), parts=_PLAN)

    def _solve(self, asked: _Asked) -> Meaning:
        operator = asked.origin.operator
        repairs = self.profile.mending and asked.shown is not None and _failed(asked.origin.draft)
        number = self._mend(asked) if repairs else self._attempt(asked, operator)
        return self._computed(asked, number) if operator == "Programmer" else self._told(asked, number)

    def _check(self, asked: _Asked) -> Meaning:
        origin, text = asked.origin, _content(asked.origin.draft)
        if origin.operator == "Test":
            return self._repair(asked, "Programmer")  # It runs the tests itself, and asks for a better program only.
        shown = "The program" if origin.task.type == "code" else f"The answer {text!r}"
        if not self._objects(asked):
            return _judged(asked, text, True, f"{shown} holds: no fault was found.")
        feedback = f"{shown} does not hold: one step does not follow from what is given."
        return _judged(asked, asked.world.answers[TRAP if asked.shown == 0 else 0], False, feedback)

    def _revise(self, asked: _Asked) -> Meaning:
        draft = asked.origin.draft
        solver = "Programmer" if draft.code else "Custom"
        if _failed(draft):
            return self._repair(asked, solver)
        return self._told(asked, self._attempt(asked, solver)) if asked.shown is None else _kept(asked, _content(draft))

    def _choose(self, asked: _Asked) -> Meaning:
        candidates = asked.origin.draft.candidates
        if not candidates:
            return _kept(asked, _content(asked.origin.draft))
        texts = [candidate.answer or candidate.code or candidate.solution for candidate in candidates]
        if draw(asked.use, "noise") < self.profile.noise:
            choice = int(draw(asked.use, "any") * len(texts))
        else:
            numbers = [asked.world.number(text) for text in texts]
            choice = numbers.index(Counter(numbers).most_common(1)[0][0])
        return replace(_kept(asked, texts[choice]), choice=choice)

    def _format(self, asked: _Asked) -> Meaning:
        text = _content(asked.origin.draft)
        return Meaning(text) if asked.shown is None else Meaning(asked.world.answers[asked.shown])

    def _attempt(self, asked: _Asked, solver: str) -> int:
        """The number of the answer that a solver comes to on its own."""
        thought: object = asked.use
        if draw(asked.use, "common") < self.profile.common:
            thought = (self.seed, asked.world.key)
        if draw(thought, "right") < self._skill(asked, solver):
            return 0
        if draw(thought, "trap") < self.profile.trap:
            return TRAP
        return 1 + int(draw(thought, "which") * WRONG)

    def _repair(self, asked: _Asked, solver: str) -> Meaning:
        """Another answer than the one shown: right with the solver's skill, else another wrong one."""
        if self.profile.mending:
            return self._told(asked, self._mend(asked))
        if draw(asked.use, "right") < self._skill(asked, solver) * self.profile.repair:
            return self._told(asked, 0)
        others = [number for number in range(1, WRONG + 1) if number != asked.shown]
        return self._told(asked, others[int(draw(asked.use, "which") * len(others))])

    def _mend(self, asked: _Asked) -> int:
        """The number of the answer that the asking operator makes of one that a check has failed."""
        origin, profile = asked.origin, self.profile
        first: object = asked.use
        if profile.stubborn and draw(asked.use, "stubborn") < profile.stubborn:
            first = (self.seed, asked.world.key, origin.operator)
        if asked.shown == 0:
            harms = look_up(profile.harm, origin.operator, origin.category, origin.task.type)
            changed = draw(first, "harm") < harms
        else:
            changed = draw(first, "right") >= self._worth(asked, profile.mending, origin.operator, origin.category)
        if not changed:
            return 0
        return TRAP if draw(asked.use, "trap") < profile.trap else 1 + int(draw(asked.use, "which") * WRONG)

    def _skill(self, asked: _Asked, solver: str) -> float:
        draft, planned = asked.origin.draft, self.profile.planned
        if solver in planned and (draft.plan or draft.subproblems):
            return planned[solver][asked.origin.task.type]
        return self._worth(asked, self.profile.skill, solver, "solving")

    def _worth(self, asked: _Asked, table: Table, operator: str, category: str) -> float:
        """What a table says of an operator, on hard tasks less and with what planning adds."""
        kind, profile, draft = asked.origin.task.type, self.profile, asked.origin.draft
        worth = look_up(table, operator, category, kind)
        if not asked.world.hard:
            return worth
        planned = bool(draft.plan or draft.subproblems)
        return worth * profile.hard + (profile.planning[kind] if planned else 0.0)

    def _objects(self, asked: _Asked) -> bool:
        """Whether a check says that the answer shown is wrong: it sees a fault, or raises a false alarm."""
        operator = asked.origin.operator
        if asked.shown != 0:
            return self._sees(asked, operator)
        alarm = look_up(self.profile.false_alarm, operator, "verification", asked.origin.task.type)
        return draw(self.seed, asked.world.key, operator, "alarm") < alarm

    def _sees(self, asked: _Asked, checker: str) -> bool:
        """Whether a checker can see a fault in this task's answers: one draw for each task and checker."""
        power = look_up(self.profile.power, checker, "verification", asked.origin.task.type)
        return draw(self.seed, asked.world.key, checker, "sees") < power

    def _told(self, asked: _Asked, number: int) -> Meaning:
        """Answer `number` as a solver words it; a wrong program passes the public tests where Test is blind."""
        kind, here = asked.origin.task.type, asked.world
        if kind == "code":
            return _kept(asked, (here.answers if self._sees(asked, "Test") else here.sly)[number])
        spoilt = draw(self.seed, here.key, "form") < self.profile.spoilt[kind]
        return _kept(asked, (here.spoilt if spoilt else here.answers)[number])

    def _computed(self, asked: _Asked, number: int) -> Meaning:
        """Answer `number` as Programmer gives it: a program that prints it, or the program asked for."""
        told = self._told(asked, number)
        if told.code:
            return told
        text = asked.world.answers[number] if asked.origin.task.type == "math" else told.answer
        return Meaning(text, told.words, f"result = {text!r}\nprint(result)")


def _kept(asked: _Asked, text: str) -> Meaning:
    """A text that carries an answer, given as it is."""
    return Meaning(text, "Each step follows from what is given.", text if asked.origin.task.type == "code" else "")


def _judged(asked: _Asked, own: str, passed: bool, feedback: str) -> Meaning:
    """What a check says, with the lines at its end that Verify and Review ask for."""
    operator, kind = asked.origin.operator, asked.origin.task.type
    verdict = f"Verdict: {'right' if passed else 'wrong'}"
    answer = f"Answer: {own}"
    last = {"Review": verdict, "Verify": f"{verdict if kind == 'code' else answer}\nConfidence: 90"}
    return Meaning(own, last.get(operator, ""), passed=passed, feedback=feedback)


def _failed(draft: Draft) -> bool:
    """Whether a check has said that the draft's answer is wrong."""
    return draft.verdict is not None and not draft.verdict.passed


def _content(draft: Draft) -> str:
    """The text that carries a draft's current result."""
    return draft.answer or draft.output or draft.code or draft.solution
