"""CWRPO, top to bottom (spec §6): whose rewards are compared, what an update trains on, the loss, TRL's settings.

    R(τ) = −1 + R_div(τ) + 1[R_div(τ) = 1] · R_ans(τ)        `flowsteer.reward.reward`
    Â_i  = (R_i − mean R) / (std R + δ)                      over a group: rollouts of one task; `advantages`
    loss = mean over trajectories of the mean over their own tokens of          `objective`
           −min(ρ Â, clip(ρ, 1 − ε, 1 + ε) Â) + β k3(π ‖ π_0) − entropy bonus

A step is: deal the groups (`groups_of`), play them (`rollout.play`), hand over exactly the tokens that were sampled,
with the canvas's masked (`to_trl`), compare (`advantages`), update (`objective`, in the passes of
`trainer.CwrpoTrainer`). The loop around it, the optimiser, checkpoints and processes are TRL's (`grpo_settings`), and
the gradient is held to that of TRL's own loss by test.

Departures from the paper, besides its sampling while training (top-p 1, top-k 0, see `DrawSettings`):

- A group's standard deviation is the sample's (n − 1), with TRL's δ = 1e-4; `update.std_floor` is another δ.
- The entropy bonus is, as in TRL, a mean over all tokens of a process's part of a step, not of trajectories' means;
  `update.entropy_mean = "trajectory"` is the paper's.
- The old log-probs of the ratio are the learner's own, computed at the update: with one epoch a step the ratio is 1,
  and the clip acts only with more of them (`update.epochs`).
- Where an engine outside the learner's model draws, or an earlier version (`update.staleness`), each token is weighed
  by the learner's probability over the one it was drawn with, at most `engines.RATIO_MOST`.

Additions, off by default: a temperature that moves over the run, of rollouts and log-probs alike
(`sampler.temperature_end`), and a β that does (`update.kl_end`); fresh groups in place of those that teach nothing
(`update.dynamic`: `silent`, `fresh_row`); steps that are played ahead (`update.staleness`: `rounds_ahead`).

Several processes share a step: each plays the episodes of its own rows; rewards are gathered and gradients averaged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import mean, pvariance, stdev
from typing import Any

import torch
from torch import Tensor
from trl.trainer.grpo_config import GRPOConfig

from flowsteer.errors import ConfigError
from flowsteer.training.data import Schedule
from flowsteer.training.inference import engines
from flowsteer.training.inference.distributed import PATIENCE, Ranks
from flowsteer.training.policy.policy import TINY
from flowsteer.training.rl.settings import LearnerSettings, UpdateSettings
from flowsteer.training.rollout.rollout import Group, Rollout
from flowsteer.training.rollout.signal import SAME


def groups_of(step: int, rows: Mapping[int, int], tasks: Schedule, update: UpdateSettings) -> Iterator[Group]:
    """Whose rewards are compared: rollouts of one task, or of different tasks of one dataset.

    A step's rollouts are dealt to the processes in order, so that a group may begin in one and end in the next.

    Args:
        step: The update these rollouts are for, from 1.
        rows: For each rollout of this process, by its place among all of the step, the number of its group in the order
            of tasks; equal ones are neighbours.
        tasks: Training tasks, in order.
        update: How many rollouts a group has, and of what.
    """
    for row, members in groupby(rows, key=rows.__getitem__):
        places = list(members)
        name, size, first = f"train/{step}/{row}", len(places), places[0] % update.group
        if update.grouping == "task":
            sample = tasks[row]
            yield Group(f"{name}/{sample.task.id}", sample, size, first)
        else:
            for sample in tasks.peers(row, update.group)[first : first + size]:
                yield Group(f"{name}/{sample.task.id}", sample, 1)


def silent(rewards: Sequence[float | None], group: int) -> list[int]:
    """The groups of a step that teach nothing: their rewards are equal, or there are no two.

    Args:
        rewards: R of all rollouts of a step, group by group.
        group: Rollouts of a group.

    >>> silent([1.0, 1.0, 0.0, 1.0, None, 0.5], group=2)
    [0, 2]
    """
    known = [
        [reward for reward in rewards[first : first + group] if reward is not None]
        for first in range(0, len(rewards), group)
    ]
    return [number for number, paid in enumerate(known) if len(paid) < 2 or pvariance(paid) <= SAME]


def fresh_row(row: int, step: int, extra: int, tasks: Schedule, update: UpdateSettings) -> int:
    """The row that takes a silent group's place: a task of the same kind, further on in the order of tasks.

    No row of a step is met twice in it. Behind one pass over its kind the order begins anew, so that another row may be
    the same task: most likely not with a thousand tasks, often with a few.

    It depends on nothing that was played, so that a run that is gone on with meets the same tasks.

    Args:
        row: The group's own row.
        step: The update, from 1.
        extra: The extra round, from 1.
        tasks: Training tasks, in order.
        update: How many groups a step has, and how many extra rounds.
    """
    return row + tasks.kinds * update.groups * ((step - 1) * update.dynamic + extra)


def to_trl(rollouts: Sequence[Rollout], mask: bool = True) -> dict[str, list[Any]]:
    """What TRL trains on: exactly the tokens that were sampled, and in between those of the canvas, masked.

    Args:
        rollouts: One process's part of a step.
        mask: Whether the canvas's tokens are left out of the loss; False is an ablation.

    Returns:
        One entry a rollout: `prompt_ids`, `completion_ids`, `logprobs`, `env_mask`, and `earned`, its R; None takes the
        rollout out of its group.
    """
    trajectories = [rollout.trajectory for rollout in rollouts]
    return {
        "prompt_ids": [list(one.prompt) for one in trajectories],
        "completion_ids": [one.ids for one in trajectories],
        "logprobs": [one.logprobs for one in trajectories],
        "env_mask": [one.mask if mask else [1] * len(one.ids) for one in trajectories],
        "earned": [rollout.reward.value for rollout in rollouts],
    }


def advantages(rewards: Sequence[float | None], group: int, floor: float) -> list[float]:
    """Â: each reward compared with those of its group.

    Args:
        rewards: R of all rollouts of a step, group by group; None takes one out of its group, and it learns nothing.
        group: Rollouts of a group.
        floor: δ, added to the standard deviation.

    >>> advantages([1.0, 0.0, 0.5, None, 0.5, 0.5], group=3, floor=0.5)
    [0.5, -0.5, 0.0, 0.0, 0.0, 0.0]
    """
    found: list[float] = []
    for first in range(0, len(rewards), group):
        members = rewards[first : first + group]
        known = [reward for reward in members if reward is not None]
        usual, spread = (mean(known), stdev(known)) if len(known) > 1 else (0.0, float("inf"))
        found += [0.0 if reward is None else (reward - usual) / (spread + floor) for reward in members]
    return found


@dataclass(frozen=True, slots=True)
class OwnTokens:
    """The own tokens of some trajectories, end to end; each field has the shape (own tokens,).

    Attributes:
        now: Log-probs under the policy that learns.
        old: Those under the policy as it was before the step's first update.
        reference: Those under the policy the run began with; None without a penalty.
        entropy: Entropies under the policy that learns.
        advantage: Â of the trajectory that the token is of.
        sampled: Those with which an engine apart or an earlier version drew; None where the learner's own model did.
        share: The token's weight in a mean over trajectories of the mean over their own tokens.
        bonus: Its weight in the mean of the entropy bonus.
    """

    now: Tensor
    old: Tensor
    reference: Tensor | None
    entropy: Tensor
    advantage: Tensor
    sampled: Tensor | None
    share: Tensor
    bonus: Tensor

    @property
    def engine(self) -> Tensor:
        """How much a token weighs for who drew it; 1 where that engine gave no log-prob, as in TRL."""
        if self.sampled is None:
            return torch.ones_like(self.old)
        return (self.old - self.sampled).nan_to_num(nan=0.0).exp().clamp(max=engines.RATIO_MOST)

    @property
    def k3(self) -> Tensor:
        """The estimate of KL(π ‖ π_0) at each token; 0 without a penalty."""
        if self.reference is None:
            return torch.zeros_like(self.now)
        apart = self.reference - self.now
        return apart.exp() - apart - 1


def objective(tokens: OwnTokens, update: UpdateSettings) -> Tensor:
    """The loss: its part that these tokens make."""
    ratio = (tokens.now - tokens.old).exp()
    clipped = ratio.clamp(1 - update.clip, 1 + update.clip)
    loss = -torch.minimum(ratio * tokens.advantage, clipped * tokens.advantage)
    if tokens.sampled is not None:
        loss = loss * tokens.engine
    if update.kl:
        loss = loss + update.kl * tokens.k3
    total = (loss * tokens.share).sum()
    return total - update.entropy * (tokens.entropy * tokens.bonus).sum() if update.entropy else total


def grpo_settings(config: LearnerSettings, folder: Path, ranks: Ranks, report_to: Sequence[str]) -> GRPOConfig:
    """TRL's settings for CWRPO (spec §6)."""
    update = config.update
    micro, passes = share(update, ranks)
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=update.steps,
        per_device_train_batch_size=micro * passes,  # the trainer takes them pass by pass
        num_generations=update.group,
        shuffle_dataset=False,
        temperature=config.sampler.temperature,
        loss_type="grpo",
        scale_rewards="group",
        use_bias_correction_kl=False,
        beta=update.kl,
        epsilon=update.clip,
        entropy_coef=update.entropy,
        disable_dropout=True,
        learning_rate=update.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=update.warmup_steps,
        weight_decay=update.weight_decay,
        adam_beta2=update.adam_beta2,
        max_grad_norm=update.max_grad_norm,
        optim="adamw_torch",
        bf16=config.policy.dtype == "bfloat16",
        gradient_checkpointing=config.policy.name != TINY,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=config.seed,
        logging_steps=1,
        logging_first_step=True,
        save_strategy="steps",
        save_steps=update.save_every or max(1, update.steps),
        save_total_limit=2,
        report_to=list(report_to) or "none",
        project="flowsteer",
        run_name=folder.parent.name,
        trackio_static_space_id=False,
        ddp_find_unused_parameters=False,
        ddp_timeout=int(PATIENCE.total_seconds()),
        disable_tqdm=True,
        remove_unused_columns=False,
        **engines.trl_settings(config.sampler),
    )


def share(update: UpdateSettings, ranks: Ranks) -> tuple[int, int]:
    """How a process takes its part of a step: rollouts in one backward pass, and backward passes.

    Raises:
        ConfigError: The rollouts of a step cannot be shared evenly.
    """
    micro = update.micro_batch or max(1, update.batch // ranks.count)
    if update.batch % (micro * ranks.count):
        raise ConfigError(
            f"{update.batch} rollouts a step cannot be shared by {ranks.count} processes, {micro} at a time",
            f"launch a number of processes that divides {update.batch}, or set update.micro_batch or update.groups",
        )
    return micro, update.batch // (micro * ranks.count)
