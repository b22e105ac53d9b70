"""Search for good workflows in a simulated world: random ones, neighbours of good ones, and coordinate ascent.

A workflow under search is a nested list: a name, `["?", check, if_fail, if_pass]`, `["*", body, count]` or
`["|", branches]`.
"""

import copy
import random
import time
from heapq import nlargest
from math import exp

from flowsteer.operators.paper import LIBRARY
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Conditional, Loop, Parallel

OPERATORS = tuple(LIBRARY.categories)
CHECKS = ("Test", "Review", "Verify")
REPAIRS = ("Programmer", "Custom", "AnswerGenerate", "Revise")
COUNTS = (2, 3, 4, 6, 8, 10)
MAX_STEPS, MAX_RUNS = 24, 200
"""What a canvas has room for: operators, and operator runs."""

DEMO_STEPS, DEMO_TURNS = 16, 9
"""What `examples/demo.toml` has room for: operators, and turns (one for each node at the top, one to finish)."""

STALE = 120
"""A walk ends after so many candidates without a better one."""

TESTED = ["?", "Test", ["Plan", "Programmer", ["*", ["Test", "Programmer"], 6]], []]
"""What does for code tasks alone, wherever it stands: Test does not run on others, and then neither branch does."""


def text(nodes):
    """As DSL."""
    return " -> ".join(map(_text, nodes))


def nested(sequence):
    """The nodes of a workflow as a nested list."""
    return [_nested(node) for node in sequence]


def _nested(node):
    match node:
        case Conditional(_, check, bad, good):
            return ["?", check.operator, nested(bad), nested(good)]
        case Loop(_, body, count):
            return ["*", nested(body), count]
        case Parallel(_, branches):
            return ["|", [nested(branch) for branch in branches]]
    return node.operator


def _text(node):
    match node:
        case str():
            return node
        case ["?", check, bad, good]:
            return f"({check} ? {' : '.join(f'({text(side)})' if side else 'done' for side in (bad, good))})"
        case ["*", body, count]:
            return f"({text(body)}) * {count}"
    return f"[{', '.join(map(text, node[1]))}]"


def inner(node):
    """The sequences in a node."""
    match node:
        case ["?", _, bad, good]:
            return [bad, good]
        case ["*", body, _]:
            return [body]
        case ["|", branches]:
            return branches
    return []


def sequences(nodes):
    """All sequences in a workflow, the outermost first."""
    yield nodes
    for node in nodes:
        for part in inner(node):
            yield from sequences(part)


def cost(nodes, runs=False):
    """Number of operators, or of operator runs if all branches and rounds are run."""
    total = 0
    for node in nodes:
        own = sum(cost(part, runs) for part in inner(node)) + (isinstance(node, str) or node[0] == "?")
        total += own * (node[2] if runs and node[0] == "*" else 1)
    return total


def allowed(nodes):
    """Whether a canvas has room for it."""
    return 0 < cost(nodes) <= MAX_STEPS and cost(nodes, runs=True) <= MAX_RUNS


def allowed_in_demo(nodes):
    """Whether the demo's canvas has room for it, too, and turns enough."""
    return allowed(nodes) and cost(nodes) <= DEMO_STEPS and len(nodes) < DEMO_TURNS


def tidy(nodes):
    """Without structures that have nothing in them."""
    out = []
    for node in nodes:
        match node:
            case ["*", body, count]:
                out += [["*", tidy(body), count]] if tidy(body) else []
            case ["?", check, bad, good]:
                out.append(["?", check, tidy(bad), tidy(good)])
            case ["|", branches]:
                full = [part for part in map(tidy, branches) if part]
                out += [["|", full]] if len(full) > 1 else full[0] if full else []
            case _:
                out.append(node)
    return out


def random_node(draw, level=0):
    """A step or a structure."""
    chance = draw.random()
    if chance < 0.35 or level > 2:
        return draw.choice(OPERATORS)
    if chance < 0.6:
        passed = random_nodes(draw, level + 1, 0) if draw.random() < 0.4 else []
        return ["?", draw.choice(CHECKS), random_nodes(draw, level + 1), passed]
    if chance < 0.85:
        check = [draw.choice(CHECKS)] if draw.random() < 0.8 else []
        return ["*", check + random_nodes(draw, level + 1), draw.choice(COUNTS)]
    return ["|", [random_nodes(draw, level + 1) for _ in range(draw.randint(2, 4))]]


def random_nodes(draw, level, least=1):
    """One or two of them, mostly solvers and repairs."""
    return [
        random_node(draw, level) if draw.random() < 0.3 else draw.choice(REPAIRS + OPERATORS)
        for _ in range(draw.randint(least, 2))
    ]


def changed(nodes, draw):
    """A neighbour: a few random changes."""
    nodes = copy.deepcopy(nodes)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        _change(draw.choice(list(sequences(nodes))), draw)
    return tidy(nodes)


def _change(part, draw):
    """One change of one sequence, in place."""
    at, chance = draw.randrange(len(part)) if part else 0, draw.random()
    if chance < 0.3 or not part:
        part.insert(draw.randint(0, len(part)), random_node(draw))
    elif chance < 0.5:
        part.pop(at)
    elif chance < 0.6:
        part.insert(draw.randint(0, len(part)), copy.deepcopy(part[at]))
    elif chance < 0.65:
        other = draw.randrange(len(part))
        part[at], part[other] = part[other], part[at]
    elif chance < 0.78:
        _turn(part, at, draw)
    elif chance < 0.9:
        end = draw.randint(at + 1, min(len(part), at + 4))
        part[at:end] = _wrapped(part[at:end], draw)
    elif not isinstance(part[at], str):
        part[at : at + 1] = draw.choice(inner(part[at]))


def _turn(part, at, draw):
    """Another operator, check, order of branches, or count."""
    match part[at]:
        case ["?", check, bad, good]:
            part[at] = ["?", check, good, bad] if draw.random() < 0.5 else ["?", draw.choice(CHECKS), bad, good]
        case ["*", body, _]:
            part[at] = ["*", body, draw.choice(COUNTS)]
        case ["|", branches]:
            branches.append(copy.deepcopy(draw.choice(branches)))
        case _:
            part[at] = draw.choice(OPERATORS)


def _wrapped(some, draw):
    """Nodes in a structure around them."""
    chance = draw.random()
    if chance < 0.4:
        return [["*", some, draw.choice(COUNTS)]]
    if chance < 0.8:
        sides = [some, []] if draw.random() < 0.6 else [[], some]
        return [["?", draw.choice(CHECKS), *sides]]
    return [["|", [some, copy.deepcopy(some)]], "ScEnsemble"]


def single_changes(nodes):
    """Every workflow that differs in one place: an operator, a check, a count, or a node less."""
    for place, part in enumerate(sequences(nodes)):
        for at, node in enumerate(part):
            options = {"*": COUNTS, "?": CHECKS}.get(node[0], ()) if not isinstance(node, str) else OPERATORS
            for option in (None, *options):
                other = copy.deepcopy(nodes)
                there = list(sequences(other))[place]
                if option is None:
                    there.pop(at)
                elif isinstance(node, str):
                    there[at] = option
                else:
                    there[at][2 if node[0] == "*" else 1] = option
                yield tidy(other)


class Search:
    """A search with a budget of seconds of the processor; every candidate ends with a Format, which never hurts.

    Args:
        score: The worth of a workflow.
        seed: Source of chance.
        room: Whether a workflow is allowed.
    """

    def __init__(self, score, seed=0, room=allowed):
        self.score, self.draw, self.room = score, random.Random(seed), room
        self.known: dict[str, tuple[float, list]] = {}

    def run(self, seconds, starts=()):
        """Search.

        Returns:
            The best candidates, best first.
        """
        end = time.process_time() + seconds
        for start in starts:
            self.worth(start)
        while time.process_time() < end:
            fresh = not starts or self.draw.random() < 0.3
            start = random_nodes(self.draw, 0) if fresh else self.draw.choice([*starts, *self.top(10)])
            self._walk(copy.deepcopy(start), end)
        for one in self.top(3):
            self._ascend(one, end + seconds / 2)
        return self.top(30)

    def top(self, n):
        """The best so far."""
        return [nodes for _, nodes in nlargest(n, self.known.values(), key=lambda one: one[0])]

    def worth(self, nodes):
        """A candidate's score; below 0 if there is no room for it."""
        whole = nodes if nodes and nodes[-1] == "Format" else [*nodes, "Format"]
        key = text(whole)
        if key not in self.known:
            self.known[key] = (self.score(parse_dsl(key)) if self.room(whole) else -1.0, whole)
        return self.known[key][0]

    def _walk(self, nodes, end):
        """Simulated annealing until nothing better turns up."""
        value, stale, heat = self.worth(nodes), 0, 0.03
        while stale < STALE and time.process_time() < end:
            other = changed(nodes, self.draw)
            new = self.worth(other)
            stale = 0 if new > value else stale + 1
            if new >= value or self.draw.random() < exp((new - value) / heat):
                nodes, value = other, new
            heat = max(0.003, heat * 0.99)

    def _ascend(self, nodes, end):
        """Coordinate ascent: the best single change, again and again."""
        better = True
        while better and time.process_time() < end:
            value, better = self.worth(nodes), False
            for other in single_changes(nodes):
                if time.process_time() < end and self.worth(other) > value + 1e-9:
                    nodes, value, better = other, self.worth(other), True
                    break
