"""Which sampling engine a run has: the learner's own model, vLLM on servers, or vLLM in the learner's process."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowsteer.errors import ConfigError
from flowsteer.training.inference import trl_internals
from flowsteer.training.inference.batcher import Batcher
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.inference.remote_engine import Client, RemoteEngine
from flowsteer.training.inference.sampling_engine import SamplingEngine
from flowsteer.training.inference.settings import SamplerSettings
from flowsteer.training.inference.vllm import Colocated, Served
from flowsteer.training.inference.weight_sync import Adapters, Versions
from flowsteer.training.policy.policy import Policy

if TYPE_CHECKING:
    from trl.trainer.grpo_trainer import GRPOTrainer

RATIO_MOST = 2.0
"""Most weight of a token that the learner finds likelier than the engine did (TRL's `token_truncate`)."""


def trl_settings(sampler: SamplerSettings) -> dict[str, Any]:
    """What TRL must know of the engine.

    TRL itself generates nothing here; it moves whole weights, where they are. That an engine apart computes in another
    way is corrected for in the loss here (`flowsteer.training.rl.trainer`), without another forward pass.
    """
    plain: dict[str, Any] = {"vllm_importance_sampling_correction": False}
    if sampler.engine == "vllm_colocate":
        own = {"vllm_gpu_memory_utilization": sampler.gpu_memory, "vllm_max_model_length": sampler.episode_tokens}
        return plain | own | {"use_vllm": True, "vllm_mode": "colocate"}
    if sampler.engine == "vllm_server" and sampler.weights == "transfer":
        return plain | {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": sampler.urls[0]}
    return plain


def open_engine(
    sampler: SamplerSettings,
    policy: Policy,
    trainer: "GRPOTrainer",
    folder: Path,
    runner: asyncio.Runner,
    ranks: Ranks,
) -> SamplingEngine:
    """The sampling engine of a run.

    Args:
        sampler: Where it draws, and how.
        policy: The policy; its model is the learner's.
        trainer: TRL's trainer around it.
        folder: The run folder.
        runner: The event loop of the run.
        ranks: The processes of the run.

    Raises:
        ConfigError: The engine does not go with how the learner's weights are spread over the processes.
    """
    spread = trl_internals.weights_are_spread(trainer)
    if sampler.engine == "transformers":
        if spread:
            raise ConfigError(
                "the sampler 'transformers' needs all weights in each process, and ZeRO-3 or FSDP spreads them",
                'set sampler.engine="vllm_server" with sampler.weights="transfer", or launch with ZeRO-2',
            )
        return Batcher(policy)
    if sampler.engine == "vllm_colocate":
        colocated, transfer = Colocated(trl_internals.colocated_engine(trainer)), trl_internals.weight_transfer(trainer)
        return _remote(sampler, policy, trainer, runner, colocated, lambda step: transfer(), lambda: None)
    servers = [Served(url) for url in sampler.urls]
    mine, close = servers[ranks.number % len(servers)], partial(_close, servers, runner)
    if sampler.weights == "transfer":
        transfer = trl_internals.weight_transfer(trainer)
        return _remote(sampler, policy, trainer, runner, mine, lambda step: transfer(), close)
    if spread:
        raise ConfigError(
            "adapters are written from whole weights, and ZeRO-3 or FSDP spreads them",
            'set sampler.weights="transfer", or launch with ZeRO-2',
        )
    adapters = Adapters(policy.model, servers, mine, folder / "adapters", folder.name, runner, ranks)
    return _remote(sampler, policy, trainer, runner, mine, adapters, close)


def _remote(
    sampler: SamplerSettings,
    policy: Policy,
    trainer: "GRPOTrainer",
    runner: asyncio.Runner,
    client: Client,
    push: Callable[[int], None],
    close: Callable[[], None],
) -> RemoteEngine:
    """An engine outside the learner's model, whose weights are checked after each update."""
    learner = partial(trl_internals.model_now, trainer)
    versions = Versions(policy, learner, client, push, sampler.temperature, sampler.tolerance, runner)
    engine = RemoteEngine(client, policy.end, versions.serve, close)
    trl_internals.let_engine_draw(trainer, engine.serve)
    return engine


def _close(servers: list[Served], runner: asyncio.Runner) -> None:
    async def close() -> None:
        for server in servers:
            await server.aclose()

    runner.run(close())
