"""What a learner is asked to do: CWRPO's own numbers, the optimiser's, and whom they are about."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from flowsteer.training.inference.settings import SamplerSettings
from flowsteer.training.policy.policy import PolicySettings


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """How it learns: CWRPO's own numbers, and the optimiser's.

    Attributes:
        steps: Updates; 0 for a cold start only.
        groups: Tasks a step.
        group: Rollouts of one task.
        micro_batch: Rollouts in one backward pass; all of a step by default.
        learning_rate: Its peak.
        warmup_steps: Updates on which it rises; a cosine to zero follows.
        weight_decay: Of AdamW.
        adam_beta2: How long AdamW remembers the size of gradients; 0.99 suits a run of a hundred updates.
        max_grad_norm: Gradients are scaled down to it.
        clip: ε of the ratio.
        kl: β of the k3 penalty to the policy the run began with.
        kl_end: β of the last update; it moves there by equal steps. None leaves it as it is.
        entropy: Weight of the entropy bonus.
        entropy_mean: What the bonus is a mean over: all own tokens of a process's part of a step (TRL's), or
            trajectories of the mean over their own tokens (the paper's, and that of every other term).
        std_floor: δ, added to the standard deviation of a group's rewards. With TRL's 1e-4 the smallest differences
            within a group get advantages of full size; with 0.1 they stay small.
        epochs: Passes of the optimiser over the rollouts of a step. Later ones compare with the log-probs of the first.
        dynamic: Most extra rounds of a step, in which groups whose rewards are all equal are replaced by groups on
            tasks of the same kind that stand further on in the order; where a kind has few tasks, one may be of this
            step already. 0 trains on what was drawn first.
        staleness: Steps whose episodes are played ahead, so that one that waits for a slow executor holds no step up:
            a step is learned from what was drawn so many updates ago, and each token is weighed by the policy's
            probability now over that of its draw, at most 2. With 0 the newest policy draws. Up to
            `staleness` + 1 copies of the model are held.
        grouping: Whose rewards are compared: those of rollouts of one task, or of one rollout each of different tasks
            of one dataset (the public code's way).
        mask: Whether only the tokens that the policy sampled are trained on; False adds the canvas's, an ablation.
        save_every: A checkpoint after so many updates; 0 for none but the last. There is one of each policy that is
            kept as the best, too.
        validate_every: The validation tasks are played, greedily, after so many updates, and the best policy so far is
            kept; 0 for never.
        threads: Threads of the tensor library; None for its own choice.
    """

    steps: Annotated[int, Ge(0)] = 300
    groups: Annotated[int, Ge(1)] = 6
    group: Annotated[int, Ge(2)] = 6
    micro_batch: Annotated[int, Ge(1)] | None = None
    learning_rate: Annotated[float, Gt(0)] = 1e-5
    warmup_steps: Annotated[int, Ge(0)] = 10
    weight_decay: Annotated[float, Ge(0)] = 0.01
    adam_beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    max_grad_norm: Annotated[float, Gt(0)] = 1.0
    clip: Annotated[float, Gt(0)] = 0.2
    kl: Annotated[float, Ge(0)] = 0.005
    kl_end: Annotated[float, Ge(0)] | None = None
    entropy: Annotated[float, Ge(0)] = 0.005
    entropy_mean: Literal["tokens", "trajectory"] = "tokens"
    std_floor: Annotated[float, Gt(0)] = 1e-4
    epochs: Annotated[int, Ge(1)] = 1
    dynamic: Annotated[int, Ge(0)] = 0
    staleness: Annotated[int, Ge(0)] = 0
    grouping: Literal["task", "dataset"] = "task"
    mask: bool = True
    save_every: Annotated[int, Ge(0)] = 25
    validate_every: Annotated[int, Ge(0)] = 0
    threads: Annotated[int, Ge(1)] | None = None

    @property
    def batch(self) -> int:
        """Rollouts a step."""
        return self.groups * self.group

    def __post_init__(self) -> None:
        """A step falls into whole backward passes, and a penalty has a reference."""
        if self.kl_end is not None and not self.kl:
            raise ValueError("without kl there is no reference to come near: set kl above 0, or leave kl_end out")
        if self.staleness and self.dynamic:
            raise ValueError(
                "extra rounds are drawn when a step's rewards are known, which is too late to play ahead: "
                "set staleness=0, or dynamic=0"
            )
        if self.micro_batch is not None and self.batch % self.micro_batch:
            raise ValueError(f"micro_batch must divide {self.batch}, the rollouts of a step")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSettings:
    """Who learns, how it draws, and how it is updated.

    Attributes:
        seed: Seed of weights, tasks and every draw.
        policy: Who learns.
        sampler: How the policy draws.
        update: How it learns.
    """

    seed: Annotated[int, Ge(0)] = 0
    policy: PolicySettings = PolicySettings()
    sampler: SamplerSettings = SamplerSettings()
    update: UpdateSettings = UpdateSettings()

    def temperature_at(self, step: int) -> float:
        """The temperature of an update's rollouts, and of its log-probs: on a line over the updates of the run.

        Args:
            step: The update, from 1.

        >>> falling = LearnerSettings(sampler=SamplerSettings(temperature_end=0.5), update=UpdateSettings(steps=3))
        >>> [falling.temperature_at(step) for step in (1, 2, 3)]
        [1.0, 0.75, 0.5]
        >>> LearnerSettings().temperature_at(7)
        1.0
        """
        return self._between(self.sampler.temperature, self.sampler.last_temperature, step)

    def update_at(self, step: int) -> UpdateSettings:
        """How one update learns: with the β of its place on a line over the updates of the run.

        Args:
            step: The update, from 1.

        >>> falling = LearnerSettings(update=UpdateSettings(steps=3, kl=0.5, kl_end=0.0))
        >>> [falling.update_at(step).kl for step in (1, 2, 3)]
        [0.5, 0.25, 0.0]
        """
        update = self.update
        if update.kl_end is None:
            return update
        return replace(update, kl=self._between(update.kl, update.kl_end, step), kl_end=None)

    def _between(self, first: float, last: float, step: int) -> float:
        """Where an update, counted from 1, stands on the way from the run's first value to its last."""
        return first + (last - first) * (step - 1) / max(1, self.update.steps - 1)

    def __post_init__(self) -> None:
        """The engine can be given what the policy learns, and its draws can be trained on."""
        sampler = self.sampler
        if sampler.engine == "vllm_server":
            if sampler.weights == "adapters" and not self.policy.lora_rank:
                raise ValueError(
                    'without policy.lora_rank there are no adapters to serve: set sampler.weights="transfer"'
                )
            if sampler.weights == "transfer" and len(sampler.urls) > 1:
                raise ValueError("weights are transferred to one server: give one address in sampler.urls")
        if self.update.staleness and sampler.engine != "transformers":
            raise ValueError(
                "steps are played ahead with copies of the model, and an engine apart has one version of it at a time: "
                'set update.staleness=0, or sampler.engine="transformers"'
            )
        if sampler.grammar and sampler.engine != "transformers":
            raise ValueError(
                "with sampler.grammar the loss must know what each token was drawn from, and an engine apart does not "
                'say it: set sampler.engine="transformers"'
            )
        if sampler.grammar and not self.update.mask:
            raise ValueError("the canvas's tokens follow no grammar: set update.mask=true, or sampler.grammar=false")
        if not self.update.mask and (sampler.engine != "transformers" or self.update.staleness):
            # Each token is weighed by learner over who drew it, and nobody gave the canvas's tokens a probability.
            raise ValueError(
                'update.mask=false needs the learner\'s own draws: set sampler.engine="transformers" and '
                "update.staleness=0"
            )
        if self.policy.dtype != "float32" and not self.policy.lora_rank and self.update.steps:
            raise ValueError(
                "weights of 16 bits are too coarse for the small steps of an update, and without policy.lora_rank all "
                'of them learn: set policy.lora_rank, such as 64, or policy.dtype="float32"'
            )
