"""What a training run would do, found out without loading weights, asking an LLM or playing an episode."""

from dataclasses import dataclass

from flowsteer.errors import ConfigError
from flowsteer.training.config import TrainingConfig
from flowsteer.training.policy import EMBEDDED, TINY
from flowsteer.training.tasks import load_tasks

BYTES = {"float32": 4, "bfloat16": 2}
ADAM_BYTES = 8
"""Two moments in 32 bits for each trained weight."""

GIGABYTE = 10**9
TINY_PARAMETERS = 617_344
"""With the largest vocabulary that its tokenizer may get."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A training run before it starts.

    Attributes:
        policy: Who learns.
        parameters: Its weights, all of them.
        trained: Those that learn: all, or the adapters'.
        steps: Updates.
        rollouts: Episodes to train on.
        scripts: Episodes of the cold start.
        train_tasks: Tasks to learn on.
        validation_tasks: Tasks to choose the best policy by.
        test_tasks: Tasks held out; each is played twice before and twice after.
        most_tokens: Most tokens that the episodes to train on can have, prompts included.
        gigabytes: Memory of weights, gradients, optimiser and the KL reference; activations and caches come on top.
    """

    policy: str
    parameters: int
    trained: int
    steps: int
    rollouts: int
    scripts: int
    train_tasks: int
    validation_tasks: int
    test_tasks: int
    most_tokens: int
    gigabytes: float

    def lines(self) -> tuple[str, ...]:
        """The plan for people."""
        return (
            f"policy: {self.policy}, {self.parameters:,} parameters, {self.trained:,} of them trained",
            f"cold start: {self.scripts:,} scripts" if self.scripts else "no cold start",
            f"{self.steps:,} steps, {self.rollouts:,} rollouts of at most {self.most_tokens:,} tokens in all",
            f"tasks: {self.train_tasks:,} to learn, {self.validation_tasks:,} to validate, {self.test_tasks:,} to test",
            f"memory for weights, gradients, optimiser and reference: {self.gigabytes:.2f} GB, activations apart",
        )


def dry_run(config: TrainingConfig) -> Plan:
    """Load what can be loaded without weights, and count.

    Raises:
        ConfigError: A dataset or the policy's configuration cannot be loaded; what would fail later fails now.
    """
    tasks = load_tasks(config.data, config.seed)
    update = config.update
    parameters, adapters = _parameters(config)
    trained = adapters or parameters
    size = BYTES[config.policy.dtype]
    reference = 0 if adapters or not update.kl else parameters * size
    memory = parameters * size + trained * (size + ADAM_BYTES) + reference
    return Plan(
        policy=config.policy.name,
        parameters=parameters,
        trained=trained,
        steps=update.steps,
        rollouts=update.steps * update.batch,
        scripts=config.warmup.episodes,
        train_tasks=len(tasks.train),
        validation_tasks=len(tasks.validation),
        test_tasks=len(tasks.test),
        most_tokens=update.steps * update.batch * config.sampler.episode_tokens,
        gigabytes=memory / GIGABYTE,
    )


def _parameters(config: TrainingConfig) -> tuple[int, int]:
    """Parameters of the policy, and of its adapters; a model is built without its weights to count them."""
    name, rank = config.policy.name, config.policy.lora_rank
    if name == TINY:
        return TINY_PARAMETERS, 0
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from flowsteer.training.policy import located

    where, options = located(name)
    try:
        shape = AutoConfig.from_pretrained(where, **options)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the configuration of {name!r} cannot be loaded: {str(error).splitlines()[0]}",
            f"needed: config.json, tokenizer.json, tokenizer_config.json and the weights; or {TINY}, {EMBEDDED}",
        ) from error
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape)  # type: ignore[no-untyped-call]
        whole = model.num_parameters()
        if not rank:
            return whole, 0
        from flowsteer.training.policy import with_adapters

        adapted = with_adapters(model, rank, config.policy.lora_alpha)
    return whole, sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
