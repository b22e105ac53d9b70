"""Does a simulated world need types? The best single workflow for all types against the best for each.

Workflows of up to six operators are gone through exhaustively, by exact probabilities (`worlds_exact.py`); longer ones,
up to the demo's canvas, by random walks from many starts and coordinate ascent (`worlds_search.py`) on a quick model
(`worlds_model.py`). What was best is run by the real engine, with its graders, on 300 tasks, and that is what is said.

    python benchmarks/worlds.py [--profile typed-2] [--seconds 100] [--exhaustive]
"""

import argparse
import asyncio
import itertools
import time

from rich.console import Console
from rich.table import Table

from flowsteer.backends.simulated_profiles import PROFILES
from flowsteer.datasets.simulated_tasks import TYPES, simulated_sample
from flowsteer.evaluation.by_hand import BY_HAND
from flowsteer.grading.connect import open_grader
from flowsteer.reward.diversity import diversity_terms
from flowsteer.session import Setup, open_session
from flowsteer.workflow import parse_dsl
from worlds_exact import Exhaustive
from worlds_model import Model
from worlds_search import TESTED, Search, allowed, allowed_in_demo, nested, text

SEARCHED, CHOSEN, RUN = 250, 2000, 100
"""Tasks of each type: while searching, for choosing among the best found, and by the engine."""

MATH, QA = "Programmer", "AnswerGenerate"


def modes():
    """What is best for math alone, and for qa alone, as parts."""
    return [MATH, ["*", ["Verify", MATH], 8]], [QA, ["*", ["Review", QA], 8]]


def starts():
    """Where the search for one workflow for all types starts: what somebody would try who wants to beat the claim."""
    math, qa = modes()
    yield [MATH, ["*", ["Verify", MATH], 6], ["*", ["Review", QA], 6], TESTED]
    yield [QA, ["*", ["Review", QA], 6], ["*", ["Verify", MATH], 6], TESTED]
    yield ["Plan", MATH, *(["*", [check, "Revise"], 3] for check in ("Verify", "Review", "Test"))]
    yield [QA, ["?", "Review", [["?", "Verify", [MATH], []]], []], TESTED]
    yield [MATH, ["|", [["Verify"], ["Review"]]], QA, TESTED]
    yield [["|", [math, math, qa, qa]], "ScEnsemble", TESTED]
    yield [["|", [math, qa, ["Custom"]]], "ScEnsemble", TESTED]
    yield [["|", [[MATH], [MATH], [QA], [QA], ["Custom"]]], "ScEnsemble", ["?", "Review", [QA], []], TESTED]
    # Workflows that find out the type: a check of what one type's solver says speaks for or against that type.
    for first, second in itertools.product((MATH, QA, "Custom"), repeat=2):
        yield [first, ["?", "Verify", math, qa], TESTED]
        yield [first, ["?", "Verify", [second, ["?", "Verify", math, qa]], [MATH, ["?", "Review", qa, math]]], TESTED]
        yield [first, ["?", "Review", [second, ["?", "Verify", math, qa]], [second, ["?", "Review", qa, math]]], TESTED]
        yield [first, ["?", "Verify", [second, ["?", "Review", qa, math]], [second, ["?", "Review", qa, math]]], TESTED]


def searched(profile, kinds, gated, seconds, seed, first):
    """The best workflow that a search finds for some types.

    Args:
        profile: The world's table.
        kinds: The types; the mean over them counts.
        gated: Whether a right answer counts only behind an open gate; for one type the demo must have room, too.
        seconds: How long it searches, in processor time.
        seed: Source of chance.
        first: Where it starts; empty for random workflows.

    Returns:
        The workflow as a nested list, and how many were tried.
    """
    small, large = Model(profile, SEARCHED, seed, kinds), Model(profile, CHOSEN, seed + 1, kinds)
    room = allowed_in_demo if gated and len(kinds) == 1 else allowed
    search = Search(lambda one: mean(small.accuracy(one, gated)), seed, room)
    found = search.run(seconds, list(first))
    return max(found, key=lambda nodes: mean(large.accuracy(parse_dsl(text(nodes)), gated))), len(search.known)


def mean(by_type):
    """Mean over types."""
    return sum(by_type.values()) / len(by_type)


async def engine(profile, dsl, kinds=TYPES, each=RUN):
    """Run a workflow on test tasks with the real operators and graders.

    Returns:
        By type, the share of right answers and the share of open gates.
    """
    right, gates = {}, {}
    async with open_session(Setup(director="", executor=f"simulated:{profile}")) as session, open_grader() as grade:
        for kind in kinds:
            scores = []
            for number in range(each):
                sample = simulated_sample(kind, "test", 0, number)
                tree = parse_dsl(dsl)
                done = await session.execute(tree, sample.task)
                terms = diversity_terms(tree, done.succeeded, session.library.categories)
                score = (await grade(sample, done.draft.answer)).score
                scores.append((score or 0.0, all(term.value > 0 for term in terms)))
            right[kind], gates[kind] = (sum(part) / each for part in zip(*scores, strict=True))
    return right, gates


class Report:
    """The table, made up row by row.

    Args:
        name: The profile.
    """

    def __init__(self, name):
        title = f"{name}#{PROFILES[name].digest}, {RUN} tasks of each type run by the engine"
        self.name, self.best = name, {}
        self.table = Table("for", "found by", "mean", *TYPES, "gate open", "tried", "workflow", title=title)

    def add(self, by, dsl, kinds, tried=""):
        """Run a workflow and tell."""
        right, gates = asyncio.run(engine(self.name, dsl, kinds))
        for kind in kinds if len(kinds) == 1 else ():
            self.best[by, kind] = max(right[kind], self.best.get((by, kind), 0.0))
        if len(kinds) > 1:
            self.best[by, None] = mean(right)
        cells = [f"{right[kind]:.3f}" if kind in right else "" for kind in TYPES]
        whom = "all types" if len(kinds) > 1 else kinds[0]
        self.table.add_row(whom, by, f"{mean(right):.3f}", *cells, f"{mean(gates):.2f}", str(tried), dsl)

    def gap(self, by):
        """The best for each type, the best for all, and how much is between them."""
        own = sum(self.best[by, kind] for kind in TYPES) / len(TYPES)
        one = self.best[by, None]
        return f"{by}: best for each type {own:.3f}, best for all {one:.3f}, gap {own - one:.3f}"


def main():
    """Search and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--profile", default="typed-2", choices=list(BY_HAND))
    parser.add_argument("--seconds", type=float, default=100, help="of processor time for all types; a fifth for one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exhaustive", action="store_true", help="go through all workflows of up to six operators")
    asked = parser.parse_args()
    profile, began, console, report = (
        PROFILES[asked.profile],
        time.monotonic(),
        Console(width=250),
        Report(asked.profile),
    )
    if asked.exhaustive:
        exact = Exhaustive(profile)
        value, dsl = exact.run()
        console.print(f"up to six operators, {exact.scored} workflows: {value:.3f} on math and qa by {dsl}")
        report.add("exhaustive", f"{dsl} -> {text([TESTED])} -> Format", TYPES, exact.scored)
    for kind, dsl in BY_HAND[asked.profile].items():
        report.add("hand", dsl, (kind,))
    for gated, by in ((True, "search, behind the gate"), (False, "search")):
        for kind, dsl in BY_HAND[asked.profile].items():
            nodes, tried = searched(
                profile, (kind,), gated, asked.seconds / 5, asked.seed, [nested(parse_dsl(dsl).nodes)]
            )
            report.add(by, text(nodes), (kind,), tried)
        nodes, tried = searched(profile, TYPES, gated, asked.seconds, asked.seed, starts())
        report.add(by, text(nodes), TYPES, tried)
    console.print(report.table)
    for by in ("search, behind the gate", "search"):
        console.print(report.gap(by))
    console.print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
