"""How a training run is started on one GPU, on a node of eight, and on several nodes: the commands, as typed."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowsteer.shipped_examples import with_examples
from flowsteer.training.config import TrainingConfig
from flowsteer.training.inference.settings import EngineName
from flowsteer.training.policy.policy import ADAPTERS, EMBEDDED

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
        engine: Who draws; the commands set it.
        commands: What to type, in this order.
    """

    name: str
    learners: int
    servers: int
    engine: EngineName
    commands: tuple[str, ...]


def layouts(config: TrainingConfig, file: str, run: str) -> tuple[Layout, ...]:
    """One GPU, one node of eight, and several nodes of eight, as far as the configuration goes with them.

    Args:
        config: The run.
        file: Its file.
        run: The run folder; with several nodes all of them must see it.
    """
    train = f"flowsteer train {shlex.quote(file)} --run {shlex.quote(run)}"
    engine: EngineName = "vllm_colocate" if _takes(config, "vllm_colocate") else "transformers"
    one = Layout("one GPU", 1, 0, engine, (f"{train} --set sampler.engine={engine}",))
    if not _takes(config, "vllm_server"):
        return (one,)
    return (one, _one_node(config, train), _several(config, train))


def serve(config: TrainingConfig, gpus: Sequence[int], host: str = "127.0.0.1") -> str:
    """The command that starts vLLM servers, each on a GPU and a port of its own.

    Args:
        config: The run.
        gpus: The GPUs.
        host: The address that they listen on.
    """
    policy, sampler = config.policy, config.sampler
    name = shlex.quote(policy.name)
    model = name if policy.revision == "main" else f"{name} --revision {policy.revision}"
    shape = f"--dtype {policy.dtype} --max-model-len {sampler.episode_tokens} --enable-prefix-caching"
    command = f"vllm serve {model} --host {host} --port $(({PORT} + gpu)) {shape} --logprobs-mode processed_logprobs"
    if sampler.weights == "transfer":
        command = f"""VLLM_SERVER_DEV_MODE=1 {command} --weight-transfer-config '{{"backend": "nccl"}}'"""
    else:
        rank = next((rank for rank in RANKS if rank >= policy.lora_rank), RANKS[-1])
        adapters = f"--enable-lora --max-lora-rank {rank} --max-loras 2 --max-cpu-loras 4"
        command = f"VLLM_ALLOW_RUNTIME_LORA_UPDATING=True {command} {adapters}"
    return f"for gpu in {' '.join(map(str, gpus))}; do CUDA_VISIBLE_DEVICES=$gpu {command} & done"


def _takes(config: TrainingConfig, engine: EngineName) -> bool:
    """Whether vLLM can load the policy, and the configuration holds with this engine."""
    name = config.policy.name
    if name == EMBEDDED or (Path(name) / ADAPTERS).is_file():
        return False
    try:
        replace(config, sampler=replace(config.sampler, engine=engine, urls=config.sampler.urls[:1]))
    except ValueError:
        return False
    return True


def _learners(config: TrainingConfig, counts: Iterable[int]) -> int:
    """The largest number of processes that can share a step, a whole number of groups each if that is possible."""
    update = config.update
    micro = update.micro_batch or 1
    possible = [count for count in counts if update.batch % (count * micro) == 0]
    return max(possible, key=lambda count: (update.groups % count == 0 or count % update.groups == 0, count), default=1)


def _servers(config: TrainingConfig, free: int) -> int:
    """How many of the free GPUs serve: whole weights go to one server alone."""
    return 1 if config.sampler.weights == "transfer" else free


def _urls(servers: int, first: int, host: str) -> str:
    urls = ", ".join(f'"http://{host}:{PORT + first + number}"' for number in range(servers))
    return f"--set sampler.engine=vllm_server --set 'sampler.urls=[{urls}]'"


def _shipped(name: str) -> Path:
    """A configuration of accelerate that comes with FlowSteer."""
    return with_examples(Path(f"examples/accelerate/{name}.yaml"))


def _one_node(config: TrainingConfig, train: str) -> Layout:
    learners = _learners(config, range(1, NODE - 1))
    servers = _servers(config, NODE - learners)
    gpus = ",".join(map(str, range(learners)))
    launch = f"accelerate launch --config_file {_shipped('one_node')} --num_processes {learners} --no_python"
    commands = (
        serve(config, range(learners, learners + servers)),
        f"CUDA_VISIBLE_DEVICES={gpus} {launch} -- {train} {_urls(servers, learners, '127.0.0.1')}",
    )
    return Layout(f"one node of {NODE} GPUs", learners, servers, "vllm_server", commands)


def _several(config: TrainingConfig, train: str) -> Layout:
    """One or two nodes that learn, and one that serves; two nodes take equal parts."""
    learners = _learners(config, [*range(1, NODE + 1), *range(NODE + 2, 2 * NODE + 1, 2)])
    nodes, servers = (1 if learners <= NODE else 2), _servers(config, NODE)
    gpus = ",".join(map(str, range(learners // nodes)))
    launch = (
        f"accelerate launch --config_file {_shipped('several_nodes')} "
        f"--num_machines {nodes} --num_processes {learners} --main_process_ip NODE1"
    )
    last = f"NODE{nodes + 1}"
    commands = (
        f"[{last}] {serve(config, range(servers), '0.0.0.0')}",  # noqa: S104
        *(
            f"[NODE{rank + 1}] CUDA_VISIBLE_DEVICES={gpus} {launch} --machine_rank {rank} "
            f"--no_python -- {train} {_urls(servers, 0, last)}"
            for rank in range(nodes)
        ),
    )
    return Layout(f"{nodes + 1} nodes of {NODE} GPUs", learners, servers, "vllm_server", commands)
