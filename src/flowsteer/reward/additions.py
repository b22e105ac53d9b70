"""Additions to the paper's reward: named terms for how an episode went, each off by default; see `RewardSettings`."""

from collections.abc import Iterator
from dataclasses import dataclass

from flowsteer.reward.diversity import MIN_OPERATORS
from flowsteer.reward.settings import RewardSettings
from flowsteer.reward.term import Term
from flowsteer.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Course:
    """How an episode went, beside what was built in it.

    Attributes:
        finished: Whether the Director's own finish was accepted.
        turns: Turns taken.
        rejected: Turns that were rejected.
        sampled_tokens: Tokens that the Director sampled.
        runs: Operator runs of the final workflow's execution, failed ones and every round of a loop included.
        usage: What their calls cost, memoised ones counted like the others (`Execution.whole_usage`).
    """

    finished: bool = False
    turns: int = 0
    rejected: int = 0
    sampled_tokens: int = 0
    runs: int = 0
    usage: Usage = NO_USAGE


def additions(course: Course, gate_open: bool, settings: RewardSettings) -> Iterator[Term]:
    """The terms that are asked for; those behind the gate are 0 while it is closed.

    Args:
        course: How the episode went.
        gate_open: Whether R_div = 1.
        settings: What is asked for.

    >>> course = Course(finished=True, turns=8, rejected=2, runs=9)
    >>> for term in additions(course, True, RewardSettings(gated_finish=0.3, rejected=0.5, operator_cost=0.01)):
    ...     print(f"{term.name} {term.value:g}: {term.reason}")
    rejected -0.125: 2 of 8 turns were rejected
    gated_finish 0.3: the Director finished, the gate is open
    operator_cost -0.03: 9 operators were run, 3 above 6
    """
    ended = "the Director finished" if course.finished else "the Director did not finish"
    if settings.finish:
        yield Term("finish", settings.finish * course.finished, ended)
    if settings.rejected:
        share = course.rejected / max(1, course.turns)
        refused = f"{course.rejected} of {course.turns} turns were rejected"
        yield _less("rejected", settings.rejected * share, refused)
    if settings.token_cost:
        cost = settings.token_cost * course.sampled_tokens / 1000
        yield _less("tokens", cost, f"the Director sampled {course.sampled_tokens} tokens")
    if settings.gated_finish:
        gate = "the gate is open" if gate_open else "the gate is closed"
        yield Term("gated_finish", settings.gated_finish * (course.finished and gate_open), f"{ended}, {gate}")
    for name, cost, reason in _costs(course, settings):
        if gate_open:
            yield _less(name, cost, reason)
        else:
            yield Term(name, 0.0, f"free, the gate is closed: {reason}")


def _less(name: str, cost: float, reason: str) -> Term:
    """A term that is subtracted; of nothing it is 0, not −0."""
    return Term(name, -cost if cost else 0.0, reason)


def _costs(course: Course, settings: RewardSettings) -> Iterator[tuple[str, float, str]]:
    """Name, amount and reason of the costs of an execution."""
    if settings.operator_cost:
        more = max(0, course.runs - MIN_OPERATORS)
        yield (
            "operator_cost",
            settings.operator_cost * more,
            f"{course.runs} operators were run, {more} above {MIN_OPERATORS}",
        )
    if settings.executor_token_cost:
        tokens = course.usage.tokens
        yield (
            "executor_token_cost",
            settings.executor_token_cost * tokens / 1000,
            f"the operators' calls read and wrote {tokens} tokens",
        )
    if settings.money_cost:
        dollars = course.usage.cost
        said = "what the operators' calls cost is not known" if dollars is None else f"the calls cost ${dollars:g}"
        yield "money_cost", settings.money_cost * (dollars or 0.0), said
