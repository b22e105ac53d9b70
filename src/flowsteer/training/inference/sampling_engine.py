"""Sampling engine: where the policy's tokens come from.

One protocol for all: the learner's own model in this process (`batcher`), vLLM on a server, vLLM in the learner's
process (`remote_engine`). An episode holds a row of it and asks for one turn at a time.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.inference.trajectory import DrawSettings


@dataclass(frozen=True, slots=True)
class Drawn:
    """One turn drawn.

    Attributes:
        ids: Its tokens, the one that ends it included.
        logprobs: Their log-probabilities in the distribution they were drawn from, the tempered one.
        allowed: For each the set it was drawn from, if a grammar held the turn (`TurnMask.allowed`).
    """

    ids: Sequence[int]
    logprobs: Sequence[float]
    allowed: Sequence[bytes] = ()


class Row(Protocol):
    """One episode's place in an engine, with what the engine keeps of the tokens it has read (its KV cache)."""

    async def draw(self, new: Sequence[int], most: int, grammar: str = "") -> Drawn:
        """Read the tokens that stand behind the last turn drawn, then draw the next turn.

        Args:
            new: Token ids that the row has not seen: the prompt, or what the canvas said. The turns it drew itself it
                knows.
            most: Most tokens to draw; fewer if the turn ends before.
            grammar: What the turn is held to; empty for nothing, as always where an engine apart draws.

        Raises:
            PolicySyncError: The engine does not have the weights asked for.
            BackendUnavailable: It cannot be reached, or does not answer as it should.
        """
        ...

    def close(self) -> None:
        """The episode is over: its place is free."""
        ...


class SamplingEngine(Protocol):
    """Draws the tokens of a policy.

    Attributes:
        drawing: Seconds in which at least one turn was being drawn.
        syncing: Seconds in which it was given weights.
    """

    drawing: Clock
    syncing: Clock

    def rows(self, seeds: Sequence[int], settings: DrawSettings) -> AbstractAsyncContextManager[Sequence[Row]]:
        """Places for so many episodes at once.

        Args:
            seeds: The seed of each episode's draws. What an episode draws depends on the weights, its seed and its
                canvas, never on the other episodes.
            settings: How turns are drawn, and how long an episode may get.
        """
        ...

    def serve(self, step: int) -> None:
        """Draw with the weights after so many updates from now on.

        Raises:
            PolicySyncError: It does not have these weights.
            BackendUnavailable: It cannot be reached.
        """
        ...

    def close(self) -> None:
        """Close its connections."""
        ...
