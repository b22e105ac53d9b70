"""Does every gold answer grade as right? A test of graders and data on each other (spec §7)."""

from collections.abc import Iterable
from dataclasses import dataclass

from flowsteer.datasets.base import Sample
from flowsteer.grading.grade import Grader


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


async def validate(samples: Iterable[Sample], grader: Grader) -> Validation:
    """Grade each sample's own gold answers, all of them."""
    counts = {"correct": 0, "wrong": 0, "unscorable": 0, "no_reference": 0}
    faults: list[tuple[str, str]] = []
    for sample in samples:
        outcome, reason = await _outcome(sample, grader)
        counts[outcome] += 1
        if reason:
            faults.append((sample.task.id, f"{outcome}: {reason}"))
    return Validation(sum(counts.values()), **counts, faults=tuple(faults))


async def _outcome(sample: Sample, grader: Grader) -> tuple[str, str]:
    golds = sample.reference.answers or ((sample.reference.solution,) if sample.reference.solution else ())
    if not golds:
        return "no_reference", ""
    grades = [await grader.grade(sample, gold) for gold in golds]
    for grade in grades:
        if grade.score is not None and grade.score < 1.0:
            return "wrong", grade.reason
    for grade in grades:
        if grade.score is None:
            return "unscorable", grade.reason
    return "correct", ""
