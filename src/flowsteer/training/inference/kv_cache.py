"""A dense key-value cache whose rows stand at different positions, for transformers' attention layers."""

from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

BLOCK = 64
"""Attention looks at a whole number of blocks of so many positions: its shapes, and with them the rounding of a row's
result, change seldom, and not with every token of the row that is ahead."""


class RowsCache(Cache):
    """Keys and values of `rows` episodes; each forward writes where `place` said.

    What stands behind a row's position is garbage that the mask hides and a later token overwrites. A row that waits
    can so be fed anything at its own position.

    Args:
        model: The model, for the number of its layers.
        rows: Episodes.
        capacity: Most tokens of one.
    """

    def __init__(self, model: "PreTrainedModel | PeftModel", rows: int, capacity: int) -> None:
        capacity = -(-capacity // BLOCK) * BLOCK
        self._held = [_Layer(self, rows, capacity) for _ in range(_depth(model))]
        super().__init__(layers=[*self._held])
        self.capacity = capacity
        self.positions = torch.zeros(rows, 1, dtype=torch.long)
        self.seen = BLOCK
        self._rows = torch.arange(rows).unsqueeze(1)

    def place(self, positions: torch.Tensor) -> torch.Tensor:
        """Say where the next forward's tokens stand.

        Args:
            positions: Position of each token, shape (rows, tokens).

        Returns:
            The attention mask, shape (rows, 1, tokens, seen).
        """
        self.positions = positions
        self.seen = min(self.capacity, -(-(int(positions.max()) + 1) // BLOCK) * BLOCK)
        visible = torch.arange(self.seen, device=positions.device) <= positions.unsqueeze(-1)
        return visible.unsqueeze(1)

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but these; they are numbered anew, in this order."""
        self._rows = torch.arange(len(rows)).unsqueeze(1)
        for layer in self._held:
            layer.keep(torch.tensor(rows))

    @property
    def rows(self) -> torch.Tensor:
        """Row numbers, shaped to index together with `positions`."""
        return self._rows.to(self.positions.device)


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer's keys and values, shape (rows, heads, capacity, size)."""

    def __init__(self, cache: RowsCache, rows: int, capacity: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cache, self._rows, self._capacity = cache, rows, capacity

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        shape = (self._rows, key_states.shape[1], self._capacity)
        self.keys = key_states.new_zeros(*shape, key_states.shape[-1])
        self.values = value_states.new_zeros(*shape, value_states.shape[-1])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.keys is None or self.values is None:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None  # noqa: S101, PT018 - for the type checker
        rows, at, seen = self._cache.rows, self._cache.positions, self._cache.seen
        self.keys[rows, :, at] = key_states.transpose(1, 2)
        self.values[rows, :, at] = value_states.transpose(1, 2)
        return self.keys[:, :, :seen], self.values[:, :, :seen]

    def keep(self, rows: torch.Tensor) -> None:
        if self.keys is not None and self.values is not None:
            self.keys = self.keys.index_select(0, rows.to(self.keys.device))
            self.values = self.values.index_select(0, rows.to(self.values.device))

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._cache.seen, 0

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return self._capacity


def _depth(model: "PreTrainedModel | PeftModel") -> int:
    return int(model.config.get_text_config().num_hidden_layers)
