"""How a training run is started on one GPU, on a node of eight, and on several nodes: the commands, as typed."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from flowsteer.training.config import TrainingConfig

NODE = 8
"""GPUs of a node."""

PORT = 8000
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of adapters that vLLM makes room for."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to spread a run over GPUs.

    Attributes:
        name: What it is called.
        learners: Processes that learn, one GPU each; together they take a step's rollouts in equal parts.
        servers: vLLM servers, one GPU each.
        commands: What to type, in this order.
    """

    name: str
    learners: int
    servers: int
    commands: tuple[str, ...]


def layouts(config: TrainingConfig, file: str, run: str) -> tuple[Layout, ...]:
    """One GPU, one node of eight, and three nodes of eight.

    Args:
        config: The run.
        file: Its file.
        run: The run folder; with several nodes all of them must see it.
    """
    few, many = _learners(config, NODE - 2), _learners(config, 2 * NODE)
    per_node = many // 2 if many % 2 == 0 else many
    train = f"flowsteer train {shlex.quote(file)} --run {shlex.quote(run)}"
    return (
        Layout("one GPU", 1, 0, (f"{train} --set sampler.engine=vllm_colocate",)),
        Layout("one node of 8 GPUs", few, NODE - few, _one_node(config, train, few)),
        Layout("3 nodes of 8 GPUs", many, NODE, _several(config, train, many, per_node)),
    )


def serve(config: TrainingConfig, gpus: Sequence[int], host: str = "127.0.0.1") -> str:
    """The command that starts vLLM servers, each on a GPU and a port of its own.

    Args:
        config: The run.
        gpus: The GPUs.
        host: The address that they listen on.
    """
    policy, sampler = config.policy, config.sampler
    model = policy.name if policy.revision == "main" else f"{policy.name} --revision {policy.revision}"
    shape = f"--dtype {policy.dtype} --max-model-len {sampler.episode_tokens} --enable-prefix-caching"
    command = f"vllm serve {model} --host {host} --port $(({PORT} + gpu)) {shape} --logprobs-mode processed_logprobs"
    if sampler.weights == "transfer":
        command = f"""VLLM_SERVER_DEV_MODE=1 {command} --weight-transfer-config '{{"backend": "nccl"}}'"""
    else:
        rank = next((rank for rank in RANKS if rank >= policy.lora_rank), RANKS[-1])
        adapters = f"--enable-lora --max-lora-rank {rank} --max-loras 2 --max-cpu-loras 4"
        command = f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=True {command} {adapters}"
    return f"for gpu in {' '.join(map(str, gpus))}; do CUDA_VISIBLE_DEVICES=$gpu {command} & done"


def _learners(config: TrainingConfig, most: int) -> int:
    """The largest number of processes that can share a step, a whole number of groups each if that is possible."""
    update = config.update
    micro = update.micro_batch or 1
    possible = [count for count in range(1, most + 1) if update.batch % (count * micro) == 0]
    return max(possible, key=lambda count: (update.groups % count == 0 or count % update.groups == 0, count), default=1)


def _urls(servers: int, first: int, host: str) -> str:
    urls = ", ".join(f'"http://{host}:{PORT + first + number}"' for number in range(servers))
    return f"--set sampler.engine=vllm_server --set 'sampler.urls=[{urls}]'"


def _one_node(config: TrainingConfig, train: str, learners: int) -> tuple[str, ...]:
    servers = 1 if config.sampler.weights == "transfer" else NODE - learners
    gpus = ",".join(map(str, range(learners)))
    launch = f"accelerate launch --config_file examples/accelerate/one_node.yaml --num_processes {learners} --no_python"
    return (
        serve(config, range(learners, learners + servers)),
        f"CUDA_VISIBLE_DEVICES={gpus} {launch} -- {train} {_urls(servers, learners, '127.0.0.1')}",
    )


def _several(config: TrainingConfig, train: str, learners: int, per_node: int) -> tuple[str, ...]:
    servers, nodes = 1 if config.sampler.weights == "transfer" else NODE, learners // per_node
    launch = (
        "accelerate launch --config_file examples/accelerate/several_nodes.yaml "
        f"--num_machines {nodes} --num_processes {learners} --main_process_ip NODE1 --no_python"
    )
    gpus = ",".join(map(str, range(per_node)))
    return (
        f"[NODE3] {serve(config, range(servers), '0.0.0.0')}",  # noqa: S104
        *(
            f"[NODE{rank + 1}] CUDA_VISIBLE_DEVICES={gpus} {launch.replace(' --no_python', '')} --machine_rank {rank} "
            f"--no_python -- {train} {_urls(servers, 0, 'NODE3')}"
            for rank in range(nodes)
        ),
    )
