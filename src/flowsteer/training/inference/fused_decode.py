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
from itertools import accumulate
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch.nn import Linear
from torch.nn.functional import scaled_dot_product_attention, silu

from flowsteer.training.inference.reader import Chunk, blocks

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm

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
        held: Keys, then values, shape (2, rows, kv heads, capacity, head size).
    """

    qkv: torch.Tensor
    out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    held: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Wide:
    """A row that reads several tokens.

    Attributes:
        row: Its number.
        here: Places of its tokens.
        visible: Which positions each of them looks at, shape (its tokens, positions).
    """

    row: int
    here: slice
    visible: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Plan:
    """One forward: first the tokens of rows that read one, then those of rows that read several.

    Attributes:
        ids: The tokens, shape (tokens,).
        angles: How far each is turned, shape (tokens, 1, head size / 2).
        where: Where their keys and values go in a layer's `held`, its first four dimensions as one.
        alone: Rows that read one token.
        hidden: What is added to the scores of all rows, as if each read one: shape (rows, 1, positions).
        wide: Rows that read several.
        ends: Places of the tokens after which something is drawn.
    """

    ids: torch.Tensor
    angles: torch.Tensor
    where: torch.Tensor
    alone: torch.Tensor
    hidden: torch.Tensor
    wide: Sequence[_Wide]
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
        self._size, self._capacity, self._rows = _head_size(config), blocks(capacity), rows
        # x / rms(x) = x * root / hypot(norm(x), root * sqrt(eps)); `root` is part of the matrix behind the norm
        self._root = math.sqrt(config.hidden_size)
        self._least = torch.tensor(self._root * math.sqrt(config.rms_norm_eps), device=device)
        self._words = inner.embed_tokens.weight.detach()
        self._head = self._behind(inner.norm, model.lm_head.weight)
        self._layers = [self._fused(layer) for layer in inner.layers]
        self._steps = torch.arange(self._capacity, device=device)
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
        plan = self._plan(chunks)
        heads, both = self._heads, (self._heads + self._kv) * self._size
        count = len(plan.where) // (2 * self._kv)
        x = self._words[plan.ids]
        for layer in self._layers:
            made = self._normed(x) @ layer.qkv
            pairs = torch.view_as_complex(made[:, :both].view(len(x), -1, self._size // 2, 2))
            turned = torch.view_as_real(pairs * plan.angles).view(len(x), -1, self._size)
            values = made[:, both:].view(len(x), self._kv, self._size)
            new = torch.cat((turned[:count, heads:], values[:count]), 1).view(-1, self._size)
            layer.held.view(-1, self._size).index_copy_(0, plan.where, new)
            x = torch.addmm(x, self._attended(turned[:, :heads], layer.held, plan), layer.out)
            gate, up = (self._normed(x) @ layer.gate_up).chunk(2, 1)
            x = torch.addmm(x, silu(gate).mul_(up), layer.down)
        return (self._normed(x[plan.ends]) @ self._head)[: sum(chunk.last for chunk in chunks)]

    def _attended(self, queries: torch.Tensor, held: torch.Tensor, plan: _Plan) -> torch.Tensor:
        """What attention makes of the tokens, shape (tokens, heads * head size).

        Args:
            queries: Shape (tokens, heads, head size).
            held: Keys and values of the layer.
            plan: The forward.
        """
        alone, seen, size = len(plan.alone), plan.hidden.shape[-1], self._size
        flat = queries.reshape(len(queries), -1)
        found = torch.zeros_like(flat)
        if alone:
            every = flat.new_zeros(self._rows, flat.shape[1]).index_copy_(0, plan.alone, flat[:alone])
            keys, values = held.view(2, -1, self._capacity, size)[:, :, :seen]
            scores = every.view(len(keys), -1, size) @ keys.transpose(1, 2)
            scores.view(self._rows, -1, seen).add_(plan.hidden)
            said = (scores.softmax(-1) @ values).view(self._rows, -1)
            found[:alone] = said.index_select(0, plan.alone)
        for wide in plan.wide:
            query = queries[wide.here].transpose(0, 1).unsqueeze(0)
            keys, values = held[:, wide.row, :, : wide.visible.shape[1]].unsqueeze(1)
            said = scaled_dot_product_attention(query, keys, values, wide.visible, scale=1.0, enable_gqa=True)
            found[wide.here] = said[0].transpose(0, 1).flatten(1)
        return found

    def _wide(self, chunk: Chunk, start: int) -> _Wide:
        end = chunk.at + len(chunk.tokens)
        visible = self._steps[:end] <= self._steps[chunk.at : end].unsqueeze(1)
        return _Wide(chunk.row, slice(start, start + len(chunk.tokens)), visible)

    def _plan(self, chunks: Sequence[Chunk]) -> _Plan:
        device, rows, capacity = self._words.device, self._rows, self._capacity
        alone = [chunk for chunk in chunks if len(chunk.tokens) == 1]
        order = [*alone, *(chunk for chunk in chunks if len(chunk.tokens) > 1)]
        starts = list(accumulate((len(chunk.tokens) for chunk in order), initial=0))
        begins = {chunk.row: start for chunk, start in zip(order, starts, strict=False)}
        ends = [begins[chunk.row] + len(chunk.tokens) - 1 for chunk in chunks if chunk.last]
        tokens = [token for chunk in order for token in chunk.tokens]
        at = [chunk.at + place for chunk in order for place in range(len(chunk.tokens))]
        behind = [chunk.row * self._kv * capacity for chunk in order for _ in chunk.tokens]
        more = [0] * (LEAST - len(tokens))
        ids, places, begin = torch.tensor([tokens + more, at + more, behind + more], device=device)
        parts = torch.arange(0, 2 * self._kv * capacity, capacity, device=device)
        parts[self._kv :] += (rows - 1) * self._kv * capacity
        where = ((begin + places)[: len(tokens)].unsqueeze(1) + parts).view(-1)
        single = torch.tensor([chunk.row for chunk in alone], dtype=torch.long, device=device)
        reached = torch.zeros(rows, 1, dtype=torch.long, device=device)
        reached.index_copy_(0, single, places[: len(alone)].unsqueeze(1))
        seen = self._steps[: blocks(max((chunk.at for chunk in alone), default=0) + 1)]
        return _Plan(
            ids=ids,
            angles=self._angles[places],
            where=where,
            alone=single,
            hidden=torch.zeros(rows, len(seen), device=device).masked_fill_(seen > reached, -torch.inf).unsqueeze(1),
            wide=[self._wide(chunk, begins[chunk.row]) for chunk in order[len(alone) :]],
            ends=torch.tensor(ends + [0] * (LEAST - len(ends)), dtype=torch.long, device=device),
        )

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
            qkv.new_zeros(2, self._rows, self._kv, self._capacity, self._size),
        )

    def _behind(self, norm: "LlamaRMSNorm", weight: torch.Tensor) -> torch.Tensor:
        """The matrix behind a norm with the norm's own weights in it."""
        return (weight.detach() * (norm.weight.detach() * self._root)).t().contiguous()


def _paired(weight: torch.Tensor, size: int) -> torch.Tensor:
    """The matrix of queries or keys with the two numbers that are turned together side by side."""
    halves = weight.detach().view(-1, 2, size // 2, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape)
