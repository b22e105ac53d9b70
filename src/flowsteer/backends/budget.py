"""A budget that is never exceeded: what a call may cost at most is set aside before it is made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Annotated

from annotated_types import Ge

from flowsteer.errors import BudgetExceeded
from flowsteer.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of a run; None is no limit.

    Attributes:
        calls: Calls of any model.
        tokens: Tokens read and written.
        seconds: Wall time from the start of the process; the others count over all starts of a run.
        cost: US dollars.
    """

    calls: Annotated[int, Ge(0)] | None = None
    tokens: Annotated[int, Ge(0)] | None = None
    seconds: Annotated[float, Ge(0)] | None = None
    cost: Annotated[float, Ge(0)] | None = None


class Budget:
    """What a run may still spend; one for the whole process, shared by all its backends.

    Attributes:
        caps: Its limits.
        spent: What was paid, and what requests without an answer may have cost. Money is counted as far as prices are
            known; under a cap in dollars all are.
    """

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.spent = NO_USAGE
        self._reserved = NO_USAGE
        self._started = monotonic()
        self._keep: Callable[[Usage], None] | None = None

    def resume(self, before: Usage, keep: Callable[[Usage], None] | None) -> None:
        """Go on with the account of a run: a budget is one for the run, however often that is started.

        Args:
            before: What its earlier starts have paid.
            keep: Writes down what was paid over all starts, now and after each call; None to write nothing down.
        """
        self._keep = keep
        self.book(before)

    def check(self) -> None:
        """Raise if time is up.

        Raises:
            BudgetExceeded: The run has taken its seconds.
        """
        if self.caps.seconds is not None and monotonic() - self._started >= self.caps.seconds:
            raise BudgetExceeded(f"the budget of {self.caps.seconds:g} s is used up", "raise --max-seconds to go on")

    def seconds_left(self) -> float | None:
        """Wall time that is left; None without a limit."""
        if self.caps.seconds is None:
            return None
        return max(0.0, self.caps.seconds - (monotonic() - self._started))

    def reserve(self, most: Usage) -> None:
        """Set aside what a call may cost at most.

        Raises:
            BudgetExceeded: It would not fit into what is left, or nobody knows what it may cost.
        """
        self.check()
        if most.cost is None and self.caps.cost is not None:
            raise BudgetExceeded(
                f"the next call has no known price, so the budget of {self.caps.cost:g} dollars cannot be kept",
                "its prompt may be longer than listed prices hold for; cap calls or tokens instead: --max-tokens N",
            )
        most = _known(most)
        after = self.spent + self._reserved + most
        for name, cap, value, option in (
            ("calls", self.caps.calls, after.calls, "--max-calls"),
            ("tokens", self.caps.tokens, after.tokens, "--max-tokens"),
            ("dollars", self.caps.cost, after.cost or 0.0, "--max-cost"),
        ):
            if cap is not None and value > cap:
                raise BudgetExceeded(
                    f"the next call may pass the budget of {cap:g} {name} (up to {value:g} with it)",
                    f"raise {option} to go on; what has been done is kept",
                )
        self._reserved += most

    def settle(self, most: Usage, actual: Usage) -> None:
        """Give back what was set aside and book what was spent; what is not told of that is what was set aside."""
        self._reserved -= _known(most)
        if not actual.counted:
            actual = replace(actual, prompt_tokens=most.prompt_tokens, completion_tokens=most.completion_tokens)
        self.book(replace(actual, cost=most.cost) if actual.cost is None else actual)

    def book(self, paid: Usage) -> None:
        """Count what was paid."""
        self.spent += _known(paid)
        if self._keep is not None:
            self._keep(self.spent)


def _known(usage: Usage) -> Usage:
    """A usage with money as far as it is known: an unknown cost would make every sum with it unknown."""
    return usage if usage.cost is not None else replace(usage, cost=0.0)
