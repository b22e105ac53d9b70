"""Who draws a policy's tokens in a run: the learner's own model, vLLM on servers, or vLLM in the learner's process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowsteer.errors import ConfigError
from flowsteer.training.config import TrainingConfig
from flowsteer.training.inference.batcher import Draw, sample
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.inference.remote_engine import Apart, Client
from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.inference.vllm import Colocated, Served
from flowsteer.training.inference.weight_sync import Adapters, Transfer, Versions
from flowsteer.training.policy.policy import Policy

if TYPE_CHECKING:
    from trl.trainer.grpo_trainer import GRPOTrainer

RATIO_MOST = 2.0
"""A token that the learner finds likelier than the engine did counts for at most so many (TRL's `token_truncate`)."""


@dataclass(frozen=True, slots=True)
class SamplingEngine:
    """What draws in a run.

    Attributes:
        draw: Plays episodes.
        clock: Seconds in which it drew.
        syncing: Seconds in which it was given weights.
        serve: Lets it draw with the weights after so many updates.
        close: Closes its connections.
    """

    draw: Draw
    clock: Clock
    syncing: Clock
    serve: Callable[[int], None] = lambda step: None
    close: Callable[[], None] = lambda: None


def arguments(config: TrainingConfig) -> dict[str, Any]:
    """What TRL must know of the engine.

    TRL itself generates nothing here. For an engine apart it weighs each token by the learner's probability over that
    with which the engine drew it, since the two compute in other ways; and it moves whole weights, where they are.
    """
    sampler = config.sampler
    plain: dict[str, Any] = {
        "vllm_importance_sampling_mode": "token_truncate",
        "vllm_importance_sampling_clip_max": RATIO_MOST,
    }
    if sampler.engine == "vllm_colocate":
        own = {"vllm_gpu_memory_utilization": sampler.gpu_memory, "vllm_max_model_length": sampler.episode_tokens}
        return plain | own | {"use_vllm": True, "vllm_mode": "colocate"}
    if sampler.engine == "vllm_server" and sampler.weights == "transfer":
        return plain | {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": sampler.urls[0]}
    return plain


def open_engine(
    config: TrainingConfig, policy: Policy, trainer: "GRPOTrainer", folder: Path, runner: asyncio.Runner, ranks: Ranks
) -> SamplingEngine:
    """The engine of a run.

    Args:
        config: The run.
        policy: The policy; its model is the learner's.
        trainer: TRL's trainer around it.
        folder: The run folder.
        runner: The event loop of the run.
        ranks: The processes of the run.

    Raises:
        ConfigError: The engine does not go with how the learner's weights are spread over the processes.
    """
    sampler = config.sampler
    spread = trainer._dist.is_zero3 or trainer._dist.is_fsdp
    if sampler.engine == "transformers":
        if spread:
            raise ConfigError(
                "the sampler 'transformers' needs all weights in each process, and ZeRO-3 or FSDP spreads them",
                'set sampler.engine="vllm_server" with sampler.weights="transfer", or launch with ZeRO-2',
            )
        clock = Clock()
        return SamplingEngine(partial(sample, clock=clock), clock, Clock())
    if sampler.engine == "vllm_colocate":
        colocated = Colocated(trainer.vllm_generation.llm.llm_engine)
        return _apart(config, policy, trainer, runner, colocated, Transfer(trainer.vllm_generation), lambda: None)
    servers = [Served(url) for url in sampler.urls]
    mine, close = servers[ranks.number % len(servers)], partial(_close, servers, runner)
    if sampler.weights == "transfer":
        return _apart(config, policy, trainer, runner, mine, Transfer(trainer.vllm_generation), close)
    if spread:
        raise ConfigError(
            "adapters are written from whole weights, and ZeRO-3 or FSDP spreads them",
            'set sampler.weights="transfer", or launch with ZeRO-2',
        )
    adapters = Adapters(policy.model, servers, mine, folder / "adapters", folder.name, runner, ranks)
    return _apart(config, policy, trainer, runner, mine, adapters, close)


def _apart(
    config: TrainingConfig,
    policy: Policy,
    trainer: "GRPOTrainer",
    runner: asyncio.Runner,
    client: Client,
    push: Callable[[int], None],
    close: Callable[[], None],
) -> SamplingEngine:
    """An engine apart; TRL asks here for the weights before each rollout, and corrects for the engine's log-probs."""
    sampler, clock, syncing = config.sampler, Clock(), Clock()

    def learner() -> Any:
        return trainer.model  # under FSDP and DeepSpeed another object than at first

    versions = Versions(policy, learner, client, push, sampler.temperature, sampler.tolerance, runner)

    def serve(step: int) -> None:
        with syncing:
            versions.serve(step)

    apart: Any = trainer
    apart.use_vllm, apart.vllm_mode, apart._last_loaded_step = True, "server", -1
    apart.vllm_generation = _Sync(lambda: serve(trainer.state.global_step))
    return SamplingEngine(Apart(client, clock), clock, syncing, serve, close)


@dataclass(frozen=True, slots=True)
class _Sync:
    """All that TRL asks of its `VLLMGeneration` where a `rollout_func` generates."""

    sync_weights: Callable[[], None]


def _close(servers: list[Served], runner: asyncio.Runner) -> None:
    async def close() -> None:
        for server in servers:
            await server.aclose()

    runner.run(close())
