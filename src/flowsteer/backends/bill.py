"""What one call costs over all its attempts: who sends its requests tells who pays for it.

A request that was sent and got no answer may have been worked on and charged, and so may each time it is repeated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flowsteer.backends.budget import Budget
from flowsteer.usage import NO_USAGE, Usage

_BILLS: ContextVar[tuple["Bill", ...]] = ContextVar("bills", default=())


class Bill:
    """What is set aside for one call, and booked for each of its requests that got no answer.

    Attributes:
        out: Whether a request is sent, and not answered yet.

    Args:
        budget: Who pays.
        most: What one request may cost at most.

    Raises:
        BudgetExceeded: It may cost more than is left.
    """

    def __init__(self, budget: Budget, most: Usage) -> None:
        budget.reserve(most)
        self._budget, self._most = budget, most
        self._held = self._open = True
        self.out = False

    def begin(self) -> None:
        """Set the cost of a request aside, if that of the last one is gone."""
        if self._open and not self._held:
            self._budget.reserve(self._most)
            self._held = True

    def settle(self, paid: Usage) -> None:
        """Book what was paid, or the most that a request may cost if one is out."""
        if self._held:
            self._held = False
            self._budget.settle(self._most, self._most if self.out else paid)
        self.out = False

    def close(self, paid: Usage) -> None:
        """The call is over. A request that others wait for as well may go on; it is not paid here again."""
        self._open = False
        self.settle(paid)


@contextmanager
def billed(bill: Bill) -> Iterator[None]:
    """Whatever is sent in this block, also by tasks that it starts, is put on a bill, and on those of blocks around."""
    token = _BILLS.set((*_BILLS.get(), bill))
    try:
        yield
    finally:
        _BILLS.reset(token)


class Sending:
    """One request on its way; leave the block when it has got its reply, or has failed.

    Raises:
        BudgetExceeded: At its begin, if it repeats one that was lost and may cost more than is left.
    """

    def __init__(self) -> None:
        self._bills = _BILLS.get()

    def __enter__(self) -> "Sending":
        for bill in self._bills:
            bill.begin()
        return self

    def __exit__(self, *_: object) -> None:
        for bill in self._bills:
            if bill.out:
                bill.settle(NO_USAGE)

    def sent(self) -> None:
        """It is being sent: from now on it may cost something."""
        self._tell(out=True)

    def answered(self) -> None:
        """Its reply is here and says what it cost, or it was refused and costs nothing."""
        self._tell(out=False)

    def _tell(self, *, out: bool) -> None:
        for bill in self._bills:
            bill.out = out
