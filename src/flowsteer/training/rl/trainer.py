"""TRL's trainer, overridden in one place: a step is rolled out by TRL and updated here, in passes sorted by length.

TRL scores every position of every trajectory, padded to the longest of the step, and asks reference and old policy in
passes of their own. Here a pass is padded to its own longest and read once, the output layer sees own tokens only, and
trajectories that add nothing to the loss are left out. The gradient is the same: `tests/training/test_trainer.py` holds
it to TRL's.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from trl.trainer.grpo_trainer import GRPOTrainer

from flowsteer.training.inference import trl_internals
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.rl.cwrpo import OwnTokens, advantages, objective, share
from flowsteer.training.rl.own_tokens import AT_ONCE_TOKENS, Scorable, cut_smaller, own_logprobs, passes_of, rows_of
from flowsteer.training.rl.settings import LearnerSettings, UpdateSettings
from flowsteer.training.rl.update_figures import UpdateFigures


class CwrpoTrainer(GRPOTrainer):
    """TRL's trainer with CWRPO's own update.

    Args:
        config: Who learns, and how.
        ranks: The processes that share a step.
        earned: Filled by the reward function: R of all rollouts of a step, of all processes.
        allowed: Filled by the rollout: the sets that the own tokens of this process's were sampled from, if a grammar
            held them.
        seconds: Where the seconds of a step went; logged with it.
        settings: TRL's own arguments.
    """

    def __init__(
        self,
        config: LearnerSettings,
        ranks: Ranks,
        earned: Sequence[float | None],
        allowed: Sequence[Sequence[bytes]],
        seconds: Mapping[str, float],
        **settings: Any,
    ) -> None:
        self._config, self._ranks, self._earned, self._seconds = config, ranks, earned, seconds
        self._allowed = allowed
        self._figures: dict[str, float] = {}
        super().__init__(**settings)
        self.beta = 0.0  # TRL has loaded the reference; it is asked here

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Roll a step out and update, all but the last move of the optimiser, which the loop around this makes.

        Args:
            model: The model, wrapped.
            inputs: Rows of the data set, as many as this process plays.
            num_items_in_batch: Not used.

        Returns:
            The loss, as it was in the first epoch.
        """
        model.train()
        return self.update(model, trl_internals.rolled_out(self, inputs))

    def update(self, model: nn.Module, batch: dict[str, Any]) -> Tensor:
        """Update with rollouts that TRL has padded; see `training_step`."""
        update, size = self._config.update, len(batch["prompt_ids"])
        first = self._ranks.number * size
        compared = advantages(self._earned, update.group, update.std_floor)[first : first + size]
        rows, needed = rows_of(batch, compared, self._allowed), bool(update.kl or update.entropy)
        passes = passes_of(rows, share(update, self._ranks)[1], lambda row: needed or row.advantage != 0.0)
        if self._ranks.count == 1 and self.accelerator.device.type == "cpu":
            passes = cut_smaller(passes, AT_ONCE_TOKENS)
        temperature = self._config.temperature_at(self.state.global_step + 1)
        now = self._config.update_at(self.state.global_step + 1)
        step = _Step(temperature, now, len(rows), sum(row.count for row in rows), passes)
        figures, losses = UpdateFigures(update), []
        optimiser: Any = self.optimizer
        for epoch in range(update.epochs):
            if epoch:
                self.accelerator.clip_grad_norm_(model.parameters(), update.max_grad_norm)
                optimiser.step()
                model.zero_grad()
            losses.append(self._backward(model, step, figures))
        self._figures = figures.means(self.accelerator)
        return losses[0]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log a step, with what its update came to and where its seconds went."""
        if "loss" in logs:
            logs |= self._figures | {f"seconds/{name}": self._seconds[name] for name in ("step", "update", "sync")}
        super().log(logs, start_time)

    def _backward(self, model: nn.Module, step: "_Step", figures: UpdateFigures) -> Tensor:
        """The gradient of the whole step, pass by pass; processes exchange it in the last one."""
        loss = torch.zeros((), device=self.accelerator.device)
        scaling = {"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}
        for number, rows in enumerate(step.passes):
            last = number == len(step.passes) - 1
            self.accelerator.sync_gradients = last
            with nullcontext() if last else self.accelerator.no_sync(model):
                tokens = self._own_tokens(model, rows, step, number)
                part = objective(tokens, step.update)
                self.accelerator.backward(part, **scaling)
            loss += part.detach()
            figures.add(tokens)
        return loss

    def _own_tokens(self, model: nn.Module, rows: Sequence[Scorable], step: "_Step", number: int) -> OwnTokens:
        """What the loss is made of, for one pass."""
        update = self._config.update
        now, entropy = self._score(model, rows, step.temperature, bool(update.entropy))
        counts = torch.tensor([row.count for row in rows], device=now.device)
        if number not in step.before:
            step.before[number] = now.detach(), self._reference(model, rows, step.temperature) if update.kl else None
        old, reference = step.before[number]
        each = (1 / (counts.clamp(min=1) * step.rows)).repeat_interleave(counts)
        return OwnTokens(
            now=now,
            old=old,
            reference=reference,
            entropy=entropy,
            advantage=torch.tensor([row.advantage for row in rows], device=now.device).repeat_interleave(counts),
            sampled=torch.cat([row.sampled for row in rows]) if self.use_vllm or update.staleness else None,
            share=each,
            bonus=each if update.entropy_mean == "trajectory" else torch.full_like(each, 1 / max(1, step.tokens)),
        )

    def _reference(self, model: nn.Module, rows: Sequence[Scorable], temperature: float) -> Tensor:
        """Log-probs under the policy that the run began with."""
        with torch.no_grad(), trl_internals.without_checkpointing(self):
            if self.ref_model is not None:
                return self._score(self.ref_model, rows, temperature, False)[0]
            with trl_internals.as_reference(self.accelerator.unwrap_model(model)):
                return self._score(model, rows, temperature, False)[0]

    def _score(
        self, model: nn.Module, rows: Sequence[Scorable], temperature: float, bonus: bool
    ) -> tuple[Tensor, Tensor]:
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        with self.accelerator.autocast():
            return own_logprobs(model, head, rows, temperature, temperature == self.temperature, bonus)


@dataclass(frozen=True, slots=True)
class _Step:
    """The rollouts of one process's part of a step.

    Attributes:
        temperature: At which they were drawn.
        update: How they are learned from.
        rows: How many there are.
        tokens: Own tokens of all.
        passes: Those that add to the loss, pass by pass.
        before: For each pass, log-probs under the policy as it was before the step's first update, and the reference's.
    """

    temperature: float
    update: UpdateSettings
    rows: int
    tokens: int
    passes: list[list[Scorable]]
    before: dict[int, tuple[Tensor, Tensor | None]] = field(default_factory=dict)
