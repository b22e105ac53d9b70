"""How a training run samples its policy, and where."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Lt, MinLen

from flowsteer.training.inference.trajectory import DrawSettings

EngineName = Literal["transformers", "vllm_server", "vllm_colocate"]
"""Sampling engines: the learner's own model, servers apart, vLLM in each learner's process."""


@dataclass(frozen=True, slots=True)
class SamplerSettings(DrawSettings):
    """How the policy draws in training, and where. Temperature shapes its draws, a grammar if asked for, nothing else.

    Attributes:
        temperature: At which it draws; above 0, since it is to explore.
        temperature_end: At which it draws for the last update; it moves there by equal steps. None leaves it as it is.
        engine: `transformers`, the learner's own model in lock-step; `vllm_server`, servers apart; `vllm_colocate`,
            vLLM in each learner's process.
        urls: Addresses of the servers; process n draws from number n, counted round.
        weights: How a server gets the learner's: `adapters`, by name from the run folder, or `transfer`, whole and
            merged through TRL.
        tolerance: Largest mean difference between the learner's and the engine's log-probs of a probe.
        gpu_memory: Share of a GPU's memory that vLLM takes in a learner's process.
    """

    temperature: Annotated[float, Gt(0)] = 1.0
    temperature_end: Annotated[float, Gt(0)] | None = None
    engine: EngineName = "transformers"
    urls: Annotated[tuple[str, ...], MinLen(1)] = ("http://127.0.0.1:8000",)
    weights: Literal["adapters", "transfer"] = "adapters"
    tolerance: Annotated[float, Gt(0)] = 0.1
    gpu_memory: Annotated[float, Gt(0), Lt(1)] = 0.35

    @property
    def last_temperature(self) -> float:
        """At which it draws for the last update."""
        return self.temperature if self.temperature_end is None else self.temperature_end

    def __post_init__(self) -> None:
        """A turn fits into an episode."""
        turn, episode = self.turn_tokens, self.episode_tokens
        if turn >= episode:
            raise ValueError(
                f"a turn of {turn} tokens does not fit into an episode of {episode}: "
                f"set turn_tokens to less, such as {max(1, episode // 8)}"
            )
