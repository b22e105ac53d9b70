"""What a training run is: the settings of the rooms it is made of, in one file, and what must hold between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flowsteer.backends.base import SamplingSettings
from flowsteer.backends.prices import price
from flowsteer.canvas.canvas import Settings
from flowsteer.reward.settings import RewardSettings
from flowsteer.session import OperatorSettings, Setup
from flowsteer.settings import changed, check, differing, part_of, read_toml, to_json
from flowsteer.training.data import DataSettings
from flowsteer.training.policy.policy import TINY
from flowsteer.training.rl.settings import LearnerSettings
from flowsteer.training.sft.settings import TINY_RATE, WarmupSettings
from flowsteer.usage import NO_USAGE

EXAMPLE = "examples/demo.toml"

JSON = dict[str, Any]

Tracker = Literal[
    "trackio", "wandb", "mlflow", "tensorboard", "azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive",
    "flyte", "neptune", "swanlab",
]  # fmt: skip
"""Where transformers can report metrics to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings(OperatorSettings):
    """Who runs the operators, and with what.

    Attributes:
        backend: Spec of the LLM.
        sampling: How it draws.
    """

    backend: str = "simulated:typed"
    sampling: SamplingSettings = SamplingSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(LearnerSettings):
    """A training run.

    Attributes:
        report_to: Where metrics go besides the run folder: `trackio` (files on this machine), `wandb`, `mlflow`,
            `tensorboard` and others (`Tracker`); empty for nowhere.
        data: What on.
        executor: Who runs the operators.
        canvas: What an episode allows.
        reward: What is paid.
        warmup: The cold start.
    """

    report_to: tuple[Tracker, ...] = ("trackio",)
    data: DataSettings = DataSettings()
    executor: ExecutorSettings = ExecutorSettings()
    canvas: Settings = Settings()
    reward: RewardSettings = RewardSettings()
    warmup: WarmupSettings = WarmupSettings()

    @property
    def draws_here(self) -> bool:
        """Whether the policy's own model in this process draws: in training, or when a cold start is listened to."""
        return self.sampler.engine == "transformers" or bool(self.warmup.least_valid)

    def __post_init__(self) -> None:
        """What one room is asked for, another can give."""
        LearnerSettings.__post_init__(self)
        _check_warmup(self)
        _check_price(self)
        update, data = self.update, self.data
        if update.validate_every and not data.validation_tasks:
            raise ValueError("update.validate_every needs tasks: set data.validation_tasks, such as 20")
        fewest = min(data.of(name).tasks for name in data.datasets)
        if update.grouping == "dataset" and update.group > fewest:
            raise ValueError(
                f"a group of {update.group} different tasks cannot be made of {fewest}: "
                "set data.tasks to more, or update.group to less"
            )


def _check_warmup(config: TrainingConfig) -> None:
    """A policy that needs a cold start has one, and it can learn what it is to learn from there.

    Raises:
        ValueError: It is not so.
    """
    policy, warmup, sampler = config.policy, config.warmup, config.sampler
    if policy.name == TINY and not warmup.wanted:
        raise ValueError("a tiny policy needs a cold start: set warmup.episodes, such as 1500")
    if warmup.least_valid and not warmup.wanted:
        raise ValueError(
            "warmup.least_valid asks how well a cold start taught, and there is none: set warmup.episodes, or leave it "
            "out"
        )
    if warmup.wanted and policy.name != TINY and warmup.learning_rate is None:
        raise ValueError(
            f"the cold start of {policy.name} needs a learning rate, since the default, {TINY_RATE}, is that of a tiny "
            "policy: set warmup.learning_rate, such as 1e-5"
        )
    if warmup.wanted and policy.name != TINY and policy.dtype != "float32":
        raise ValueError(
            f"the cold start of {policy.name} trains all of its weights, and weights of 16 bits are too coarse for its "
            'small steps: set policy.dtype="float32"; a later run may load what comes of it with 16 bits, and adapters'
        )
    if warmup.recall and policy.name != TINY:
        raise ValueError(
            f"warmup.recall is for a tiny policy, and {policy.name} reads whole conversations: leave it out, or set 0"
        )
    if warmup.wanted and sampler.engine == "vllm_server" and sampler.weights == "adapters":
        raise ValueError(
            "a cold start changes the weights that adapters stand on, and a server has those of policy.name: make "
            'it in a run of its own, with update.steps=0 and sampler.engine="transformers", then set and serve '
            'policy.name="RUN/start"; or set sampler.weights="transfer"'
        )


def _check_price(config: TrainingConfig) -> None:
    """Money that is to be paid for can be counted.

    Raises:
        ValueError: It is not so.
    """
    executor = config.executor
    for spec in (executor.backend, *executor.roster.values()):
        if config.reward.money_cost and spec not in executor.prices and price(spec, NO_USAGE) is None:
            raise ValueError(
                f"reward.money_cost needs the price of every backend, and that of {spec} is not known: state it, such "
                f'as executor.prices."{spec}"=[0.15, 0.6], dollars for a million tokens read and written; or set '
                "reward.executor_token_cost instead"
            )


def load_training(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a training file.

    Args:
        path: A TOML file.
        overrides: Changes such as `update.steps=20`.

    Raises:
        ConfigError: The file is absent or no TOML, a key is unknown, or a value does not fit.
    """
    return check(TrainingConfig, read_toml(path, EXAMPLE), path.name, overrides)


def setup_of(config: TrainingConfig) -> Setup:
    """The session that a training run needs; its Director is the policy, and not connected here."""
    executor = config.executor
    return Setup(
        director="",
        executor=executor.backend,
        executor_sampling=executor.sampling,
        canvas=config.canvas,
        seed=config.seed,
        **part_of(executor, OperatorSettings),
    )


FREE = {
    "executor": ("caps", "cache", "requests"),
    "update": ("steps", "threads", "save_every"),
    "sampler": ("urls", "gpu_memory"),
    "warmup": ("least_valid",),
}
"""What no result depends on, by table, nor on `report_to`; and how far a run goes, since it can be gone on with."""


ADDED: dict[str, tuple[str, ...]] = {
    "executor": ("roster", "prices"),
    "canvas": ("max_runs", "two_step", "budgets"),
    "reward": ("gated_finish", "rejected", "operator_cost", "executor_token_cost", "money_cost"),
    "sampler": ("temperature_end", "grammar"),
    "update": ("adam_beta2", "entropy_mean", "std_floor", "epochs", "dynamic", "kl_end", "staleness"),
    "warmup": ("free", "detour", "solvers", "checks", "recall"),
}
"""Settings that older runs do not name, by table: they had the defaults."""


def settings_of(config: TrainingConfig) -> JSON:
    """What decides the run: it must be the same for a run to be resumed."""
    plain = to_json(config)
    del plain["report_to"]
    for table, names in FREE.items():
        for name in names:
            del plain[table][name]
    plain["warmup"]["learning_rate"] = config.warmup.peak
    for table, later in ADDED.items():
        added = {name: plain[table].pop(name) for name in later}
        plain[table] |= differing(added, to_json(type(getattr(config, table))()))
    return {"command": "train"} | plain


def default_settings() -> JSON:
    """What `settings_of` says where nothing is set; such a run would lack the cold start that a tiny policy needs."""
    shortest = settings_of(TrainingConfig(warmup=WarmupSettings(episodes=1)))
    return changed(shortest, [("warmup.episodes", 0)])
