"""Which workflows a policy builds most often on the test tasks, greedily, before and after training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from flowsteer.runs.summary import EpisodeSummary

MOST = 3
"""So many workflows of a type are told: greedily a tiny policy builds few, and the rest is single episodes."""


@dataclass(frozen=True, slots=True)
class FrequentWorkflow:
    """A workflow that was built often on the test tasks of a type.

    Attributes:
        test: `before` or `after`.
        type: The type of task.
        dsl: The workflow.
        episodes: How often it was built.
        of: Test episodes of this type.
        accuracy: Its mean score; None if none of its episodes could be graded.
    """

    test: str
    type: str
    dsl: str
    episodes: int
    of: int
    accuracy: float | None

    @property
    def share(self) -> float:
        """Share of the type's test episodes."""
        return self.episodes / self.of


def frequent(tests: Mapping[str, Sequence[EpisodeSummary]]) -> tuple[FrequentWorkflow, ...]:
    """The most frequent workflows of each type in each test.

    Args:
        tests: Episodes of each test.
    """
    found = []
    for test, summaries in tests.items():
        for kind in sorted({one.type for one in summaries}):
            of_type = [one for one in summaries if one.type == kind]
            scores: dict[str, list[float | None]] = {}
            for one in of_type:
                scores.setdefault(one.dsl, []).append(one.score)
            for dsl, built in sorted(scores.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST]:
                known = [score for score in built if score is not None]
                accuracy = fmean(known) if known else None
                found.append(FrequentWorkflow(test, kind, dsl, len(built), len(of_type), accuracy))
    return tuple(found)
