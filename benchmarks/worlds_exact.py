"""Every workflow of up to six operators on math and qa at once, by exact probabilities.

A task is in one of a few cases (its type, how hard it is, which checker sees or objects, the first thought), and a
draft is in one of four states: right or wrong, failed by a check or not. What a sequence does is a 4 x 4 matrix for
each case. A workflow's accuracy is linear in it, and sequences with equal matrices are equal in every workflow, so one
of each is kept. What is left out changes nothing or can only be worse:

- Test does not run on these types; planning is worth nothing on math and less on qa; Format goes last, for free;
  Aggregate without candidates forgets the verdict, as a solver before another solver does, too.
- Of two parallel branches the vote takes the first or, by the table's noise, the second, whatever they say: a mixture
  of two workflows, so never better than both. Two checks side by side are kept: they fail what either fails.
- A first operator that is no solver does nothing. In loops within loops or before others, counts are 2, 3 and 10.
"""

import itertools
from itertools import chain

import numpy as np

from flowsteer.backends.simulated_profiles import Profile, look_up
from flowsteer.datasets.simulated_tasks import SHARE_OF_HARD

SOLVERS = ("Programmer", "Custom", "AnswerGenerate")
CHECKS = ("Verify", "Review")
KINDS = ("math", "qa")
RIGHT_CHECK = {"math": "Verify", "qa": "Review"}
COUNTS = (2, 3, 10)
ROUNDS = 10
KEPT = 4
"""Sequences of so many operators are kept whole; those of one more are only scored."""

CHUNK = 20_000
STOP = np.array([1.0, 0.0, 1.0, 0.0])
"""Worth of the states at the end: (passed, right), (passed, wrong), (failed, right), (failed, wrong)."""


class Cases:
    """The cases a task can be in, with the chance of each, and what single operators do in them.

    Args:
        profile: A table of the second generation in which Verify is right about math and Review about qa.
    """

    def __init__(self, profile: Profile) -> None:
        rows = [row for kind in KINDS for row in _cases(profile, kind)]
        self.weight = np.array([row[-1] for row in rows])
        self.math = np.array([row[0] == "math" for row in rows])

        def each(value):
            return np.array([value(*row[:-1]) for row in rows])

        def worth(table, operator, category):
            return each(lambda kind, hard, *_: look_up(table, operator, category, kind) * (profile.hard if hard else 1))

        self.attempt = {}
        for name in SOLVERS:
            skill = worth(profile.skill, name, "solving")
            alike = each(lambda kind, hard, bits, thought: thought) < skill
            self.attempt[name] = profile.common * alike + (1 - profile.common) * skill
        self.mend = {}
        for name, category in (*((name, "solving") for name in SOLVERS), ("Revise", "revision")):
            kept = 1 - each(lambda kind, *_: look_up(profile.harm, name, category, kind))  # noqa: B023
            self.mend[name] = np.stack([kept, worth(profile.mending, name, category)])
        self.fails = {}
        for place, name in enumerate(CHECKS):
            bit = each(lambda kind, hard, bits, thought: bits[place])  # noqa: B023
            sees = each(lambda kind, *_: RIGHT_CHECK[kind] == name)  # noqa: B023
            self.fails[name] = np.stack([bit * ~sees, bit * sees])

    def step(self, name):
        """What one operator does: the parts that go on, and that end a loop, each of shape (cases, 4, 4)."""
        on, end = np.zeros((2, len(self.weight), 4, 4))
        if name in self.fails or name == EITHER:
            fails = self.fails[name] if name in self.fails else np.maximum(*self.fails.values())
            for state in range(4):
                number = state % 2
                on[:, state, 2 + number] = fails[number]
                (end if name != EITHER else on)[:, state, number] = 1 - fails[number]
            return on, end
        for number in range(2):
            right = self.mend[name][number]
            on[:, 2 + number, 0], on[:, 2 + number, 1] = right, 1 - right
            first = self.attempt.get(name, np.full(len(self.weight), 1.0 - number))  # Revise keeps what has not failed.
            on[:, number, 0], on[:, number, 1] = first, 1 - first
        return on, end

    def starts(self):
        """The mass over cases and states after each solver as the first operator, shape (3, cases, 4)."""
        out = np.zeros((len(SOLVERS), len(self.weight), 4))
        for place, name in enumerate(SOLVERS):
            out[place, :, 0] = self.weight * self.attempt[name]
            out[place, :, 1] = self.weight * (1 - self.attempt[name])
        return out


EITHER = "[Verify, Review]"


def _cases(profile, kind):
    """(type, hard, the checkers' bits, first thought, chance)."""
    for hard in (False, True):
        factor = profile.hard if hard else 1.0
        cuts = sorted({0.0, 1.0, *(look_up(profile.skill, name, "solving", kind) * factor for name in SOLVERS)})
        tables = [profile.power if RIGHT_CHECK[kind] == name else profile.false_alarm for name in CHECKS]
        chances = [look_up(table, name, "verification", kind) for table, name in zip(tables, CHECKS, strict=True)]
        for bits in itertools.product((False, True), repeat=2):
            chance = (SHARE_OF_HARD if hard else 1 - SHARE_OF_HARD) / len(KINDS)
            for bit, one in zip(bits, chances, strict=True):
                chance *= one if bit else 1 - one
            for low, high in itertools.pairwise(cuts):
                yield kind, hard, bits, (low + high) / 2, chance * (high - low)


class Sequences:
    """Sequences of equally many operators, no two with equal matrices.

    Attributes:
        texts: As DSL; the empty one for no operator.
        on: What goes on after the sequence, shape (sequences, cases, 4, 4).
        end: What ends a loop around it, equally.
    """

    def __init__(self, texts, on, end):
        self.texts, self.on, self.end = texts, np.asarray(on, np.float32), np.asarray(end, np.float32)

    def __len__(self):
        return len(self.texts)

    def worth(self, after):
        """What each state before is worth if each state after is worth `after` and nothing is around."""
        return np.einsum("nlst,...t->nls", self.on + self.end, after, optimize=True)


class Exhaustive:
    """All workflows of up to six operators.

    Attributes:
        scored: How many workflows were scored, of those with equal matrices mostly one.
        best: The best mean accuracy over math and qa, and its workflow.
    """

    def __init__(self, profile: Profile) -> None:
        self.cases = Cases(profile)
        self.starts = self.cases.starts().astype(np.float32)
        shape = (1, len(self.cases.weight), 4, 4)
        marks = np.random.default_rng(0).random((2, 16 * len(self.cases.weight), 3))
        self.marks = marks.astype(np.float32) / len(self.cases.weight)
        self.kept = {0: Sequences([""], np.zeros(shape) + np.eye(4), np.zeros(shape))}
        self.blocks: dict[int, Sequences] = {}
        self.scored, self.best = 0, (-1.0, "")

    def run(self):
        """Score them all."""
        for size in range(1, KEPT + 1):
            self._grow(size)
        for size in range(KEPT + 1):
            worth = self.kept[size].worth(STOP).reshape(len(self.kept[size]), -1)
            self._take(worth @ self.starts.reshape(len(SOLVERS), -1).T, lambda at, size=size: self.kept[size].texts[at])
        self._longest_chains()
        self._longest_conditionals()
        self._longest_loops()
        return self.best

    def _grow(self, size):
        """All sequences of a size, and the blocks (single nodes) among them."""
        singles = [*SOLVERS, "Revise", *CHECKS] if size == 1 else [EITHER] if size == 2 else []
        steps = [([name], *(part[None] for part in self.cases.step(name))) for name in singles]
        blocks = self._distinct(chain(steps, self._conditionals(size)))
        self.blocks[size] = blocks
        chains = self._distinct(chain.from_iterable(
            self._joined(self.blocks[first], self.kept[size - first]) for first in range(1, size + 1)
        ))  # fmt: skip
        loops = self._distinct(chain.from_iterable(self._loops(chains, count) for count in COUNTS), known=chains)
        self.kept[size], self.blocks[size] = _both(chains, loops), _both(blocks, loops)

    def _conditionals(self, size):
        """`check ? X : Y` with so many operators; only what X does after a fault and Y after none tells them apart."""
        for name, used in itertools.product(CHECKS, range(size)):
            bad, good = self._half(used, 2), self._half(size - 1 - used, 0)
            for first, second in _pairs(len(bad), len(good)):
                on, end = self._branched(name, bad, good, first, second)
                texts = [_conditional(name, bad.texts[x], good.texts[y]) for x, y in zip(first, second, strict=True)]
                yield texts, on, end

    def _branched(self, name, bad, good, first, second):
        """The matrices of a check with `bad[first]` after a fault and `good[second]` after none."""
        fails = self.cases.fails[name].astype(np.float32)
        on, end = np.zeros((2, len(first), *bad.on.shape[1:]), np.float32)
        for state in range(4):
            chance, number = fails[state % 2][:, None], state % 2
            on[:, :, state] = chance * bad.on[first, :, 2 + number]
            end[:, :, state] = chance * bad.end[first, :, 2 + number]
            end[:, :, state] += (1 - chance) * (good.on[second, :, number] + good.end[second, :, number])
        return on, end

    def _half(self, size, first):
        """Sequences of a size that differ where a check has failed (`first` 2) or passed (0) what comes in."""
        kept, rows = self.kept[size], slice(first, first + 2)
        on, end = np.zeros((2, *kept.on.shape), np.float32)
        on[:, :, rows], end[:, :, rows] = kept.on[:, :, rows], kept.end[:, :, rows]
        return self._distinct([(kept.texts, on, end)])

    def _joined(self, blocks, rest):
        """Each block before each sequence."""
        for first, second in _pairs(len(blocks), len(rest)):
            before = blocks.on[first]
            texts = [_chain(blocks.texts[p], rest.texts[q]) for p, q in zip(first, second, strict=True)]
            yield texts, before @ rest.on[second], before @ rest.end[second] + blocks.end[first]

    def _loops(self, bodies, count):
        """Each sequence repeated."""
        for at in range(0, len(bodies), CHUNK):
            body_on, body_end = bodies.on[at : at + CHUNK], bodies.end[at : at + CHUNK]
            on = np.zeros_like(body_on) + np.eye(4, dtype=np.float32)
            for _ in range(count):
                on = body_on @ on + body_end
            yield [f"({text}) * {count}" for text in bodies.texts[at : at + CHUNK]], on, np.zeros_like(on)

    def _distinct(self, found, known=None):
        """Those of different matrices, to four digits of three random marks."""
        seen, texts, ons, ends = set(), [], [], []
        if known is not None:
            seen.update(self._keys(known.on, known.end))
        for some, on, end in found:
            fresh = []
            for place, key in enumerate(self._keys(on, end)):
                if key not in seen:
                    seen.add(key)
                    fresh.append(place)
            texts += [some[place] for place in fresh]
            ons.append(np.asarray(on, np.float32)[fresh])
            ends.append(np.asarray(end, np.float32)[fresh])
        if not ons:
            return Sequences([], self.kept[0].on[:0], self.kept[0].end[:0])
        return Sequences(texts, np.concatenate(ons), np.concatenate(ends))

    def _keys(self, on, end):
        on, end = (np.asarray(part, np.float32).reshape(len(part), -1) for part in (on, end))
        return [mark.tobytes() for mark in np.round(on @ self.marks[0] + end @ self.marks[1], 4) + 0.0]

    def _longest_chains(self):
        """After the first solver a block and a shorter sequence, with all operators used."""
        for first in range(1, KEPT + 1):
            rest = self.kept[KEPT + 1 - first]
            worth, blocks, n = rest.worth(STOP).reshape(len(rest), -1).T, self.blocks[first], len(rest)
            for at in range(0, len(blocks), 64):
                total = blocks.on[at : at + 64] + blocks.end[at : at + 64]
                mass = np.einsum("als,nlst->nalt", self.starts, total, optimize=True)
                values = (mass.reshape(-1, worth.shape[0]) @ worth).reshape(len(total), len(SOLVERS), -1)
                self._take(
                    values.transpose(0, 2, 1).reshape(-1, len(SOLVERS)),
                    lambda pair, at=at, n=n, blocks=blocks, rest=rest: _chain(
                        blocks.texts[at + pair // n], rest.texts[pair % n]
                    ),
                )

    def _longest_conditionals(self):
        """After the first solver a conditional alone: its two branches are best apart from each other."""
        for name, used in itertools.product(CHECKS, range(KEPT + 1)):
            fails = np.stack([self.cases.fails[name][0], self.cases.fails[name][1]], axis=1)
            bad, good = self.kept[used], self.kept[KEPT - used]
            after_fault = np.einsum("nls,als->na", bad.worth(STOP)[:, :, 2:], self.starts[:, :, :2] * fails)
            after_none = np.einsum("nls,als->na", good.worth(STOP)[:, :, :2], self.starts[:, :, :2] * (1 - fails))
            best = after_fault.argmax(axis=0), after_none.argmax(axis=0)
            self.scored += len(SOLVERS) * len(bad) * len(good)
            for solver in range(len(SOLVERS)):
                value = after_fault[best[0][solver], solver] + after_none[best[1][solver], solver]
                if value > self.best[0]:
                    text = _conditional(name, bad.texts[best[0][solver]], good.texts[best[1][solver]])
                    self.best = (float(value), _chain(SOLVERS[solver], text))

    def _longest_loops(self):
        """After the first solver one loop, up to ten rounds, whose body has all other operators."""
        for first in range(1, KEPT + 1):
            blocks, rest = self.blocks[first], self.kept[KEPT + 1 - first]
            ends = rest.end @ STOP.astype(np.float32)
            for p, q in _pairs(len(blocks), len(rest)):
                before = blocks.on[p]
                end = blocks.end[p] @ STOP.astype(np.float32) + (before @ ends[q][..., None])[..., 0]
                self._rounds(before @ rest.on[q], end, lambda pair, p=p, q=q, blocks=blocks, rest=rest: _chain(
                    blocks.texts[p[pair]], rest.texts[q[pair]]
                ))  # fmt: skip
        for name, used in itertools.product(CHECKS, range(KEPT + 1)):
            bad, good = self._half(used, 2), self._half(KEPT - used, 0)
            for p, q in _pairs(len(bad), len(good)):
                on, end = self._branched(name, bad, good, p, q)
                self._rounds(on, end @ STOP.astype(np.float32), lambda pair, p=p, q=q, name=name, bad=bad, good=good: (
                    _conditional(name, bad.texts[p[pair]], good.texts[q[pair]])
                ))  # fmt: skip

    def _rounds(self, on, end, text):
        """Score loops of 2 to 10 rounds whose body goes on by `on`, or ends the loop with what `end` is worth."""
        worth = np.broadcast_to(STOP.astype(np.float32), end.shape)
        for count in range(1, ROUNDS + 1):
            worth = (on @ worth[..., None])[..., 0] + end
            if count > 1:
                values = worth.reshape(len(worth), -1) @ self.starts.reshape(len(SOLVERS), -1).T
                self._take(values, lambda pair, count=count: f"({text(pair)}) * {count}")

    def _take(self, values, text):
        """Keep the best of these values, by sequence and first solver."""
        self.scored += values.size
        pair, solver = np.unravel_index(values.argmax(), values.shape)
        if values[pair, solver] > self.best[0]:
            self.best = (float(values[pair, solver]), _chain(SOLVERS[solver], text(pair)))


def _pairs(many, few):
    """All pairs of indices, some at a time."""
    step = max(1, CHUNK // max(1, few))
    for at in range(0, many, step):
        one = np.arange(at, min(many, at + step))
        yield np.repeat(one, few), np.tile(np.arange(few), len(one))


def _both(one, other):
    return Sequences(one.texts + other.texts, np.concatenate([one.on, other.on]), np.concatenate([one.end, other.end]))


def _chain(*parts):
    return " -> ".join(part for part in parts if part)


def _conditional(name, bad, good):
    sides = (f"({part})" if part else "done" for part in (bad, good))
    return f"({name} ? {' : '.join(sides)})"
