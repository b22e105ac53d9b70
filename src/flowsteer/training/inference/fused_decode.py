"""Reading tokens with a small Llama in as few operations as it takes.

For a model of less than a million parameters most of a forward is the cost of starting operations, not arithmetic. Here
one matrix makes query, key and value, one makes gate and up; norms and the scale of attention are part of the matrices.
Each forward reads whatever each row has: one token of a row that is drawing, all new tokens of one that has just heard
its canvas. The tokens of all rows go through the matrices together, without padding.

The result is that of transformers but for rounding (a test holds it to 1e-5). What comes out for a row does not depend
on what others read at the same time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import Linear
from torch.nn.functional import pad, silu

from flowsteer.training.inference.reader import Chunk, blocks

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm

Numbers = npt.NDArray[np.int64]

LEAST = 8
"""Tokens of a forward, at least: nothing is read in place of those that are missing. Matrix libraries sum the products
of very few rows in another order, so that a row's rounding would depend on how many others there are."""


def fusable(model: object) -> TypeGuard["LlamaForCausalLM"]:
    """Whether `FusedReader` computes just what this model does: a plain Llama in float32.

    Args:
        model: Any model.
    """
    from transformers import LlamaForCausalLM

    if type(model) is not LlamaForCausalLM or model.dtype != torch.float32:
        return False
    config, rope = model.config, model.model.rotary_emb
    linear = (module for module in model.modules() if isinstance(module, Linear))
    return (
        config.hidden_act == "silu"
        and rope.rope_type == "default"
        and _head_size(config) % 2 == 0
        and rope.inv_freq.numel() * 2 == _head_size(config)
        and all(type(module) is Linear and module.bias is None for module in linear)
    )


def _head_size(config: "LlamaConfig") -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Matrices of one layer, each to be multiplied from the right, and the keys and values of all rows.

    Attributes:
        qkv: Shape (hidden, (heads + 2 kv heads) * head size).
        out: Shape (heads * head size, hidden).
        gate_up: Shape (hidden, 2 * intermediate).
        down: Shape (intermediate, hidden).
        held: Keys, then values, shape (2, rows, kv heads, positions, head size).
    """

    qkv: torch.Tensor
    out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    held: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Together:
    """Rows that look back in one operation, each from equally many places; some of those belong to no token.

    Attributes:
        rows: Which rows, shape (some,); None for all of them.
        width: Places of a row.
        places: The place of each token among those of all these rows, row after row, shape (tokens,).
        hidden: What is added to scores, shape (some, 1, width, positions).
    """

    rows: torch.Tensor | None
    width: int
    places: torch.Tensor
    hidden: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Plan:
    """One forward.

    Attributes:
        ids: The tokens, and zeros up to `LEAST`, shape (tokens,).
        angles: How far each is turned, shape (tokens, 1, head size / 2).
        where: Where the keys and values of real tokens go in a layer's `held`, its first four dimensions as one.
        looks: Who looks back with whom, in the order of the tokens.
        ends: After which tokens something is drawn, and zeros up to `LEAST`.
    """

    ids: torch.Tensor
    angles: torch.Tensor
    where: torch.Tensor
    looks: Sequence[_Together]
    ends: torch.Tensor


class FusedReader:
    """Reads rows that stand at different positions; see `flowsteer.training.inference.reader.Reader`.

    It works with the weights as they were when it was made.

    Args:
        model: A model that is `fusable`.
        rows: Episodes.
        capacity: Most tokens of one.
    """

    def __init__(self, model: "LlamaForCausalLM", rows: int, capacity: int) -> None:
        config, inner, device = model.config, model.model, model.device
        self._heads, self._kv = config.num_attention_heads, config.num_key_value_heads or config.num_attention_heads
        self._size, self._rows, self._held = _head_size(config), rows, blocks(1)
        # x / rms(x) = x * root / hypot(norm(x), root * sqrt(eps)); `root` is part of the matrix behind the norm
        self._root = math.sqrt(config.hidden_size)
        self._least = torch.tensor(self._root * math.sqrt(config.rms_norm_eps), device=device)
        self._words = inner.embed_tokens.weight.detach()
        self._head = self._behind(inner.norm, model.lm_head.weight)
        self._layers = [self._fused(layer) for layer in inner.layers]
        self._steps = torch.arange(blocks(capacity), device=device)
        tables = inner.rotary_emb(self._words, self._steps.unsqueeze(0))
        self._angles = torch.complex(*(table[0, :, : self._size // 2] for table in tables)).unsqueeze(1)

    def widths(self, pending: Sequence[int]) -> Sequence[int]:
        """See `Reader.widths`: each row reads all it has."""
        return pending

    def keep(self, rows: Sequence[int]) -> None:
        """See `Reader.keep`."""
        chosen, self._rows = torch.tensor(rows, device=self._words.device), len(rows)
        self._layers = [replace(layer, held=layer.held.index_select(1, chosen)) for layer in self._layers]

    def read(self, chunks: Sequence[Chunk]) -> torch.Tensor:
        """See `Reader.read`."""
        self._hold(max(chunk.at + len(chunk.tokens) for chunk in chunks))
        plan, size, heads = self._plan(chunks), self._size, self._heads
        both, count = (heads + self._kv) * size, len(plan.where) // (2 * self._kv)
        x = self._words[plan.ids]
        for layer in self._layers:
            made = self._normed(x) @ layer.qkv
            pairs = torch.view_as_complex(made[:, :both].view(-1, heads + self._kv, size // 2, 2))
            turned = torch.view_as_real(pairs * plan.angles).view(-1, heads + self._kv, size)
            new = torch.cat((turned[:count, heads:], made[:count, both:].view(-1, self._kv, size)), 1)
            layer.held.view(-1, size).index_copy_(0, plan.where, new.view(-1, size))
            x = torch.addmm(x, self._attended(turned[:, :heads], layer.held, plan.looks), layer.out)
            gate, up = (self._normed(x) @ layer.gate_up).chunk(2, 1)
            x = torch.addmm(x, silu(gate).mul_(up), layer.down)
        return (self._normed(x[plan.ends]) @ self._head)[: sum(chunk.last for chunk in chunks)]

    def _hold(self, positions: int) -> None:
        """Make room for so many: most episodes are much shorter than they may be."""
        if positions > self._held:
            more = max(self._held, blocks(positions) - self._held)
            self._held += more
            self._layers = [replace(layer, held=pad(layer.held, (0, 0, 0, more))) for layer in self._layers]

    def _attended(self, queries: torch.Tensor, held: torch.Tensor, looks: Sequence[_Together]) -> torch.Tensor:
        """What attention makes of the tokens, shape (tokens, heads * head size).

        Args:
            queries: Shape (tokens, heads, head size).
            held: Keys and values of the layer.
            looks: Who looks back with whom.
        """
        flat, kv, size, found, done = queries.flatten(1), self._kv, self._size, list[torch.Tensor](), 0
        for look in looks:
            some, _, width, seen = look.hidden.shape
            every = flat.new_zeros(some * width, flat.shape[1])
            every.index_copy_(0, look.places, flat[done : done + len(look.places)])
            query = every.view(some, width, kv, -1, size).permute(0, 2, 3, 1, 4).reshape(some * kv, -1, size)
            visible = held[:, :, :, :seen]
            if look.rows is not None:
                visible = visible[:, look.rows]
            keys, values = visible.reshape(2, -1, seen, size)
            scores = query @ keys.transpose(1, 2)
            scores.view(some, -1, width, seen).add_(look.hidden)
            said = (scores.softmax(-1) @ values).view(some, kv, -1, width, size).permute(0, 3, 1, 2, 4)
            found.append(said.reshape(some * width, -1).index_select(0, look.places))
            done += len(look.places)
        return torch.cat((*found, flat.new_zeros(len(flat) - done, flat.shape[1])))

    def _plan(self, chunks: Sequence[Chunk]) -> _Plan:
        order = sorted(chunks, key=lambda chunk: len(chunk.tokens) > 1)
        widths = np.array([len(chunk.tokens) for chunk in order])
        row, at = (np.array(numbers) for numbers in zip(*((chunk.row, chunk.at) for chunk in order), strict=True))
        begins = widths.cumsum() - widths
        within = np.arange(widths.sum()) - begins.repeat(widths)
        places = at.repeat(widths) + within
        part = np.arange(2).reshape(2, 1) * self._rows * self._kv + np.arange(self._kv)
        first = row.repeat(widths) * self._kv
        where = (first.reshape(-1, 1, 1) + part) * self._held + places.reshape(-1, 1, 1)
        last = dict(zip(row.tolist(), (begins + widths - 1).tolist(), strict=True))
        ends = [last[chunk.row] for chunk in chunks if chunk.last]
        alone = int((widths == 1).sum())
        looks = [self._together(row[some], at[some], widths[some]) for some in (slice(alone), slice(alone, None))]
        return _Plan(
            ids=self._filled([token for chunk in order for token in chunk.tokens]),
            angles=self._angles[self._filled(places)],
            where=self._there(where.reshape(-1)),
            looks=[look for look in looks if look is not None],
            ends=self._filled(ends),
        )

    def _together(self, rows: Numbers, at: Numbers, widths: Numbers) -> _Together | None:
        """How the rows that read these chunks look back together; None without any."""
        if not len(rows):
            return None
        widest = int(np.max(widths))
        width = 1 if widest == 1 else max(LEAST, widest)
        seen = self._steps[: blocks(int(np.max(at + widths)))]
        if 2 * len(rows) < self._rows or width > 1:
            chosen, number = self._there(rows), np.arange(len(rows))
        else:  # to copy what the rows hold would take longer than to let all of them look
            chosen, number = None, rows
            at = np.bincount(rows, at, self._rows).astype(int)
        place = np.arange(widths.sum()) - (widths.cumsum() - widths).repeat(widths) + (number * width).repeat(widths)
        reached = self._there(at.reshape(-1, 1, 1, 1) + np.arange(width).reshape(-1, 1))
        hidden = torch.zeros(len(at), 1, width, len(seen), device=seen.device)
        return _Together(chosen, width, self._there(place), hidden.masked_fill_(seen > reached, -torch.inf))

    def _filled(self, numbers: "Sequence[int] | Numbers") -> torch.Tensor:
        """Numbers, and zeros up to `LEAST`."""
        made = np.zeros(max(LEAST, len(numbers)), dtype=np.int64)
        made[: len(numbers)] = numbers
        return self._there(made)

    def _there(self, numbers: Numbers) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self._words.device)

    def _normed(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens divided by their root mean square and by `root`."""
        return x / torch.hypot(torch.linalg.vector_norm(x, dim=1, keepdim=True), self._least)

    def _fused(self, layer: "LlamaDecoderLayer") -> _Layer:
        seen, between = layer.self_attn, layer.mlp
        turned = [_paired(part.weight, self._size) for part in (seen.q_proj, seen.k_proj)]
        turned[0] = turned[0] / math.sqrt(self._size)
        qkv = torch.cat([*turned, seen.v_proj.weight])
        gate_up = torch.cat([between.gate_proj.weight, between.up_proj.weight])
        return _Layer(
            self._behind(layer.input_layernorm, qkv),
            seen.o_proj.weight.detach().t().contiguous(),
            self._behind(layer.post_attention_layernorm, gate_up),
            between.down_proj.weight.detach().t().contiguous(),
            qkv.new_zeros(2, self._rows, self._kv, self._held, self._size),
        )

    def _behind(self, norm: "LlamaRMSNorm", weight: torch.Tensor) -> torch.Tensor:
        """The matrix behind a norm with the norm's own weights in it."""
        return (weight.detach() * (norm.weight.detach() * self._root)).t().contiguous()


def _paired(weight: torch.Tensor, size: int) -> torch.Tensor:
    """The matrix of queries or keys with the two numbers that are turned together side by side."""
    halves = weight.detach().view(-1, 2, size // 2, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)
