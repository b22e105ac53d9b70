"""What an update came to, over the own tokens it was made with: entropy, penalty, clipping, an engine's distance."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowsteer.training.rl.cwrpo import OwnTokens
from flowsteer.training.rl.settings import UpdateSettings

if TYPE_CHECKING:
    from accelerate import Accelerator

RATIO, GAP = "sampling/importance_sampling_ratio", "sampling/sampling_logp_difference"
"""Names by which TRL logs an engine's distance from the learner."""

KNOWN = "known"
"""Share of the tokens whose log-prob the engine gave: the distance is that of these, as in TRL."""


class UpdateFigures:
    """Sums over passes and epochs; the processes exchange them once.

    Args:
        update: How the learner learns.
    """

    def __init__(self, update: UpdateSettings) -> None:
        self._update = update
        self._sums: dict[str, Tensor] = {}
        self._farthest: list[Tensor] = []

    @torch.no_grad()
    def add(self, tokens: OwnTokens) -> None:
        """Count the tokens of one pass."""
        ratio, clip, better = (tokens.now - tokens.old).exp(), self._update.clip, tokens.advantage > 0
        low, high = (ratio < 1 - clip) & (tokens.advantage < 0), (ratio > 1 + clip) & better
        found = {"tokens": torch.ones_like(ratio), "entropy": tokens.entropy}
        found |= {"clip_ratio/low_mean": low, "clip_ratio/high_mean": high, "clip_ratio/region_mean": low | high}
        if self._update.kl:
            found["kl"] = tokens.k3
        if tokens.sampled is not None:
            gap = (tokens.old - tokens.sampled).abs()
            known, gap = ~gap.isnan(), gap.nan_to_num(nan=0.0)
            found |= {f"{RATIO}/mean": tokens.engine, f"{GAP}/mean": gap, KNOWN: known}
            self._farthest.append(gap)
        for name, values in found.items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=ratio.device)) + values.sum()

    def means(self, accelerator: "Accelerator") -> dict[str, float]:
        """Means over the tokens of all processes; nothing where there was no token."""
        tokens, *sums = accelerator.reduce(torch.stack(list(self._sums.values())), reduction="sum").tolist()
        names = list(self._sums)[1:]
        found = {name: value / tokens for name, value in zip(names, sums, strict=True)} if tokens else {}
        if share := found.pop(KNOWN, 0.0):
            found[f"{GAP}/mean"] /= share
        if self._farthest:
            most = torch.cat([*self._farthest, self._farthest[0].new_zeros(1)]).max()
            found[f"{GAP}/max"] = float(accelerator.gather(most).max())
        return found
