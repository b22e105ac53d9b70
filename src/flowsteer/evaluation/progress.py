"""How far an evaluation is: counted from summaries as they come, nothing else is kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from flowsteer.runs.summary import EpisodeSummary


@dataclass(slots=True)
class Progress:
    """Counts of a run in progress.

    Attributes:
        total: Episodes of the whole evaluation.
        resumed: Of these, those that an earlier start of the run has done.
        done: Episodes done, resumed ones included.
        errors: Episodes that broke off; running again retries them.
        unscorable: Episodes done without a score.
        calls: Calls of any model in the episodes done.
        tokens: Tokens read and written in them.
        cost: US dollars; None once the price of an episode is unknown.
        stopped: Why it stopped before the end; empty if it did not.
        error: Why the latest of them broke off.
        by_system: Sum and number of the scores of each system.
    """

    total: int
    resumed: int = 0
    done: int = 0
    errors: int = 0
    unscorable: int = 0
    calls: int = 0
    tokens: int = 0
    cost: float | None = 0.0
    stopped: str = ""
    error: str = ""
    by_system: dict[str, tuple[float, int]] = field(default_factory=dict)
    _started: float = field(default_factory=monotonic, init=False)

    def book(self, summary: EpisodeSummary, resumed: bool = False) -> None:
        """Count one episode that is done."""
        self.done += 1
        self.resumed += resumed
        self.calls += summary.calls
        self.tokens += summary.director_tokens + summary.executor_tokens
        self.cost = None if self.cost is None or summary.cost is None else self.cost + summary.cost
        if summary.score is None:
            self.unscorable += 1
        else:
            score, n = self.by_system.get(summary.system, (0.0, 0))
            self.by_system[summary.system] = (score + summary.score, n + 1)

    def lose(self, summary: EpisodeSummary) -> None:
        """Count one episode that broke off."""
        assert summary.lost is not None  # noqa: S101 - it is lost
        self.errors += 1
        self.error = summary.lost.message

    @property
    def partial(self) -> bool:
        """Whether episodes are missing."""
        return self.done < self.total

    @property
    def accuracy(self) -> dict[str, float]:
        """The mean score so far of each system."""
        return {system: score / n for system, (score, n) in self.by_system.items()}

    @property
    def rate(self) -> float:
        """Episodes a second since this start."""
        return (self.done - self.resumed) / max(monotonic() - self._started, 1e-9)

    @property
    def eta(self) -> float | None:
        """Seconds to go at this rate; None before the first episode is done."""
        return (self.total - self.done - self.errors) / self.rate if self.done > self.resumed else None


OnProgress = Callable[[Progress], None]
"""Called after each episode, with the same live object."""


def quietly(progress: Progress) -> None:
    """An `OnProgress` that shows nothing."""
