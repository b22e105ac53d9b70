"""CWRPO on TRL's `GRPOTrainer`: the update is TRL's; the reward, the groups and the rollouts are ours (spec §6).

Departures from the paper, besides its sampling while training (top-p 1, top-k 0, see `Limits`): TRL's group standard
deviation is the sample's (n − 1) with δ = 1e-4, and its entropy bonus is a mean over all tokens of a micro-batch, not
over each trajectory's first. The old log-probs of the ratio are the learner's own, computed at the update: with one
update a batch the ratio is 1, and the clip only acts when that is changed.
"""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from datasets import Dataset
from flowsteer.training.config import TrainingConfig, limits_of
from flowsteer.training.measure import measure
from flowsteer.training.policy import TINY, Policy
from flowsteer.training.rollout import Arena, Group, Rollout, play
from flowsteer.training.tasks import Schedule

CHECKPOINTS, METRICS = "checkpoints", "metrics.jsonl"

JSON = dict[str, Any]
Paid = list[float | None]


@dataclass(slots=True)
class Learner:
    """One training run: what TRL calls back into.

    Attributes:
        config: The run.
        policy: Who learns; its model is changed in place.
        tasks: Training tasks, in order.
        arena: Where episodes are played.
        runner: The event loop that the arena lives on.
        folder: The run folder.
        keep: Gets each step's rollouts, to write down.
        on_step: Gets each step's metrics.
        validate: Called with the number of the update after every `validate_every` of them.
    """

    config: TrainingConfig
    policy: Policy
    tasks: Schedule
    arena: Arena
    runner: asyncio.Runner
    folder: Path
    keep: Callable[[Sequence[Rollout]], None] = lambda rollouts: None
    on_step: Callable[[JSON], None] = lambda metrics: None
    validate: Callable[[int], None] = lambda step: None
    _latest: list[Rollout] = field(default_factory=list)
    _seconds: float = 0.0

    def learn(self, resume: bool = False) -> None:
        """Run all updates.

        Args:
            resume: Whether to go on from the last checkpoint in the folder; without one, from the start.

        Raises:
            BackendUnavailable: The executor is gone. What the last checkpoint holds is kept.
            BudgetExceeded: The budget is spent; likewise.
        """
        checkpoints = self.folder / CHECKPOINTS
        last = last_checkpoint(checkpoints) if resume else None
        self._forget_after(0 if last is None else step_of(last))
        self.trainer().train(resume_from_checkpoint=None if last is None else str(last))

    def trainer(self) -> GRPOTrainer:
        """TRL's trainer, set to CWRPO."""
        os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
        rows = self.config.update.steps * self.config.update.groups
        trainer = GRPOTrainer(
            model=self.policy.model,
            reward_funcs=self.paid,
            args=arguments(self.config, self.folder / CHECKPOINTS),
            train_dataset=Dataset.from_dict({"prompt": [str(row) for row in range(rows)]}),
            processing_class=self.policy.tokenizer,
            rollout_func=self.roll_out,
            callbacks=[_Log(self)],
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def roll_out(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, list[Any]]:
        """Play the groups of one step.

        Args:
            prompts: The number of each rollout's row in the run's list of tasks, equal within a group.
            trainer: TRL's trainer.

        Returns:
            What TRL trains on: exactly the tokens that were sampled, and in between those of the canvas, masked.
        """
        step, started = trainer.state.global_step + 1, perf_counter()
        groups = [
            group for row, members in groupby(prompts) for group in self._group(step, int(row), len(list(members)))
        ]
        spec = f"policy@{step - 1}"
        playing = play(self.policy, groups, self.arena, limits_of(self.config), spec, self.config.seed)
        self._latest = self.runner.run(playing)
        self.keep(self._latest)
        self._seconds = perf_counter() - started
        buffers, mask = [rollout.buffer for rollout in self._latest], self.config.update.mask
        return {
            "prompt_ids": [list(buffer.prompt) for buffer in buffers],
            "completion_ids": [buffer.ids for buffer in buffers],
            "logprobs": [buffer.logprobs for buffer in buffers],
            "env_mask": [buffer.mask if mask else [1] * len(buffer.ids) for buffer in buffers],
            "earned": [rollout.reward.value for rollout in self._latest],
        }

    def _group(self, step: int, row: int, size: int) -> list[Group]:
        """Whose rewards are compared: rollouts of one task, or of different tasks of one dataset."""
        name = f"train/{step}/{row}"
        if self.config.update.grouping == "task":
            sample = self.tasks[row]
            return [Group(f"{name}/{sample.task.id}", sample, size)]
        return [Group(f"{name}/{sample.task.id}", sample, 1) for sample in self.tasks.peers(row, size)]

    def paid(self, earned: Paid, log_metric: Callable[[str, float], None], **_: Any) -> Paid:
        """The rewards of the rollouts; None takes one out of its group."""
        for name, value in measure(self._latest).items():
            if value is not None:
                log_metric(f"episodes/{name}", float(value))
        log_metric("seconds/rollout", self._seconds)
        return earned

    def written(self, metrics: JSON) -> None:
        """Write one step's metrics down."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")
        self.on_step(metrics)

    def _forget_after(self, step: int) -> None:
        """Drop the metrics of steps that will be taken again."""
        file = self.folder / METRICS
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        kept = [line for line in lines[:step] if line.endswith("}")]
        file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


class _Log(TrainerCallback):
    """Hands each step's metrics on, and says when it is time to validate."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: JSON | None = None, **_: Any
    ) -> None:
        if logs and "loss" in logs:
            self._learner.written({"step": state.global_step} | logs)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        every = self._learner.config.update.validate_every
        if every and state.global_step % every == 0:
            self._learner.validate(state.global_step)


def last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint; its trainer state is what is written last."""
    whole = [found.parent for found in folder.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The update after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def arguments(config: TrainingConfig, folder: Path) -> GRPOConfig:
    """TRL's settings for CWRPO (spec §6)."""
    update = config.update
    micro = update.micro_batch or update.batch
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=update.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=update.batch // micro,
        num_generations=update.group,
        num_iterations=1,
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
        max_grad_norm=update.max_grad_norm,
        optim="adamw_torch",
        bf16=config.policy.dtype == "bfloat16",
        gradient_checkpointing=config.policy.name != TINY,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=config.seed,
        logging_steps=1,
        logging_first_step=True,
        save_strategy="steps" if update.save_every else "no",
        save_steps=update.save_every or update.steps,
        save_total_limit=2,
        report_to=list(config.report_to) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
    )
