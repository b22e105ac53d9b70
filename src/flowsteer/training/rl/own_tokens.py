"""Log-probs and entropies at a trajectory's own tokens, and nowhere else.

Rows are put together by length, and each is padded to the longest of its pass. The output layer sees the positions of
own tokens only; what a model does with its logits after that layer (a cap, a scale) is done by the model itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from flowsteer.training.inference.only_allowed import only
from flowsteer.training.policy.own_logits import logits_at

AT_ONCE_TOKENS = 1024
"""Most tokens, padding included, of a pass on a processor, if it has more than one row: more at once is no quicker
there, and short rows are padded less."""

DENSE = 2**26
"""Most logits that are held at once, for each token of the vocabulary one; TRL's head in pieces is used for more."""


@dataclass(frozen=True, slots=True)
class Scorable:
    """One trajectory as the learner scores it.

    Attributes:
        ids: All tokens, the prompt included; shape (length,).
        own: Which of them the policy sampled; shape (length,).
        sampled: Their log-probs when they were sampled; shape (own tokens,).
        advantage: Â of the trajectory.
        allowed: For each own token the set it was sampled from, if a grammar held it (`TurnMask.allowed`).
    """

    ids: Tensor
    own: Tensor
    sampled: Tensor
    advantage: float
    allowed: Sequence[bytes] = ()

    @property
    def count(self) -> int:
        """Own tokens."""
        return len(self.sampled)


def rows_of(
    batch: dict[str, Any], advantages: Sequence[float], allowed: Sequence[Sequence[bytes]] = ()
) -> list[Scorable]:
    """The trajectories in TRL's padded batch.

    Args:
        batch: What TRL's trainer makes of a rollout.
        advantages: Â of each.
        allowed: The sets that each one's own tokens were sampled from; empty without a grammar.
    """
    found = []
    for number, advantage in enumerate(advantages):
        prompt = batch["prompt_ids"][number][batch["prompt_mask"][number].bool()]
        there = batch["completion_mask"][number].bool()
        own = batch["tool_mask"][number][there].bool()
        ids = torch.cat([prompt, batch["completion_ids"][number][there]])
        mask = torch.cat([torch.zeros_like(prompt, dtype=torch.bool), own])
        sampled = batch["sampling_per_token_logps"][number][there][own]
        found.append(Scorable(ids, mask, sampled, advantage, allowed[number] if allowed else ()))
    return found


def passes_of(rows: Sequence[Scorable], count: int, wanted: Callable[[Scorable], bool]) -> list[list[Scorable]]:
    """The rows of a step in so many passes: by length, in parts of equal size, without those that add nothing.

    Every pass has a row, if there are enough: processes that share weights must make equally many.

    Args:
        rows: The rows.
        count: How many passes.
        wanted: Whether a row adds anything to the loss.
    """
    ordered = sorted(rows, key=lambda row: len(row.ids))
    kept = [row for row in ordered if wanted(row)]
    spare = [row for row in ordered if not wanted(row)]
    kept = sorted([*spare[: max(0, count - len(kept))], *kept], key=lambda row: len(row.ids))
    size, more = divmod(len(kept), count)
    ends = [size * number + min(number, more) for number in range(count + 1)]
    return [kept[first:last] for first, last in pairwise(ends) if last > first]


def cut_smaller(passes: Sequence[Sequence[Scorable]], tokens: int) -> list[list[Scorable]]:
    """The same rows in passes of so many tokens at most, padding included, if a pass has more than one row."""
    found: list[list[Scorable]] = []
    for rows in passes:
        found.append([])
        for row in rows:
            if found[-1] and (len(found[-1]) + 1) * len(row.ids) > tokens:
                found.append([])
            found[-1].append(row)
    return found


def own_logprobs(
    model: nn.Module, head: nn.Module, rows: Sequence[Scorable], temperature: float, fused: bool, bonus: bool
) -> tuple[Tensor, Tensor]:
    """Log-probs and entropies of the tempered distribution at the own tokens of some rows, end to end.

    Where a grammar held them, it is the distribution over what that allowed.

    Args:
        model: The model, as it is wrapped for training.
        head: Its output layer.
        rows: The rows.
        temperature: Divides the logits.
        fused: Whether TRL's head in pieces may be used where logits would be many: it has this temperature.
        bonus: Whether the entropies are to have gradients.

    Returns:
        Log-probs and entropies, each of shape (own tokens of all rows,); without gradients switched on, no entropies.
    """
    ids = pad_sequence([row.ids for row in rows], batch_first=True)
    own = pad_sequence([row.own for row in rows], batch_first=True)[:, 1:]
    vocabulary = next(head.parameters()).shape[0]
    allowed = [one for row in rows for one in row.allowed]
    if fused and not allowed and int(own.sum()) * vocabulary > DENSE:
        labels = ids.clone()
        labels[:, 1:][~own] = labels[:, 0] = -100
        found = model(input_ids=ids, labels=labels, use_cache=False, fused_lm_head=True)
        return found.log_probs[own], found.entropy[own] if torch.is_grad_enabled() else found.log_probs.new_empty(0)
    logits = logits_at(model, head, ids, torch.nn.functional.pad(own, (0, 1)))[0].float()
    if allowed:
        logits = only(logits, allowed)
    logprobs = torch.log_softmax(logits / temperature, -1)
    chosen = logprobs.gather(1, ids[:, 1:][own][:, None])[:, 0]
    if not torch.is_grad_enabled():
        return chosen, chosen.new_empty(0)
    spread = logprobs if bonus else logprobs.detach()
    return chosen, -(spread.exp() * spread).sum(-1)
