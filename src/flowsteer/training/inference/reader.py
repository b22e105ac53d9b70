"""Reader: how the sampling engine in this process lets the model read tokens of rows that stand at different places."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

BLOCK = 64
"""Attention looks at a whole number of blocks of so many positions: its shapes, and with them the rounding of a row's
result, change seldom, and not with every token of the row that is ahead."""


def blocks(positions: int) -> int:
    """So many positions, rounded up to whole blocks.

    >>> blocks(1), blocks(64), blocks(65)
    (64, 64, 128)
    """
    return -(-positions // BLOCK) * BLOCK


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one row reads in one forward.

    Attributes:
        row: Number of the row.
        at: Position of the first token.
        tokens: The tokens, at least one.
        last: Whether something is drawn after the last of them.
    """

    row: int
    at: int
    tokens: Sequence[int]
    last: bool


class Reader(Protocol):
    """A model with the keys and values of its rows."""

    def widths(self, pending: Sequence[int]) -> Sequence[int]:
        """How many tokens rows are to read in the next forward.

        Args:
            pending: How many each of them has to read, at least one.
        """
        ...

    def read(self, chunks: Sequence[Chunk]) -> torch.Tensor:
        """Read tokens.

        Args:
            chunks: What each row reads, as wide as `widths` said; a row that is not named reads nothing.

        Returns:
            Logits after the last token of those chunks that draw, in their order, shape (chunks that draw, vocabulary).
        """
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these; they are numbered anew, in this order."""
        ...
