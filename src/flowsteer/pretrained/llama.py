"""A small Llama read with numpy alone, one episode at a time: no tensor library has to be there, or to be loaded.

The result is that of transformers but for rounding (a test holds it to 1e-4).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from flowsteer.errors import ConfigError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Layer:
    """Matrices of one layer, each to be multiplied from the right; norms are part of those behind them.

    Attributes:
        qkv: Shape (hidden, (heads + 2 kv heads) * head size).
        out: Shape (heads * head size, hidden).
        gate_up: Shape (hidden, 2 * intermediate).
        down: Shape (intermediate, hidden).
    """

    qkv: Array
    out: Array
    gate_up: Array
    down: Array


@dataclass(frozen=True, slots=True)
class Llama:
    """A model's weights.

    Attributes:
        words: Embeddings, shape (vocabulary, hidden).
        layers: The layers.
        head: Shape (hidden, vocabulary).
        heads: Attention heads.
        kv: Heads of keys and values.
        least: What is added to the mean square of a norm.
        turns: How far a position turns each pair of numbers, shape (head size / 2,).
    """

    words: Array
    layers: tuple[_Layer, ...]
    head: Array
    heads: int
    kv: int
    least: float
    turns: Array

    @classmethod
    def of(cls, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """The model that transformers wrote.

        Args:
            config: What is in `config.json`.
            tensors: What is in `model.safetensors`.

        Raises:
            ConfigError: It is no plain Llama with tied embeddings.
        """
        rope = config.get("rope_parameters") or {}
        plain = config.get("hidden_act") == "silu" and rope.get("rope_type", "default") == "default"
        if config.get("model_type") != "llama" or not plain or not config.get("tie_word_embeddings"):
            raise ConfigError("these weights are no plain Llama with tied embeddings", "pack a policy made by `tiny`")
        size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        words = tensors["model.embed_tokens.weight"]
        return cls(
            words,
            tuple(_layer(tensors, f"model.layers.{number}.") for number in range(config["num_hidden_layers"])),
            (words * tensors["model.norm.weight"]).T,
            config["num_attention_heads"],
            config["num_key_value_heads"],
            config["rms_norm_eps"],
            (rope.get("rope_theta", 10000.0) ** (-np.arange(0, size, 2) / size)).astype(np.float32),
        )


class Reading:
    """One text as it is read: it only grows.

    Args:
        model: Who reads.
    """

    def __init__(self, model: Llama) -> None:
        size = 2 * len(model.turns)
        self._model, self._size, self._at = model, size, 0
        nothing = np.zeros((2, model.kv, 0, size), np.float32)
        self._held = [nothing] * len(model.layers)

    def read(self, ids: Sequence[int]) -> Array:
        """Read on.

        Args:
            ids: The next tokens, at least one.

        Returns:
            Logits after the last of them, shape (vocabulary,).
        """
        model, at = self._model, self._at + np.arange(len(ids))
        self._at += len(ids)
        hidden = np.where(np.arange(self._at) > at[:, None], -np.inf, 0).astype(np.float32)
        angles = np.outer(at, model.turns).astype(np.float32)[:, None]
        turned = np.cos(angles), np.sin(angles)
        x = model.words[list(ids)]
        for number, layer in enumerate(model.layers):
            x = x + self._attended(number, self._normed(x) @ layer.qkv, turned, hidden) @ layer.out
            gate, up = np.split(self._normed(x) @ layer.gate_up, 2, axis=1)
            x = x + (gate / (1 + np.exp(-gate)) * up) @ layer.down
        logits: Array = self._normed(x[-1:])[0] @ model.head
        return logits

    def _attended(self, number: int, made: Array, turned: tuple[Array, Array], hidden: Array) -> Array:
        """What attention makes of the tokens, shape (tokens, heads * head size); keys and values are kept.

        Args:
            number: The layer.
            made: Queries, keys and values, shape (tokens, (heads + 2 kv heads) * head size).
            turned: Cosines and sines of the positions, shape (tokens, 1, head size / 2).
            hidden: What is added to scores, shape (tokens, positions).
        """
        heads, kv, size = self._model.heads, self._model.kv, self._size
        parts = made.reshape(len(made), heads + 2 * kv, size)
        both = _turned(parts[:, : heads + kv], *turned)
        new = np.stack([both[:, heads:], parts[:, heads + kv :]]).transpose(0, 2, 1, 3)
        held = self._held[number] = np.concatenate([self._held[number], new], axis=2)
        queries = both[:, :heads].reshape(len(made), kv, -1, size).transpose(1, 2, 0, 3)
        scores = queries @ held[0][:, None].swapaxes(2, 3) / np.float32(np.sqrt(size)) + hidden
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        said = weights / weights.sum(-1, keepdims=True) @ held[1][:, None]
        together: Array = said.transpose(2, 0, 1, 3).reshape(len(made), heads * size)
        return together

    def _normed(self, x: Array) -> Array:
        root = np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self._model.least))
        normed: Array = (x / root).astype(np.float32, copy=False)
        return normed


def tensors_of(data: bytes) -> dict[str, Array]:
    """The tensors of a safetensors file; nothing in it is run.

    Args:
        data: Its bytes.

    Raises:
        ConfigError: They are not of type float32.
    """
    begin = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:begin])
    header.pop("__metadata__", None)
    if others := {told["dtype"] for told in header.values()} - {"F32"}:
        raise ConfigError(f"the weights are {', '.join(sorted(others))}, not F32", "pack a policy of dtype float32")
    return {
        name: np.frombuffer(data, "<f4", (last - first) // 4, begin + first).reshape(told["shape"])
        for name, told in header.items()
        for first, last in [told["data_offsets"]]
    }


def _layer(tensors: Mapping[str, Array], name: str) -> _Layer:
    def matrix(*parts: str, norm: str = "") -> Array:
        whole = np.concatenate([tensors[f"{name}{part}.weight"] for part in parts])
        return np.ascontiguousarray((whole * tensors[f"{name}{norm}.weight"] if norm else whole).T)

    return _Layer(
        matrix("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", norm="input_layernorm"),
        matrix("self_attn.o_proj"),
        matrix("mlp.gate_proj", "mlp.up_proj", norm="post_attention_layernorm"),
        matrix("mlp.down_proj"),
    )


def _turned(x: Array, cosines: Array, sines: Array) -> Array:
    """Queries or keys turned by their positions; the two numbers of a pair stand half a head apart."""
    one, other = np.split(x, 2, axis=-1)
    return np.concatenate([one * cosines - other * sines, other * cosines + one * sines], axis=-1)
