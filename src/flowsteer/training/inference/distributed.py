"""The processes of a training run: one alone, or several that `accelerate launch` or `torchrun` started."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from flowsteer.errors import ConfigError

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
    """Connect this process with the others, if there are any; by NCCL on GPUs, on processors by gloo.

    Raises:
        ConfigError: The launcher started another number of processes than it says.
    """
    ranks = launched()
    if ranks.count > 1:
        import torch
        from accelerate import PartialState

        if not torch.accelerator.is_available():
            os.environ["ACCELERATE_USE_CPU"] = "true"  # TRL's own settings look here, too
        state = PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)
        if state.num_processes != ranks.count:
            raise ConfigError(
                f"the launcher speaks of {ranks.count} processes, and {state.num_processes} are connected",
                "start it with accelerate launch, or with torchrun",
            )
    return ranks
