"""Logits at some positions of padded rows, as the model itself makes them: a cap or a scale behind its head is done."""

from typing import Any

import torch
from torch import Tensor, nn


def logits_at(model: nn.Module, head: nn.Module, ids: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Logits at some positions, and the states they are made of; the head sees no other position.

    Padding stands behind, where no earlier position looks: there is no need to mask it.

    Args:
        model: The model.
        head: Its output layer.
        ids: Shape (rows, length).
        at: Which positions, of the same shape.

    Returns:
        Logits of shape (positions, vocabulary), and states of shape (positions, width).
    """
    states: list[Tensor] = []

    def only(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not inputs or inputs[0].shape[:2] != at.shape:
            return None
        states.append(inputs[0][at])
        return (states[-1], *inputs[1:])

    hook = head.register_forward_pre_hook(only)
    try:
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
    finally:
        hook.remove()
    return logits if logits.dim() == 2 else logits[at], states[-1] if states else torch.empty(0, device=ids.device)
