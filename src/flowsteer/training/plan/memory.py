"""How much memory a training run takes of a GPU, estimated from shapes; nothing is measured here."""

from dataclasses import dataclass
from typing import Any

GIGABYTE = 10**9
BYTES = {"float32": 4, "bfloat16": 2}

LOGITS = 10
"""Bytes of each logit of a backward pass: logits, tempered ones, their log-softmax and gradients, and entropies."""

LAYER = 6
"""Tensors as wide as the hidden state, beside those as wide as the feed-forward one, that a layer's backward keeps."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the size of a causal language model.

    Attributes:
        parameters: Weights, all of them.
        trained: Those that learn: all, or the adapters'.
        layers: Layers.
        hidden: Width.
        wide: Width of the feed-forward layer.
        kv: Width of keys and values together, over all heads that hold them.
        vocabulary: Tokens.
    """

    parameters: int
    trained: int
    layers: int
    hidden: int
    wide: int
    kv: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one GPU of a learner, and of a sampler's server.

    Attributes:
        weights: The model and its adapters, and the copies that play ahead.
        gradients: Of what learns.
        optimiser: Its moments.
        reference: What the KL penalty compares with: another model, or a copy of the adapters.
        activations: Of one backward pass with checkpointing, logits included, at the longest an episode may be.
        cache: Keys and values of the learner's own sampler, or what vLLM takes in its process.
        server: Weights on a GPU of a server; the rest of that GPU holds keys and values.
        server_token: Keys and values of one token there.
    """

    weights: int
    gradients: int
    optimiser: int
    reference: int
    activations: int
    cache: int
    server: int
    server_token: int

    @property
    def learner(self) -> int:
        """All that a learner's GPU holds at once."""
        return self.weights + self.gradients + self.optimiser + self.reference + self.activations + self.cache


def shape_of(config: Any, parameters: int, trained: int) -> Shape:
    """The shape, from a configuration of transformers.

    Args:
        config: The configuration.
        parameters: Weights, all of them.
        trained: Those that learn.
    """
    text = config.get_text_config()
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Shape(
        parameters,
        trained,
        text.num_hidden_layers,
        text.hidden_size,
        text.intermediate_size,
        2 * size * text.num_key_value_heads,
        text.vocab_size,
    )


def memory(
    shape: Shape, dtype: str, kl: bool, tokens: int, rows: int, sampled: int, vllm: int = 0, copies: int = 0
) -> Memory:
    """Estimate the memory of a run.

    Adapters are kept in 32 bits whatever the model is; so are AdamW's moments of them.

    Args:
        shape: The model.
        dtype: Type of its weights.
        kl: Whether there is a KL penalty.
        tokens: Most tokens of an episode.
        rows: Episodes in one backward pass.
        sampled: Episodes that the learner's own sampler holds at once; 0 where an engine apart draws.
        vllm: Bytes that vLLM takes in the learner's process.
        copies: Copies of the model that play steps ahead.
    """
    size, adapted = BYTES[dtype], shape.trained < shape.parameters
    each = BYTES["float32"] if adapted else size
    model, learns = shape.parameters * size, shape.trained * each
    token = shape.layers * shape.kv * size
    layer = (LAYER * shape.hidden + 3 * shape.wide + shape.kv) * size
    return Memory(
        weights=(model + (learns if adapted else 0)) * (1 + copies),
        gradients=learns,
        optimiser=2 * learns,
        reference=(learns if adapted else model) if kl else 0,
        activations=rows * tokens * (shape.layers * shape.hidden * size + layer + shape.vocabulary * LOGITS),
        cache=sampled * tokens * token + vllm,
        server=model,
        server_token=token,
    )
