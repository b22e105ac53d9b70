"""Logits of the tokens that a grammar allowed, in the sampler and in the loss alike; see `grammar_masks.py`."""

from collections.abc import Sequence

import torch
from torch import Tensor

FORBIDDEN = -1e9
"""Logit of a token that is not allowed: its probability is 0, and so is its part of an entropy, unlike infinity's."""


def only(logits: Tensor, allowed: Sequence[bytes]) -> Tensor:
    """Logits with those of all other tokens at `FORBIDDEN`.

    Args:
        logits: Shape (positions, vocabulary).
        allowed: For each position its set of tokens, as `TurnMask.allowed` gives it.
    """
    packed = torch.frombuffer(bytearray(b"".join(allowed)), dtype=torch.uint8).view(len(allowed), -1, 1)
    bits = packed.to(logits.device) >> torch.arange(8, dtype=torch.uint8, device=logits.device) & 1
    return logits.masked_fill(bits.flatten(1)[:, : logits.shape[-1]] == 0, FORBIDDEN)
