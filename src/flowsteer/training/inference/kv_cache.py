"""Reading rows that stand at different positions with any model of transformers, through one dense key-value cache."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from flowsteer.training.inference.reader import BLOCK, Chunk, blocks

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class RowsReader:
    """A causal language model, as transformers runs it; see `flowsteer.training.inference.reader.Reader`.

    Every layer is one of attention that looks back over all of an episode (`flowsteer.training.inference.reach`).

    All rows read equally many tokens in a forward, those without a chunk some that nobody will see.

    Args:
        model: The model.
        rows: Episodes.
        capacity: Most tokens of one.
    """

    def __init__(self, model: "PreTrainedModel | PeftModel", rows: int, capacity: int) -> None:
        self._model, self._cache, self._at = model, RowsCache(model, rows, capacity), [0] * rows

    def widths(self, pending: Sequence[int]) -> Sequence[int]:
        """See `Reader.widths`: as many as the shortest has."""
        return [min(pending)] * len(pending)

    def keep(self, rows: Sequence[int]) -> None:
        """See `Reader.keep`."""
        self._at = [self._at[row] for row in rows]
        self._cache.keep(rows)

    def read(self, chunks: Sequence[Chunk]) -> torch.Tensor:
        """See `Reader.read`."""
        device, width = self._model.device, len(chunks[0].tokens)
        tokens: list[Sequence[int]] = [[0] * width] * len(self._at)
        for chunk in chunks:
            tokens[chunk.row], self._at[chunk.row] = chunk.tokens, chunk.at
        at = torch.tensor(self._at, device=device).unsqueeze(1) + torch.arange(width, device=device)
        at = at.clamp(max=self._cache.capacity - 1)
        logits: torch.Tensor = self._model(
            input_ids=torch.tensor(tokens, device=device),
            attention_mask=self._cache.place(at),
            position_ids=at,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        for chunk in chunks:
            self._at[chunk.row] += width
        return logits[[chunk.row for chunk in chunks if chunk.last]]


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
        capacity = blocks(capacity)
        self._held = [_Layer(self, rows, capacity) for _ in range(_depth(model))]
        super().__init__(layers=[*self._held])
        self.capacity, self._dtype = capacity, model.dtype
        self.positions = torch.zeros(rows, 1, dtype=torch.long)
        self.seen = BLOCK
        self._rows = torch.arange(rows).unsqueeze(1)

    def place(self, positions: torch.Tensor) -> torch.Tensor:
        """Say where the next forward's tokens stand.

        Args:
            positions: Position of each token, shape (rows, tokens).

        Returns:
            What is added to the scores of attention, shape (rows, 1, tokens, seen). Of the two forms of a mask it is
            the one that all kinds of attention read alike: some would add a mask of true and false, too.
        """
        self.positions = positions
        self.seen = min(self.capacity, blocks(int(positions.max()) + 1))
        hidden = torch.arange(self.seen, device=positions.device) > positions.unsqueeze(-1)
        added = torch.zeros(hidden.shape, dtype=self._dtype, device=positions.device)
        return added.masked_fill_(hidden, torch.finfo(self._dtype).min).unsqueeze(1)

    def keep(self, rows: Sequence[int]) -> None:
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
