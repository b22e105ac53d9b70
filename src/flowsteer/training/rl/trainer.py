"""CWRPO on TRL's `GRPOTrainer`: the update is TRL's; the reward, the groups and the rollouts are ours (spec §6).

Departures from the paper, besides its sampling while training (top-p 1, top-k 0, see `DrawSettings`): TRL's group
standard deviation is the sample's (n − 1) with δ = 1e-4, and its entropy bonus is a mean over all tokens of a micro-
batch, not over each trajectory's first. The old log-probs of the ratio are the learner's own, computed at the update:
with one update a batch the ratio is 1, and the clip only acts when that is changed. Where an engine apart draws, each
token is weighed by the learner's probability over the engine's, at most `engine.RATIO_MOST`.

Several processes share a step: each plays the episodes of its own rows, TRL gathers rewards and averages gradients, and
episodes are gathered for the record, which the first process keeps.
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
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
from flowsteer.errors import ConfigError
from flowsteer.training.config import TrainingConfig, limits_of
from flowsteer.training.data import Schedule
from flowsteer.training.inference import engines as engines
from flowsteer.training.inference.batcher import Draw, sample
from flowsteer.training.inference.distributed import PATIENCE, Ranks
from flowsteer.training.policy.policy import TINY, Policy
from flowsteer.training.rollout.metrics import measure, stages
from flowsteer.training.rollout.rollout import Arena, Group, Rollout, play

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
        ranks: The processes that share the run.
        report_to: Where metrics go besides the run folder.
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
    ranks: Ranks = Ranks()  # noqa: RUF009 - frozen
    report_to: tuple[str, ...] = ()
    _latest: list[Rollout] = field(default_factory=list)
    _spent: dict[str, float] = field(default_factory=dict)
    _trainer: "GRPOTrainer | None" = None
    _engine: engines.SamplingEngine | None = None

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
        if self.ranks.first:
            self._forget_after(0 if last is None else step_of(last))
        self.ranks.wait()
        self.trainer().train(resume_from_checkpoint=None if last is None else str(last))

    def trainer(self) -> GRPOTrainer:
        """TRL's trainer, set to CWRPO; made at first use.

        Raises:
            ConfigError: The processes cannot share a step evenly.
        """
        if self._trainer is None:
            os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
            rows = self.config.update.steps * self.config.update.groups
            self._trainer = _Timed(
                model=self.policy.model,
                reward_funcs=self.paid,
                args=arguments(self.config, self.folder / CHECKPOINTS, self.ranks, self.report_to),
                train_dataset=Dataset.from_dict({"prompt": [str(row) for row in range(rows)]}),
                processing_class=self.policy.tokenizer,
                rollout_func=self.roll_out,
                callbacks=[_Log(self)],
            )
            self._trainer.spent = self._spent
            self._trainer.remove_callback(PrinterCallback)
        return self._trainer

    @property
    def engine(self) -> engines.SamplingEngine:
        """What draws the policy's tokens; made at first use.

        Raises:
            ConfigError: It does not go with how the run was launched.
        """
        if self._engine is None:
            self._engine = engines.open_engine(
                self.config, self.policy, self.trainer(), self.folder, self.runner, self.ranks
            )
        return self._engine

    @property
    def draw(self) -> Draw:
        """What draws now: the engine, once there is one."""
        return sample if self._engine is None else self._engine.draw

    def close(self) -> None:
        """Close the connections of an engine apart."""
        if self._engine is not None:
            self._engine.close()

    def save(self, folder: Path) -> None:
        """Write the policy as it is now; all processes take part."""
        if self.ranks.count == 1:
            self.policy.save(folder)
        else:
            self.policy.mark()
            self.trainer().save_model(str(folder))

    def roll_out(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, list[Any]]:
        """Play the groups of one step.

        Args:
            prompts: The number of each rollout's row in the run's list of tasks, equal within a group.
            trainer: TRL's trainer.

        Returns:
            What TRL trains on: exactly the tokens that were sampled, and in between those of the canvas, masked.
        """
        step, started, engine = trainer.state.global_step + 1, perf_counter(), self.engine
        drawn = engine.clock.seconds
        groups = list(self._groups(step, prompts))
        spec = f"policy@{step - 1}"
        limits, seed = limits_of(self.config), self.config.seed
        mine = self.runner.run(play(self.policy, groups, self.arena, limits, spec, seed, engine.draw))
        self._latest = self.ranks.gather(mine)
        self.keep(self._latest)
        spent, sampling = perf_counter() - started, engine.clock.seconds - drawn
        self._spent |= {"rollout": spent, "sampling": sampling, "canvas": spent - sampling}
        buffers, mask = [rollout.buffer for rollout in mine], self.config.update.mask
        return {
            "prompt_ids": [list(buffer.prompt) for buffer in buffers],
            "completion_ids": [buffer.ids for buffer in buffers],
            "logprobs": [buffer.logprobs for buffer in buffers],
            "env_mask": [buffer.mask if mask else [1] * len(buffer.ids) for buffer in buffers],
            "earned": [rollout.reward.value for rollout in mine],
        }

    def _groups(self, step: int, prompts: list[str]) -> Iterator[Group]:
        """Whose rewards are compared: rollouts of one task, or of different tasks of one dataset.

        A step's rows are dealt to the processes in order, so that a group may begin in one and end in the next.
        """
        update, position = self.config.update, self.ranks.number * len(prompts)
        for row, members in groupby(map(int, prompts)):
            name, size, first = f"train/{step}/{row}", len(list(members)), position % update.group
            position += size
            if update.grouping == "task":
                sample = self.tasks[row]
                yield Group(f"{name}/{sample.task.id}", sample, size, first)
            else:
                for sample in self.tasks.peers(row, update.group)[first : first + size]:
                    yield Group(f"{name}/{sample.task.id}", sample, 1)

    def paid(self, earned: Paid, log_metric: Callable[[str, float], None], **_: Any) -> Paid:
        """The rewards of the rollouts; None takes one out of its group."""
        episodes = {f"episodes/{name}": value for name, value in measure(self._latest).items() if value is not None}
        for name, value in {**episodes, **stages(self._latest)}.items():
            log_metric(name, float(value))
        for name in ("rollout", "sampling", "canvas"):
            log_metric(f"seconds/{name}", self._spent.get(name, 0.0))
        return earned

    def written(self, metrics: JSON) -> None:
        """Write one step's metrics down."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")
        self.on_step(metrics)

    def timed(self, step: float, sync: float) -> None:
        """Note the seconds of a step; what was no rollout and no synchronisation is TRL's and the optimiser's."""
        self._spent |= {"step": step, "sync": sync, "update": step - sync - self._spent["rollout"]}

    def _forget_after(self, step: int) -> None:
        """Drop the metrics of steps that will be taken again."""
        file = self.folder / METRICS
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        kept = [line for line in lines[:step] if line.endswith("}")]
        file.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


class _Timed(GRPOTrainer):
    """TRL's trainer; its logs say where the seconds of a step went."""

    spent: dict[str, float]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log a step."""
        timed = {f"seconds/{name}": self.spent[name] for name in ("step", "update", "sync")} if "loss" in logs else {}
        super().log(logs | timed, start_time)


class _Log(TrainerCallback):
    """Times each step, hands its metrics on, and says when it is time to validate."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._began = self._synced = 0.0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._began, self._synced = perf_counter(), self._learner.engine.syncing.seconds

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: JSON | None = None, **_: Any
    ) -> None:
        if logs and "loss" in logs and self._learner.ranks.first:
            self._learner.written({"step": state.global_step} | logs)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._learner.timed(perf_counter() - self._began, self._learner.engine.syncing.seconds - self._synced)
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


def share(config: TrainingConfig, ranks: Ranks) -> tuple[int, int]:
    """How a process takes its part of a step: rollouts in one backward pass, and backward passes.

    Raises:
        ConfigError: The rollouts of a step cannot be shared evenly.
    """
    update = config.update
    micro = update.micro_batch or max(1, update.batch // ranks.count)
    if update.batch % (micro * ranks.count):
        raise ConfigError(
            f"{update.batch} rollouts a step cannot be shared by {ranks.count} processes, {micro} at a time",
            f"launch a number of processes that divides {update.batch}, or set update.micro_batch or update.groups",
        )
    return micro, update.batch // (micro * ranks.count)


def arguments(config: TrainingConfig, folder: Path, ranks: Ranks, report_to: Sequence[str]) -> GRPOConfig:
    """TRL's settings for CWRPO (spec §6)."""
    update = config.update
    micro, passes = share(config, ranks)
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=update.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=passes,
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
        **engines.arguments(config),
    )
