"""A quick model of the simulated executor: a workflow on thousands of tasks at once, in milliseconds.

It plays the real operators on a profile's table as the engine does, with arrays for tasks and other draws of the same
chances, so its accuracies are the engine's but for sampling error (`worlds.py` checks that). Only what a draft tells
the simulated executor is kept: which answer, in which form, with code or not, planned or not, the verdict, candidates.
"""

import zlib
from dataclasses import dataclass, fields, replace

import numpy as np

from flowsteer.backends.simulated_profiles import Profile, look_up
from flowsteer.backends.simulated_world import TRAP, WRONG
from flowsteer.datasets.simulated_tasks import SHARE_OF_HARD, TYPES
from flowsteer.operators.paper import LIBRARY
from flowsteer.operators.verification import REPAIRS
from flowsteer.reward.diversity import MIN_OPERATORS
from flowsteer.task import TaskType
from flowsteer.workflow.nodes import Conditional, Loop, Parallel, Step, steps, walk

CODE = TYPES.index("code")
NONE = -1
PASSED, FAILED = 1, 2
CATEGORIES = LIBRARY.categories
FORGET = 4096
"""How many draws are kept between workflows."""


@dataclass
class Drafts:
    """The drafts of many tasks.

    Attributes:
        number: The answer, -1 for none.
        plain: Whether it has the form that graders take.
        code: Whether there is a program.
        plan: Whether there is a plan.
        parts: Whether there are sub-problems.
        verdict: 0 for none, else `PASSED` or `FAILED`.
        candidates: One (number, plain, code) a parallel branch, -1 where the branch gave nothing; shape (tasks, k, 3).
    """

    number: np.ndarray
    plain: np.ndarray
    code: np.ndarray
    plan: np.ndarray
    parts: np.ndarray
    verdict: np.ndarray
    candidates: np.ndarray

    def at(self, where):
        """Those of some tasks."""
        return Drafts(*(getattr(self, one.name)[where] for one in fields(self)))

    def put(self, where, other):
        """The same with those of some tasks replaced."""
        for one in fields(self):
            if one.name != "candidates":
                getattr(self, one.name)[where] = getattr(other, one.name)
        mine, new = self.candidates.shape[1], other.candidates.shape[1]
        if new > mine:
            self.candidates = np.pad(self.candidates, ((0, 0), (0, new - mine), (0, 0)), constant_values=NONE)
        self.candidates[where] = NONE
        self.candidates[where, :new] = other.candidates


class Model:
    """Tasks of all types in one world, and what workflows make of them.

    Args:
        profile: The table.
        each: Tasks of each type.
        seed: Another seed, other tasks and draws.
        kinds: The types.
    """

    def __init__(self, profile: Profile, each: int = 1000, seed: int = 0, kinds: tuple[TaskType, ...] = TYPES) -> None:
        self.profile, self.seed, self.kinds = profile, seed, kinds
        self.size = each * len(kinds)
        self.kind = np.repeat([TYPES.index(kind) for kind in kinds], each)
        self._known: dict[str, np.ndarray] = {}
        self._rows: dict[tuple[int, str], np.ndarray] = {}
        draw = np.random.default_rng(seed)
        self.hard = draw.random(self.size) < SHARE_OF_HARD
        self.spoilt = draw.random(self.size) < self._by_type(profile.spoilt)
        self.thought = draw.random((4, self.size))
        checks = [name for name, category in CATEGORIES.items() if category == "verification"]
        self.sees = {name: draw.random(self.size) < self._row(profile.power, name) for name in checks}
        self.alarms = {name: draw.random(self.size) < self._row(profile.false_alarm, name) for name in checks}

    def played(self, workflow):
        """Which tasks end right, and which workflows open the reward's gate there; both of shape (tasks,)."""
        play = _Play(self, workflow)
        end = play.run()
        right = (end.number == 0) & (end.plain | (self.kind == CODE))
        return right, _gate(workflow, play.ran)

    def accuracy(self, workflow, gated=False):
        """Share of right final answers by type; with `gated` only those behind an open gate count."""
        right, gate = self.played(workflow)
        return self.by_type(right & gate if gated else right)

    def by_type(self, values):
        """Means of an array of shape (tasks,)."""
        return {kind: float(values[self.kind == k].mean()) for k, kind in enumerate(TYPES) if kind in self.kinds}

    def draws(self, key, n=5):
        """`n` uniform numbers a task that depend on the key alone, shape (n, tasks)."""
        if key not in self._known:
            if len(self._known) >= FORGET:
                self._known.clear()
            start = np.random.SFC64([self.seed + 1, zlib.crc32(key.encode())])
            self._known[key] = np.random.Generator(start).random((n, self.size), dtype=np.float32)
        return self._known[key]

    def _by_type(self, values):
        return np.array([values[kind] for kind in TYPES])[self.kind]

    def _row(self, table, operator):
        key = (id(table), operator)
        if key not in self._rows:
            category = CATEGORIES.get(operator, "solving")
            self._rows[key] = self._by_type({kind: look_up(table, operator, category, kind) for kind in TYPES})
        return self._rows[key]

    def harm(self, operator, where):
        """How likely an operator replaces a right answer that was said to be wrong, on some tasks."""
        return self._row(self.profile.harm, operator)[where]

    def worth(self, table, operator, where, planned):
        """What a table says of an operator on some tasks, on hard ones less and with what planning adds."""
        base = self._row(table, operator)[where]
        on_hard = base * self.profile.hard + np.where(planned, self._by_type(self.profile.planning)[where], 0.0)
        return np.where(self.hard[where], on_hard, base)


class _Play:
    """One workflow on all tasks of a model."""

    def __init__(self, model, workflow):
        self.model, self.workflow = model, workflow
        count, self.use = {}, {}
        for step in steps(workflow.nodes):
            self.use[step.id] = count[step.operator] = count.get(step.operator, -1) + 1
        self.ran = {step.id: np.zeros(model.size, bool) for step in steps(workflow.nodes)}
        self.worked, self.judged = np.zeros((2, model.size), bool)

    def run(self):
        n = self.model.size
        no, zero = np.zeros(n, bool), np.zeros(n, int)
        start = Drafts(zero + NONE, no, no, no, no, zero, np.zeros((n, 0, 3), int))
        end, _ = self.sequence(self.workflow.nodes, start, np.arange(n), (), False)
        return end

    def sequence(self, nodes, drafts, where, at, in_loop):
        """As the executor's: the drafts after it, and where a check passed that ends the loop around."""
        drafts = drafts.at(slice(None))
        drafts = Drafts(*(getattr(drafts, one.name).copy() for one in fields(drafts)))
        ended = np.zeros(len(where), bool)
        for node in nodes:
            live = np.flatnonzero(~ended)
            if not len(live):
                break
            part, passed = self.node(node, drafts.at(live), where[live], at, in_loop)
            drafts.put(live, part)
            if in_loop:
                ended[live] = passed
        return drafts, ended

    def node(self, node, drafts, where, at, in_loop):
        no = np.zeros(len(where), bool)
        match node:
            case Step():
                drafts, verdict = self.step(node, drafts, where, at)
                return drafts, verdict == PASSED
            case Conditional(_, check, if_fail, if_pass):
                drafts, verdict = self.step(check, drafts, where, at)
                for value, branch in ((FAILED, if_fail), (PASSED, if_pass)):
                    took = np.flatnonzero(verdict == value)
                    if len(took) and branch:
                        part, passed = self.sequence(branch, drafts.at(took), where[took], at, in_loop)
                        drafts.put(took, part)
                        no[took] = passed
                return drafts, no | (verdict == PASSED)
            case Loop(_, body, count):
                live = np.arange(len(where))
                for turn in range(count):
                    part, passed = self.sequence(body, drafts.at(live), where[live], (*at, turn), True)
                    drafts.put(live, part)
                    live = live[~passed]
                    if not len(live):
                        break
                return drafts, no
            case Parallel(_, branches):
                start = replace(drafts, candidates=drafts.candidates[:, :0])
                ended = [self.branch(branch, start, where, at) for branch in branches]
                return _join(drafts, start, *zip(*ended, strict=True)), no

    def branch(self, nodes, start, where, at):
        """One of parallel branches: the drafts after it, where it did work, and where a check ran in it."""
        before = self.worked, self.judged
        self.worked, self.judged = np.zeros((2, self.model.size), bool)
        end = self.sequence(nodes, start, where, at, False)[0]
        worked, judged = self.worked, self.judged
        self.worked, self.judged = before[0] | worked, before[1] | judged
        return end, worked[where], judged[where]

    def step(self, step, drafts, where, at):
        """One step: the drafts after it, and for checks that ran the verdict, else 0."""
        name, model = step.operator, self.model
        sample = f"{self.use[step.id]}@{'.'.join(map(str, at))}" if any(at) else f"{self.use[step.id]}"
        draws = model.draws(f"{name}/{sample}")[:, where]
        verdict = np.zeros(len(where), int)
        has = drafts.number != NONE
        category = CATEGORIES[name]
        ok = np.ones(len(where), bool) if category in ("planning", "solving") else has
        out = drafts
        if name == "Plan":
            out = replace(drafts, plan=ok)
        elif name == "Decompose":
            out = replace(drafts, parts=ok)
        elif category == "solving":
            out = self.solve(name, drafts, where, draws)
        elif name == "Test":
            ok = has & (model.kind[where] == CODE)
            out = self.test(drafts, where, draws)
        elif category == "verification":
            seen = np.where(drafts.number == 0, model.alarms[name][where], model.sees[name][where])
            out = replace(drafts, verdict=np.where(seen, FAILED, PASSED))
        elif category == "revision":
            out = self.revise(name, drafts, where, draws)
        elif category == "ensemble":
            shape = drafts.candidates
            some = (shape[:, :, 0] != NONE).any(axis=1) if shape.shape[1] else np.zeros(len(where), bool)
            ok = some if name == "ScEnsemble" else some | has
            out = self.choose(name, drafts, where, draws, some)
        elif category == "formatting":
            out = replace(drafts, plain=np.ones(len(where), bool))
        self.note(step, where[ok])
        if not ok.all():
            kept = drafts.at(slice(None))
            kept = Drafts(*(getattr(kept, one.name).copy() for one in fields(kept)))
            kept.put(np.flatnonzero(ok), out.at(ok))
            out = kept
        if category == "verification":
            verdict = np.where(ok, out.verdict, 0)
        return out, verdict

    def note(self, step, where):
        """Note the tasks on which a step ran."""
        self.ran[step.id][where] = True
        done = {"planning": self.ran[step.id], "verification": self.judged}.get(CATEGORIES[step.operator], self.worked)
        done[where] = True

    def wrong(self, draws):
        """Wrong answers: the most tempting one, or any."""
        any_of_them = 1 + (draws[2] * WRONG).astype(int)
        return np.where(draws[3] < self.model.profile.trap, TRAP, any_of_them)

    def attempt(self, solver, drafts, where, draws, parts=True):
        model = self.model
        common = draws[4] < model.profile.common
        own = np.where(common, model.thought[:, where], draws[:4])
        right = own[1] < model.worth(model.profile.skill, solver, where, drafts.plan | (drafts.parts & parts))
        return np.where(right, 0, self.wrong(own))

    def mend(self, operator, drafts, where, draws, solver="", parts=True):
        """What becomes of answers that a check has failed."""
        profile = self.model.profile
        planned = drafts.plan | (drafts.parts & parts)
        if profile.mending:
            worth = self.model.worth(profile.mending, operator, where, planned)
            changed = np.where(drafts.number == 0, draws[1] < self.model.harm(operator, where), draws[1] >= worth)
            return np.where(changed, self.wrong(draws), 0)
        worth = self.model.worth(profile.skill, solver, where, planned) * profile.repair
        other = 1 + (draws[2] * (WRONG - 1)).astype(int)
        return np.where(draws[1] < worth, 0, other + (other >= np.maximum(drafts.number, 1)))

    def written(self, numbers, where, code):
        """New solutions as an operator tells them."""
        n, is_code = len(where), self.model.kind[where] == CODE
        return {
            "number": numbers,
            "plain": ~self.model.spoilt[where],
            "code": is_code | code,
            "verdict": np.zeros(n, int),
            "candidates": np.zeros((n, 0, 3), int),
        }

    def solve(self, name, drafts, where, draws):
        numbers = self.attempt(name, drafts, where, draws)
        if self.model.profile.mending:
            repairs = (drafts.verdict == FAILED) & (drafts.number != NONE)
            numbers = np.where(repairs, self.mend(name, drafts, where, draws), numbers)
        new = self.written(numbers, where, name == "Programmer")
        if name == "Programmer":
            new["plain"] = new["plain"] | (self.model.kind[where] == TYPES.index("math"))
        return replace(drafts, **new)

    def revise(self, name, drafts, where, draws):
        fixed = [self.mend(name, drafts, where, draws, solver, parts=False) for solver in ("Custom", "Programmer")]
        failed = drafts.verdict == FAILED
        new = self.written(np.where(drafts.code, fixed[1], fixed[0]), where, False)
        new["number"] = np.where(failed, new["number"], drafts.number)
        new["plain"] = np.where(failed, new["plain"], drafts.plain)
        return replace(drafts, **new)

    def test(self, drafts, where, draws):
        """The public tests with their repairs: one of the answer at hand, and others drawn anew."""
        none = replace(drafts, plan=np.zeros(len(where), bool), parts=np.zeros(len(where), bool))
        seen = self.model.sees["Test"][where]
        tries = [self.mend("Test", none, where, np.roll(draws, 37 * k, axis=1), "Programmer") for k in range(REPAIRS)]
        found = (drafts.number == 0) | (seen & (np.stack(tries) == 0).any(axis=0))
        number = np.where(found, 0, drafts.number)
        failed = seen & (number != 0)
        return replace(drafts, number=number, verdict=np.where(failed, FAILED, PASSED), code=np.ones(len(where), bool))

    def choose(self, name, drafts, where, draws, some):
        """ScEnsemble, and Aggregate, which without candidates keeps what there is."""
        n, k = len(where), drafts.candidates.shape[1]
        number, plain, code = drafts.number, drafts.plain, drafts.code & (self.model.kind[where] == CODE)
        if k:
            numbers = drafts.candidates[:, :, 0]
            given = numbers != NONE
            votes = (numbers[:, :, None] == numbers[:, None, :]).sum(axis=2) * given
            most = votes.argmax(axis=1)
            chance = np.minimum((draws[2] * given.sum(axis=1)).astype(int), np.maximum(given.sum(axis=1) - 1, 0))
            drawn = np.where(given, np.cumsum(given, axis=1) - 1, NONE) == chance[:, None]
            noisy = draws[0] < self.model.profile.noise
            if name == "ScEnsemble":
                noisy &= 2 * votes.max(axis=1) <= given.sum(axis=1)
            taken = drafts.candidates[np.arange(n), np.where(noisy, drawn.argmax(axis=1), most)]
            number = np.where(some, taken[:, 0], number)
            plain = np.where(some, taken[:, 1] == 1, plain)
            code = np.where(some, (taken[:, 2] == 1) & ((name == "ScEnsemble") | code), code)
        new = self.written(number, where, False) | {"plain": plain}
        return replace(drafts, **new | {"code": new["code"] | code})


def _gate(workflow, ran):
    """Where all parts of R_div are earned (`flowsteer.reward.diversity`), shape (tasks,)."""

    def any_of(some):
        return np.any([ran[step.id] for step in some] or [np.zeros_like(next(iter(ran.values())))], axis=0)

    built = [node for node in walk(workflow.nodes) if not isinstance(node, Step)]
    worked = [step for node in built for step in ((node.check,) if isinstance(node, Conditional) else steps((node,)))]
    gate = any_of(worked) & (np.sum([ran[step] for step in ran], axis=0) >= MIN_OPERATORS)
    for category in ("verification", "formatting"):
        gate &= any_of([step for step in steps(workflow.nodes) if CATEGORIES[step.operator] == category])
    return gate


def _join(before, start, ends, worked, judged):
    """As the executor joins branches; whether a branch came to anything new is seen by its answer."""
    new = np.stack([
        (end.number != start.number) | (end.plain != start.plain) | (end.code != start.code) for end in ends
    ], axis=1)  # fmt: skip
    did = new | np.stack(worked, axis=1)
    votes = did | np.stack([ran & (end.verdict == PASSED) for end, ran in zip(ends, judged, strict=True)], axis=1)
    columns = [np.stack([end.number, end.plain, end.code], axis=1) for end in ends]
    candidates = np.where(votes[:, :, None], np.stack(columns, axis=1), NONE)
    any_new, first = new.any(axis=1), new.argmax(axis=1)
    pick = lambda name: np.stack([getattr(end, name) for end in ends], axis=1)[np.arange(len(first)), first]  # noqa: E731
    verdicts = np.stack([np.where(end.verdict != start.verdict, end.verdict, 0) for end in ends], axis=1)
    found = np.where((verdicts == FAILED).any(axis=1), FAILED, np.where((verdicts > 0).any(axis=1), PASSED, 0))
    verdict = np.where(found > 0, found, before.verdict)
    out = {name: np.where(any_new, pick(name), getattr(start, name)) for name in ("number", "plain", "code")}
    return Drafts(
        **out,
        plan=np.any([end.plan for end in ends], axis=0),
        parts=np.any([end.parts for end in ends], axis=0),
        verdict=np.where(any_new, pick("verdict"), verdict),
        candidates=np.where(did.any(axis=1)[:, None, None], candidates, NONE),
    )
