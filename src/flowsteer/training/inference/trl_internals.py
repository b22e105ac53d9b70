"""What is used of TRL's trainer beside its public interface. TRL is pinned to one minor version because of it.

TRL itself generates nothing here: a `rollout_func` does. What is left to arrange is who moves weights to vLLM, and how
a step's rollouts come back from TRL, rewarded and padded.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.nn import Module
    from trl.trainer.grpo_trainer import GRPOTrainer

VERSION = "1.16"
"""The minor version of TRL whose private names these are."""


def weights_are_spread(trainer: "GRPOTrainer") -> bool:
    """Whether no process holds all weights, as under ZeRO-3 and FSDP."""
    return bool(trainer._dist.is_zero3 or trainer._dist.is_fsdp)


def model_now(trainer: "GRPOTrainer") -> "Module":
    """The model that is trained; under FSDP and DeepSpeed it is another object than at first."""
    model: Any = trainer.model
    found: Module = model
    return found


def colocated_engine(trainer: "GRPOTrainer") -> Any:
    """VLLM's `LLMEngine` in this process, which TRL has started in its mode `colocate`."""
    return trainer.vllm_generation.llm.llm_engine


def weight_transfer(trainer: "GRPOTrainer") -> Callable[[], None]:
    """Sends the weights as they are to vLLM, over NCCL or within this process; adapters are merged."""
    send: Callable[[], None] = trainer.vllm_generation.sync_weights
    return send


def rolled_out(trainer: "GRPOTrainer", prompts: Any) -> dict[str, Any]:
    """A step's rollouts of this process as TRL pads them, after the `rollout_func` and the reward function were called.

    Args:
        trainer: The trainer.
        prompts: Rows of the data set.
    """
    found: dict[str, Any] = trainer._generate_and_score_completions(prompts)
    return found


def without_checkpointing(trainer: "GRPOTrainer") -> AbstractContextManager[None]:
    """Meanwhile, the model keeps its activations: without gradients there are none to keep."""
    from trl.models.utils import disable_gradient_checkpointing

    own: Any = trainer
    found: AbstractContextManager[None] = disable_gradient_checkpointing(
        own.model, own.args.gradient_checkpointing_kwargs
    )
    return found


@contextmanager
def as_reference(model: "Module") -> Iterator[None]:
    """Meanwhile, a model with adapters is the policy that the run began with.

    Args:
        model: The model, unwrapped.
    """
    from trl.trainer.utils import use_adapter

    own: Any = model
    with use_adapter(own, "ref" if "ref" in own.peft_config else None):
        yield


@dataclass(frozen=True, slots=True)
class _WeightSync:
    """All that TRL asks of its `VLLMGeneration` where a `rollout_func` generates."""

    sync_weights: Callable[[], None]


def let_engine_draw(trainer: "GRPOTrainer", serve: Callable[[int], None]) -> None:
    """Let TRL ask for the weights before each rollout.

    It takes the place of TRL's own connection to vLLM: `colocated_engine` and `weight_transfer` are asked for before.

    Args:
        trainer: The trainer.
        serve: Gives the engine the weights after so many updates.
    """
    own: Any = trainer
    own.use_vllm, own.vllm_mode, own._last_loaded_step = True, "server", -1
    own.vllm_generation = _WeightSync(lambda: serve(trainer.state.global_step))
