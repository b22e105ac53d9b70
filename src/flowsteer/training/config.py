"""What a training run is: a TOML file and changes from the command line, checked; unknown keys are refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from flowsteer.backends.base import Sampling
from flowsteer.backends.budget import Caps
from flowsteer.canvas.canvas import Settings
from flowsteer.canvas.feedback import Told
from flowsteer.evaluation.evaluation_config import CapsConfig, SamplingConfig
from flowsteer.operators.registry import Library
from flowsteer.session import Setup
from flowsteer.strict import Strict, check, read_toml
from flowsteer.training.inference.trajectory import DrawSettings
from flowsteer.training.rollout.reward import RewardSettings
from flowsteer.training.sft.scripts import WarmupSettings
from flowsteer.workflow.nodes import Category
from flowsteer.workflow.rules import Rules

EXAMPLE = "examples/demo.toml"

Tracker = Literal[
    "trackio", "wandb", "mlflow", "tensorboard", "azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive",
    "flyte", "neptune", "swanlab",
]  # fmt: skip
"""Where transformers can report metrics to."""

EngineName = Literal["transformers", "vllm_server", "vllm_colocate"]
"""Who draws in training."""


class PolicyConfig(Strict):
    """Who learns.

    Attributes:
        name: `tiny`, `smollm2`, a folder, or a name on the hub.
        revision: Branch, tag or commit on the hub.
        dtype: Type of the weights.
        task_chars: Most characters of question, context and code an LLM is shown, each.
        lora_rank: Rank of the adapters on q, k, v and o; 0 trains every weight.
        lora_alpha: Their scale.
    """

    name: str = "tiny"
    revision: str = "main"
    dtype: Literal["float32", "bfloat16"] = "float32"
    task_chars: int = Field(default=4000, ge=1)
    lora_rank: int = Field(default=0, ge=0)
    lora_alpha: int = Field(default=64, ge=1)


class OwnData(Strict):
    """What differs for one dataset; what is not given is as for all.

    Attributes:
        train: Split that is trained on.
        test: Split that is tested on.
        tasks: Training tasks.
        validation_tasks: Validation tasks.
        test_tasks: Test tasks.
        overlap: Whether tasks that are tested on may be trained on, too: what the paper does, and nobody should.
    """

    train: str | None = None
    test: str | None = None
    tasks: int | None = Field(default=None, ge=1)
    validation_tasks: int | None = Field(default=None, ge=0)
    test_tasks: int | None = Field(default=None, ge=1)
    overlap: bool = False


class DataConfig(Strict):
    """What it learns on.

    Attributes:
        datasets: Names, or paths of `.jsonl` files, in turn.
        data: Folder of `NAME.jsonl` files to read instead of downloading.
        train: Split that is trained on.
        validation: Split that tells, on the way, which policy is best.
        test: Split that `before` and `after` are measured on.
        tasks: Training tasks of each dataset.
        validation_tasks: Validation tasks of each dataset; needed only with `update.validate_every`.
        test_tasks: Test tasks of each dataset.
        cut: Whether each dataset is one list of rows, as a file without splits is, that is cut into the three parts by
            the seed; it is read as the split `train`.
        context_words: Contexts are cut to so many words (see `flowsteer.datasets.excerpt`); None leaves them whole.
        own: What differs for single datasets, by name.
    """

    datasets: tuple[str, ...] = Field(default=("simulated:math", "simulated:qa", "simulated:code"), min_length=1)
    data: Path | None = None
    train: str = "train"
    validation: str = "validation"
    test: str = "test"
    tasks: int = Field(default=1000, ge=1)
    validation_tasks: int = Field(default=0, ge=0)
    test_tasks: int = Field(default=100, ge=1)
    cut: bool = False
    context_words: int | None = Field(default=None, ge=1)
    own: dict[str, OwnData] = Field(default_factory=dict)

    def of(self, name: str) -> "DataConfig":
        """The settings of one dataset alone."""
        own = self.own.get(name, OwnData()).model_dump(exclude={"overlap"}, exclude_none=True)
        return self.model_copy(update=own | {"datasets": (name,), "own": {}})

    @property
    def overlapping(self) -> frozenset[str]:
        """Datasets whose test tasks may be trained on."""
        return frozenset(name for name, own in self.own.items() if own.overlap)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if unknown := sorted(set(self.own) - set(self.datasets)):
            raise ValueError(f"own speaks of {', '.join(unknown)}, which is not among the datasets")
        return self


class ExecutorConfig(Strict):
    """Who runs the operators, and with what."""

    backend: str = "simulated:typed"
    library: str = "paper"
    sandbox: Literal["auto", "monty", "bubblewrap", "container"] = "auto"
    sampling: SamplingConfig = SamplingConfig()
    node_seconds: float = Field(default=600.0, gt=0)
    cache: Path | None = None
    caps: CapsConfig = CapsConfig()


class CanvasConfig(Strict):
    """What an episode allows; the paper's finish conditions by default.

    Attributes:
        max_turns: Turn limit.
        max_steps: Most operators of a workflow.
        max_rejected: So many rejected edits in a row end the episode.
        min_steps: Fewest operators of a workflow that may be finished.
        needs: Categories it must have.
        needs_structure: Whether it must have a structure.
        feedback: What the policy reads after an edit: all; its status but no results, since nothing runs before the
            end; or nothing, so that it writes the whole workflow at once.
    """

    max_turns: int = Field(default=20, ge=1)
    max_steps: int = Field(default=24, ge=1)
    max_rejected: int | None = Field(default=None, ge=1)
    min_steps: int = Field(default=5, ge=0)
    needs: tuple[Category, ...] = ("verification",)
    needs_structure: bool = True
    feedback: Told = "full"


class RewardConfig(Strict):
    """Which reward is paid; see `flowsteer.training.rollout.reward.RewardSettings`."""

    variant: Literal["cwrpo", "additive", "answer", "structure"] = "cwrpo"
    finish: float = Field(default=0.0, ge=0)
    token_cost: float = Field(default=0.0, ge=0)


class WarmupConfig(Strict):
    """The cold start: on scripts, on recorded episodes, or on both; on neither there is none.

    Attributes:
        run: A run folder with episodes of any Director to learn from.
        episodes: Scripts to play.
        backend: Who runs the operators of scripts; empty for the run's own executor. Scripts teach the action language
            and no choice, so a simulated one does where calls are slow or cost money.
        epochs: Times each episode is learned from.
        batch: Episodes an update.
        learning_rate: Its peak. The default is a tiny policy's; any other policy is given one of its own.
        heed: Chance that a turn of a role-ordered script adds what the canvas says a finish still needs, before the
            script's length is reached.
    """

    run: Path | None = None
    episodes: int = Field(default=0, ge=0)
    backend: str = ""
    epochs: int = Field(default=1, ge=1)
    batch: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    heed: float = Field(default=0.0, ge=0, le=1)

    @property
    def wanted(self) -> bool:
        """Whether there is a cold start."""
        return bool(self.episodes or self.run)


class SamplerConfig(Strict):
    """How the policy draws in training, and where. Nothing but the temperature shapes its draws, and no grammar.

    Attributes:
        temperature: At which it draws.
        turn_tokens: Most tokens of one turn; fewer than an episode's.
        episode_tokens: Most tokens of an episode, prompt and feedback included.
        engine: `transformers`, the learner's own model in lock-step; `vllm_server`, servers apart; `vllm_colocate`,
            vLLM in each learner's process.
        urls: Addresses of the servers; process n draws from number n, counted round.
        weights: How a server gets the learner's: `adapters`, by name from the run folder, or `transfer`, whole and
            merged through TRL.
        tolerance: Largest mean difference between the learner's and the engine's log-probs of a probe.
        gpu_memory: Share of a GPU's memory that vLLM takes in a learner's process.
    """

    temperature: float = Field(default=1.0, gt=0)
    turn_tokens: int = Field(default=2048, ge=1)
    episode_tokens: int = Field(default=16384, ge=2)
    engine: EngineName = "transformers"
    urls: tuple[str, ...] = Field(default=("http://127.0.0.1:8000",), min_length=1)
    weights: Literal["adapters", "transfer"] = "adapters"
    tolerance: float = Field(default=0.1, gt=0)
    gpu_memory: float = Field(default=0.35, gt=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        turn, episode = self.turn_tokens, self.episode_tokens
        if turn >= episode:
            raise ValueError(
                f"a turn of {turn} tokens does not fit into an episode of {episode}: "
                f"set turn_tokens to less, such as {max(1, episode // 8)}"
            )
        return self


class UpdateConfig(Strict):
    """How it learns: CWRPO's own numbers, and the optimiser's.

    Attributes:
        steps: Updates; 0 for a cold start only.
        groups: Tasks a step.
        group: Rollouts of one task.
        micro_batch: Rollouts in one backward pass; all of a step by default.
        learning_rate: Its peak.
        warmup_steps: Updates on which it rises; a cosine to zero follows.
        weight_decay: Of AdamW.
        max_grad_norm: Gradients are scaled down to it.
        clip: ε of the ratio.
        kl: β of the k3 penalty to the policy the run began with.
        entropy: Weight of the entropy bonus.
        grouping: Whose rewards are compared: those of rollouts of one task, or of one rollout each of different tasks
            of one dataset (the public code's way).
        mask: Whether only the tokens that the policy sampled are trained on; False adds the canvas's, an ablation.
        save_every: A checkpoint after so many updates; 0 for none but the last.
        validate_every: The validation tasks are played, greedily, after so many updates, and the best policy so far is
            kept; 0 for never.
        threads: Threads of the tensor library; None for its own choice.
    """

    steps: int = Field(default=300, ge=0)
    groups: int = Field(default=6, ge=1)
    group: int = Field(default=6, ge=2)
    micro_batch: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-5, gt=0)
    warmup_steps: int = Field(default=10, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    clip: float = Field(default=0.2, gt=0)
    kl: float = Field(default=0.005, ge=0)
    entropy: float = Field(default=0.005, ge=0)
    grouping: Literal["task", "dataset"] = "task"
    mask: bool = True
    save_every: int = Field(default=25, ge=0)
    validate_every: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)

    @property
    def batch(self) -> int:
        """Rollouts a step."""
        return self.groups * self.group

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.micro_batch is not None and self.batch % self.micro_batch:
            raise ValueError(f"micro_batch must divide {self.batch}, the rollouts of a step")
        return self


class TrainingConfig(Strict):
    """A training run.

    Attributes:
        seed: Seed of weights, tasks and every draw.
        report_to: Where metrics go besides the run folder: `trackio` (files on this machine), `wandb`, `mlflow`,
            `tensorboard` and others (`Tracker`); empty for nowhere.
        policy: Who learns.
        data: What on.
        executor: Who runs the operators.
        canvas: What an episode allows.
        reward: What is paid.
        warmup: The cold start.
        sampler: How the policy draws.
        update: How it learns.
    """

    seed: int = Field(default=0, ge=0)
    report_to: tuple[Tracker, ...] = ("trackio",)
    policy: PolicyConfig = PolicyConfig()
    data: DataConfig = DataConfig()
    executor: ExecutorConfig = ExecutorConfig()
    canvas: CanvasConfig = CanvasConfig()
    reward: RewardConfig = RewardConfig()
    warmup: WarmupConfig = WarmupConfig()
    sampler: SamplerConfig = SamplerConfig()
    update: UpdateConfig = UpdateConfig()

    @model_validator(mode="after")
    def _can_start(self) -> Self:
        if self.policy.name == "tiny" and not self.warmup.wanted:
            raise ValueError("a tiny policy needs a cold start: set warmup.episodes, such as 1500")
        if self.warmup.wanted and self.policy.name != "tiny" and "learning_rate" not in self.warmup.model_fields_set:
            raise ValueError(
                f"the cold start of {self.policy.name} needs a learning rate, since the default, "
                f"{self.warmup.learning_rate}, is that of a tiny policy: set warmup.learning_rate, such as 1e-5"
            )
        if self.update.validate_every and not self.data.validation_tasks:
            raise ValueError("update.validate_every needs tasks: set data.validation_tasks, such as 20")
        served = self.sampler.engine == "vllm_server"
        if served and self.sampler.weights == "adapters" and not self.policy.lora_rank:
            raise ValueError('without policy.lora_rank there are no adapters to serve: set sampler.weights="transfer"')
        if served and self.sampler.weights == "adapters" and self.warmup.wanted:
            raise ValueError(
                "a cold start changes the weights that adapters stand on, and a server has those of policy.name: make "
                'it in a run of its own, with update.steps=0 and sampler.engine="transformers", then set and serve '
                'policy.name="RUN/start"; or set sampler.weights="transfer"'
            )
        if served and self.sampler.weights == "transfer" and len(self.sampler.urls) > 1:
            raise ValueError("weights are transferred to one server: give one address in sampler.urls")
        if not self.update.mask and self.sampler.engine != "transformers":
            # TRL weighs each token by learner over engine, and no engine gave the canvas's tokens a probability.
            raise ValueError('update.mask=false needs the learner\'s own draws: set sampler.engine="transformers"')
        fewest = min(self.data.of(name).tasks for name in self.data.datasets)
        if self.update.grouping == "dataset" and self.update.group > fewest:
            raise ValueError(
                f"a group of {self.update.group} different tasks cannot be made of {fewest}: "
                "set data.tasks to more, or update.group to less"
            )
        return self


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
        library=executor.library,
        sandbox=executor.sandbox,
        executor_sampling=Sampling(**executor.sampling.model_dump()),
        node_seconds=executor.node_seconds,
        seed=config.seed,
        caps=Caps(**executor.caps.model_dump()),
        cache=executor.cache,
    )


def canvas_of(config: TrainingConfig) -> Settings:
    """Turn limit and feedback."""
    canvas = config.canvas
    return Settings(canvas.max_turns, canvas.max_rejected, canvas.feedback)


def rules_of(config: TrainingConfig, library: Library) -> Rules:
    """What a canvas allows, before what a task adds."""
    canvas = config.canvas
    return Rules(
        library.categories,
        min_steps=canvas.min_steps,
        max_steps=canvas.max_steps,
        needs=canvas.needs,
        needs_structure=canvas.needs_structure,
    )


def rewards_of(config: TrainingConfig) -> RewardSettings:
    """Which reward is paid."""
    return RewardSettings(**config.reward.model_dump())


def warmup_of(config: TrainingConfig) -> WarmupSettings:
    """The cold start."""
    return WarmupSettings(config.warmup.epochs, config.warmup.batch, config.warmup.learning_rate)


def limits_of(config: TrainingConfig) -> DrawSettings:
    """How the policy draws in training."""
    sampler = config.sampler
    return DrawSettings(sampler.temperature, sampler.turn_tokens, sampler.episode_tokens)


def settings_of(config: TrainingConfig) -> dict[str, Any]:
    """What decides the run: it must be the same for a run to be resumed."""
    plain = config.model_dump(mode="json", exclude={"report_to"})
    for part, names in {
        "executor": ("caps", "cache"),
        "update": ("threads", "save_every"),
        "sampler": ("urls", "gpu_memory"),
    }.items():
        for name in names:
            del plain[part][name]
    return {"command": "train"} | plain
