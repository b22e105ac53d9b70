"""The processes of a training run: one alone, or several that `accelerate launch` or `torchrun` started."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = timedelta(hours=12)
"""How long a process waits for the others: the first one may be at a cold start or a test meanwhile."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all.

    Attributes:
        number: Its number; process 0 alone writes to the run folder.
        count: How many there are.
    """

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the run down."""
        return self.number == 0

    def gather(self, items: list[Item]) -> list[Item]:
        """The items of all processes, in the order of their numbers, in every process."""
        if self.count == 1:
            return items
        from accelerate.utils import gather_object

        found: list[Item] = gather_object(items)
        return found

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def launched() -> Ranks:
    """The processes as the launcher's environment tells them; nothing is connected.

    >>> launched()
    Ranks(number=0, count=1)
    """
    return Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def join() -> Ranks:
    """Connect this process with the others, if there are any."""
    ranks = launched()
    if ranks.count > 1:
        from accelerate import PartialState

        PartialState(timeout=PATIENCE)
    return ranks
