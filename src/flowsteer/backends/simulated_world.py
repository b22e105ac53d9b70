"""The simulated world: what is true of a task when no model is there to be right or wrong about it.

In this world the truth of a task is a hash of what the task asks, so neither a task nor the simulated executor ever
needs a gold answer. Simulated datasets take this truth as their gold; a real dataset's gold has nothing to do with
it, so under simulation nearly every real task is answered wrong.
"""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache

from flowsteer.task import Task

WRONG = 5
"""How many wrong answers a task has in this world; they are numbered from 1, the right one is number 0."""

TRAP = 1
"""The wrong answer that tempts most, in worlds where errors are alike."""

HARD = "difficulty: hard"
"""What the question of a hard task says."""

PROBE = 3
"""The argument a simulated code task's public test calls the solution with."""

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_ADJECTIVES = [
    "amber",
    "brisk",
    "copper",
    "distant",
    "early",
    "frozen",
    "gentle",
    "hollow",
    "ivory",
    "jagged",
    "narrow",
]
_NOUNS = [
    "falcon",
    "garden",
    "harbour",
    "island",
    "kettle",
    "lantern",
    "meadow",
    "nebula",
    "orchard",
    "pillar",
    "quarry",
]


def draw(*key: Hashable) -> float:
    """A number in [0, 1) that depends on the key alone: the only source of chance in the simulated world.

    >>> draw("a", 1) == draw("a", 1) != draw("a", 2)
    True
    """
    return _number(key) / 2**64


def _number(key: tuple[Hashable, ...]) -> int:
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class Line:
    """A simulated code task's solution: the function `argument -> slope * argument + offset`."""

    slope: int
    offset: int

    def at(self, argument: int) -> int:
        """The function's value."""
        return self.slope * argument + self.offset

    def program(self, name: str) -> str:
        """The function in Python."""
        return f"def {name}(n):\n    return {self.slope} * n + {self.offset}"


@dataclass(frozen=True, slots=True)
class World:
    """All answers a task can get.

    Attributes:
        key: Short digest of what the task asks; stands for the task in every draw.
        hard: Whether the task says that it is hard.
        answers: The answers in the form that graders take; number 0 is right. Programs for code tasks, and
            then each of the wrong ones also fails the public test.
        sly: For code tasks, the same answers, but the wrong ones pass the public test; else equal to `answers`.
        spoilt: The answers in words that graders do not take: right in content, wrong in form.
    """

    key: str
    hard: bool
    answers: tuple[str, ...]
    sly: tuple[str, ...]
    spoilt: tuple[str, ...]

    def number(self, text: str) -> int | None:
        """Which answer a text gives, in whatever form; None if it gives none."""
        for forms in (self.answers, self.spoilt, self.sly):
            for number, form in enumerate(forms):
                if form in text:
                    return number
        return None


def truth(task: Task) -> str:
    """The right answer to a task in the simulated world, in the form that graders take.

    >>> truth(Task("How many?", type="math")) == truth(Task("How many?", type="math", id="another id"))
    True
    """
    return world(task).answers[0]


def world(task: Task) -> World:
    """All answers to a task in the simulated world."""
    return _world(task.question, task.context, task.type, task.entry_point or "solve")


def line(question: str, context: str = "") -> Line:
    """The true function of a simulated code task."""
    start = _number((question, context, "code"))
    return Line(10 + start % 90, 10 + start // 90 % 90)


@lru_cache(maxsize=65536)
def _world(question: str, context: str, kind: str, name: str) -> World:
    start = _number((question, context, kind))
    key, hard = f"{start:016x}", HARD in question
    if kind == "math":
        numbers = [100 + (start + 149 * k) % 900 for k in range(WRONG + 1)]
        answers = tuple(str(number) for number in numbers)
        return World(key, hard, answers, answers, tuple(_spell(answer) for answer in answers))
    if kind == "qa":
        answers = tuple(
            f"{_ADJECTIVES[(start + k) % len(_ADJECTIVES)]} {_NOUNS[(start // 11 + 2 * k) % len(_NOUNS)]}"
            for k in range(WRONG + 1)
        )
        return World(key, hard, answers, answers, tuple(f"It may well be the {a}" for a in answers))
    true = line(question, context)
    open_faults = tuple(Line(true.slope + k, true.offset).program(name) for k in range(WRONG + 1))
    sly_faults = tuple(Line(true.slope + k, true.offset - PROBE * k).program(name) for k in range(WRONG + 1))
    return World(key, hard, open_faults, sly_faults, open_faults)


def _spell(number: str) -> str:
    return " ".join(_DIGITS[int(digit)] for digit in number)
