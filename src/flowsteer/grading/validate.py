"""Does every gold answer grade as right? A test of graders and data on each other (spec §7)."""

import asyncio
import os
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from flowsteer.datasets.base import Sample
from flowsteer.grading.connect import GradeAnswer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Validation:
    """Counts of samples; the last four add up to the first.

    Attributes:
        n: All samples.
        correct: Every gold answer is graded right.
        wrong: Some gold answer is graded wrong.
        unscorable: Some gold answer cannot be graded, and none is wrong.
        no_reference: There is no gold answer.
        faults: Id and reason of each wrong or unscorable one.
    """

    n: int
    correct: int
    wrong: int
    unscorable: int
    no_reference: int
    faults: tuple[tuple[str, str], ...]


async def validate(samples: Iterable[Sample], grade: GradeAnswer) -> Validation:
    """Grade each sample's own gold answers, all of them."""
    rows = list(samples)
    outcomes = await in_parallel(_outcome(sample, grade) for sample in rows)
    counts = {"correct": 0, "wrong": 0, "unscorable": 0, "no_reference": 0}
    for outcome, _ in outcomes:
        counts[outcome] += 1
    faults = tuple(
        (sample.task.id, f"{outcome}: {reason}")
        for sample, (outcome, reason) in zip(rows, outcomes, strict=True)
        if outcome in ("wrong", "unscorable")
    )
    return Validation(len(rows), **counts, faults=faults)


async def in_parallel(work: Iterable[Awaitable[T]]) -> list[T]:
    """Await everything, twice as many at once as there are processors; results in the given order."""
    waiting, results = enumerate(work), dict[int, T]()

    async def take() -> None:
        for place, item in waiting:  # made only now, so that nothing is left to be awaited when all is cancelled
            results[place] = await item

    await asyncio.gather(*(take() for _ in range(2 * (os.cpu_count() or 1))))
    return [results[place] for place in range(len(results))]


async def _outcome(sample: Sample, grade: GradeAnswer) -> tuple[str, str]:
    golds = sample.reference.answers or ((sample.reference.solution,) if sample.reference.solution else ())
    if not golds:
        return "no_reference", ""
    grades = [await grade(sample, gold) for gold in golds]
    for result in grades:
        if result.score is not None and result.score < 1.0:
            return "wrong", result.reason
    for result in grades:
        if result.score is None:
            return "unscorable", result.reason
    return "correct", ""
