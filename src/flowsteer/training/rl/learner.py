"""The learner: TRL's trainer around a policy, with the episodes, metrics, seconds and checkpoints of its steps.

The method itself stands in `flowsteer.training.rl.cwrpo`. Of several processes the first one keeps the record.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from torch.optim.lr_scheduler import LambdaLR
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.grpo_trainer import GRPOTrainer

from datasets import Dataset
from flowsteer.environments.arena import Arena
from flowsteer.errors import ConfigError
from flowsteer.runs.files import append_line, read_lines, write_lines
from flowsteer.training.data import Schedule
from flowsteer.training.inference import trl_internals
from flowsteer.training.inference.batcher import Batcher
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.inference.engines import open_engine
from flowsteer.training.inference.sampling_engine import SamplingEngine
from flowsteer.training.policy.policy import Policy
from flowsteer.training.rl.cwrpo import groups_of, grpo_settings, to_trl
from flowsteer.training.rl.rounds_ahead import Played, RoundsAhead
from flowsteer.training.rl.settings import LearnerSettings
from flowsteer.training.rl.step_rollouts import StepRollouts, rolled_out
from flowsteer.training.rl.trainer import CwrpoTrainer
from flowsteer.training.rollout.metrics import measure, stages, type_figures
from flowsteer.training.rollout.rollout import Rollout, play
from flowsteer.training.rollout.signal import signal

CHECKPOINTS, METRICS = "checkpoints", "metrics.jsonl"

ALONE = Ranks()

JSON = dict[str, Any]
Paid = list[float | None]


class Learner:
    """One training run: what TRL calls back into.

    Args:
        config: What it is asked to do.
        policy: Who learns; its model is changed in place.
        tasks: Training tasks, in order.
        arena: Where episodes are played.
        runner: The event loop that the arena lives on.
        folder: The run folder.
        ranks: The processes that share the run.
        keep: Gets each step's rollouts, and the name of the policy that played, to write down.
        validate: Called with the number of the update after every `validate_every` of them; says whether the policy was
            kept as the best.
        report_to: Where metrics go besides the run folder.

    Attributes:
        policy: Who learns.
    """

    def __init__(
        self,
        config: LearnerSettings,
        policy: Policy,
        tasks: Schedule,
        arena: Arena,
        runner: asyncio.Runner,
        folder: Path,
        ranks: Ranks = ALONE,
        keep: Callable[[Sequence[Rollout], str], None] = lambda rollouts, policy: None,
        validate: Callable[[int], bool] = lambda step: False,
        report_to: tuple[str, ...] = (),
    ) -> None:
        self.policy = policy
        self._config, self._tasks, self._arena, self._runner, self._folder = config, tasks, arena, runner, folder
        self._ranks, self._keep, self._validate, self._report_to = ranks, keep, validate, report_to
        self._latest = StepRollouts([], [], [])
        self._seconds: dict[str, float] = {}
        self._late = 0
        self._earned: Paid = []
        self._allowed: list[list[bytes]] = []
        self._trainer: CwrpoTrainer | None = None
        self._engine: SamplingEngine | None = None
        update = config.update
        self._ahead = RoundsAhead(policy, update.staleness, update.steps, self._whole_round, runner)

    def learn(self, resume: bool = False, on_step: Callable[[JSON], None] = lambda metrics: None) -> None:
        """Run all updates.

        Args:
            resume: Whether to go on from the last checkpoint in the folder; without one, from the start.
            on_step: Gets each step's metrics.

        Raises:
            BackendUnavailable: The executor is gone. What the last checkpoint holds is kept.
            BudgetExceeded: The budget is spent; likewise.
        """
        checkpoints = self._folder / CHECKPOINTS
        last = last_checkpoint(checkpoints) if resume else None
        if self._ranks.first:
            self._forget_after(0 if last is None else step_of(last))
        self._ranks.wait()
        trainer = self.trainer()
        trainer.add_callback(_StepCallback(self, on_step))
        trainer.train(resume_from_checkpoint=None if last is None else str(last))

    def trainer(self) -> GRPOTrainer:
        """TRL's trainer, set to CWRPO; made at first use.

        Raises:
            ConfigError: The processes cannot share a step evenly, or are several and play ahead.
        """
        if self._config.update.staleness and self._ranks.count > 1:
            raise ConfigError("steps are played ahead by a single process", "launch one, or set update.staleness=0")
        if self._trainer is None:
            os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
            rows = self._config.update.steps * self._config.update.groups
            self._trainer = CwrpoTrainer(
                self._config,
                self._ranks,
                self._earned,
                self._allowed,
                self._seconds,
                model=self.policy.model,
                reward_funcs=self.paid,
                args=grpo_settings(self._config, self._folder / CHECKPOINTS, self._ranks, self._report_to),
                train_dataset=Dataset.from_dict({"prompt": [str(row) for row in range(rows)]}),
                processing_class=self.policy.tokenizer,
                rollout_func=self.roll_out,
            )
            self._trainer.remove_callback(PrinterCallback)
        return self._trainer

    @property
    def engine(self) -> SamplingEngine:
        """What draws the policy's tokens; made at first use.

        Raises:
            ConfigError: It does not go with how the run was launched.
        """
        if self._engine is None:
            self._engine = open_engine(
                self._config.sampler, self.policy, self.trainer(), self._folder, self._runner, self._ranks
            )
        return self._engine

    @property
    def draws(self) -> SamplingEngine:
        """What draws now: the run's engine, once there is one; before, the policy's own model."""
        return Batcher(self.policy) if self._engine is None else self._engine

    def close(self) -> None:
        """Break off what is played ahead, and close the connections of the sampling engine."""
        self._ahead.close()
        if self._engine is not None:
            self._engine.close()

    def save(self, folder: Path) -> None:
        """Write the policy as it is now; all processes take part."""
        if self._ranks.count == 1:
            self.policy.save(folder)
        else:
            self.policy.mark()
            self.trainer().save_model(str(folder))

    def restore(self, folder: Path, step: int) -> bool:
        """Take the weights of an earlier step, and draw with them from now on; all processes take part.

        Args:
            folder: Where `save` wrote them.
            step: The step.

        Returns:
            Whether that was possible: where weights are spread over the processes, none of them holds a model to load.
        """
        if trl_internals.weights_are_spread(self.trainer()):
            return False
        self.policy.restore(folder)
        self.engine.serve(step)
        return True

    def roll_out(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, list[Any]]:
        """Play the groups of one step.

        Args:
            prompts: The number of each rollout's row in the run's list of tasks, equal within a group.
            trainer: TRL's trainer.

        Returns:
            What TRL trains on; see `to_trl`.
        """
        step, started, update = trainer.state.global_step + 1, perf_counter(), self._config.update
        clock = self._ahead.drawing if update.staleness else self.engine.drawing
        drawn, place, self._late = clock.seconds, self._ranks.number * len(prompts), 0
        rows = {place + number: int(row) for number, row in enumerate(prompts)}

        def played(some: Mapping[int, int]) -> list[Rollout]:
            if not some:  # of an extra round, a process may have none
                return []
            if update.staleness:
                taken = self._ahead.take(step)
                self._late = step - 1 - taken.version
                return taken.rollouts
            return self._runner.run(self._play(step, some, self.policy, self.engine, f"policy@{step - 1}"))

        mine, self._latest = rolled_out(step, rows, played, self._tasks, update, self._ranks)
        self._allowed[:] = [one.trajectory.allowed for one in mine] if self._config.sampler.grammar else []
        self._keep(self._latest.played, f"policy@{step - 1 - self._late}")
        spent, sampling = perf_counter() - started, clock.seconds - drawn
        self._seconds |= {"rollout": spent, "sampling": sampling, "canvas": spent - sampling}
        return to_trl(mine, update.mask)

    def _whole_round(self, step: int, policy: Policy, engine: SamplingEngine, name: str) -> Played:
        """Play all rollouts of a step, in the order in which TRL asks for them."""
        update = self._config.update
        rows = {place: (step - 1) * update.groups + place // update.group for place in range(update.batch)}
        return self._play(step, rows, policy, engine, name)

    def _play(self, step: int, rows: Mapping[int, int], policy: Policy, engine: SamplingEngine, name: str) -> Played:
        """Play some rollouts of a step."""
        limits = replace(self._config.sampler, temperature=self._config.temperature_at(step))
        groups = list(groups_of(step, rows, self._tasks, self._config.update))
        return play(policy, groups, self._arena, limits, name, self._config.seed, engine)

    def paid(self, earned: Paid, log_metric: Callable[[str, float], None], **_: Any) -> Paid:
        """The rewards of the rollouts; None takes one out of its group."""
        update = self._config.update
        episodes = {
            f"episodes/{name}": value for name, value in measure(self._latest.first).items() if value is not None
        }
        learned_from = signal(self._latest.trained, update.group)
        if update.dynamic:
            learned_from["signal/replaced"] = self._latest.replaced
        about = episodes | type_figures(self._latest.first) | stages(self._latest.played) | learned_from
        if update.staleness:
            about["staleness"] = self._late
        for name, value in about.items():
            log_metric(name, float(value))
        for name in ("rollout", "sampling", "canvas"):
            log_metric(f"seconds/{name}", self._seconds.get(name, 0.0))
        self._earned[:] = self._ranks.gather(list(earned))
        return earned

    def logged(self, metrics: JSON) -> bool:
        """Write one step's metrics down; the first process does.

        Returns:
            Whether this is the first process.
        """
        if self._ranks.first:
            append_line(self._folder / METRICS, metrics)
        return self._ranks.first

    def ended(self, step: int, seconds: float, sync: float) -> bool:
        """A step is over: note its seconds, and validate if it is time to.

        Args:
            step: Its number.
            seconds: Its wall time; what was no rollout and no synchronisation is TRL's and the optimiser's.
            sync: How many of these seconds the engine was being given weights.

        Returns:
            Whether the policy was kept as the best.
        """
        self._seconds |= {"step": seconds, "sync": sync, "update": seconds - sync - self._seconds["rollout"]}
        every = self._config.update.validate_every
        return bool(every) and step % every == 0 and self._validate(step)

    def _forget_after(self, step: int) -> None:
        """Drop the metrics of steps that will be taken again."""
        file = self._folder / METRICS
        write_lines(file, islice(read_lines(file), step))


class _StepCallback(TrainerCallback):
    """Times each step, hands its metrics on, and says when it is over."""

    def __init__(self, learner: Learner, on_step: Callable[[JSON], None]) -> None:
        self._learner, self._on_step = learner, on_step
        self._began = self._synced = 0.0

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        lr_scheduler: LambdaLR | None = None,
        **_: Any,
    ) -> None:
        """A checkpoint holds the rate and the interval of saving that its own run went on with; this one's count."""
        assert lr_scheduler is not None  # noqa: S101 - transformers gives it
        at, rates = lr_scheduler.last_epoch, zip(lr_scheduler.base_lrs, lr_scheduler.lr_lambdas, strict=True)
        lr_scheduler._last_lr = [peak * share(at) for peak, share in rates]  # what the log of the next step tells
        for group, rate in zip(lr_scheduler.optimizer.param_groups, lr_scheduler._last_lr, strict=True):
            group["lr"] = rate
        state.save_steps = int(args.save_steps)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._began, self._synced = perf_counter(), self._learner.engine.syncing.seconds

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: JSON | None = None, **_: Any
    ) -> None:
        if logs and "loss" in logs and self._learner.logged(metrics := {"step": state.global_step} | logs):
            self._on_step(metrics)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        synced = self._learner.engine.syncing.seconds - self._synced
        if self._learner.ended(state.global_step, perf_counter() - self._began, synced):
            control.should_save = True  # a run that is gone on with has the policy behind it that is kept as the best


def last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint; its trainer state is what is written last."""
    whole = [found.parent for found in folder.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The update after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])
