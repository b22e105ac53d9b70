"""A trained policy as a Director: for `solve`, for evaluations, and wherever else somebody edits a canvas."""

import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.canvas.feedback import Told
from flowsteer.director.parse import parse_action, parse_prompt_reply
from flowsteer.errors import ActionError, BackendRejected, ConfigError
from flowsteer.training.config import CanvasConfig, PolicyConfig, SamplerConfig
from flowsteer.training.inference.batcher import sample
from flowsteer.training.inference.trajectory import DrawSettings
from flowsteer.training.policy.policy import ADAPTERS, Policy, load_policy, quiet
from flowsteer.usage import Usage
from flowsteer.workflow.edits import Action

POLICY = "policy"
"""The folder of a run that holds what it trained."""


@dataclass(frozen=True, slots=True)
class PolicyDirector:
    """Directs with a local model, reading just what it read in training, and no longer than there.

    An episode that gets as long as one may be there ends, and its workflow is scored as it stands, as in training.

    It computes in the event loop's own thread: episodes at once wait for each other's turns.

    Attributes:
        policy: The model.
        spec: The string that names it.
        limits: How it draws; greedily at temperature 0.
        feedback: What it was told between its edits: a canvas tells it no more.
    """

    policy: Policy
    spec: str
    limits: DrawSettings = DrawSettings(0.0, 2048, 16384)
    feedback: Told = "full"

    @classmethod
    def load(cls, folder: Path) -> "PolicyDirector":
        """The Director that a training run made.

        Args:
            folder: A run folder, that of a study's cell, or the folder of a policy. If that lies in a run folder, the
                run's settings say how it reads and draws.

        Raises:
            ConfigError: There is no trained policy.
        """
        import torch

        quiet()
        inner = folder / POLICY if (folder / POLICY).is_dir() else folder
        if not any((inner / name).is_file() for name in ("config.json", ADAPTERS)):
            raise ConfigError(f"{folder} holds no trained policy", "flowsteer train FILE.toml --run DIR makes one")
        config = _settings(inner.parent)
        if config is None:
            made = cls(load_policy(str(inner)), str(folder))
        else:
            asked = PolicyConfig.model_construct(**config.get("policy", {}))
            sampler = SamplerConfig.model_construct(**config.get("sampler", {}))
            canvas = CanvasConfig.model_construct(**config.get("canvas", {}))
            policy = load_policy(str(inner), asked.task_chars, asked.dtype)
            limits = DrawSettings(0.0, sampler.turn_tokens, sampler.episode_tokens)
            made = cls(policy, str(folder), limits, canvas.feedback)
        torch.nn.Module.to(made.policy.model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return made

    async def act(self, observation: Observation) -> Turn:
        """Sample the next turn.

        Raises:
            BackendRejected: The episode is as long as an episode may be.
        """
        seat = _OneTurn(self._read(observation), observation.seed + observation.turn)
        if len(self.policy.encode(seat.prompt)) >= self.limits.episode_tokens:
            raise BackendRejected(
                f"the episode reached the {self.limits.episode_tokens} tokens of the longest that {self.spec} knows",
                "let it take fewer turns, or train with a larger sampler.episode_tokens",
            )
        started = perf_counter()
        (buffer,) = await sample(self.policy, [seat], self.limits)
        seconds = perf_counter() - started
        usage = Usage(calls=1, prompt_tokens=len(buffer.prompt), completion_tokens=seat.tokens, seconds=seconds)
        action = understood(seat.text, seat.cut, asked=observation.asks_prompt is not None)
        return Turn(seat.text, action, usage=usage, seconds=usage.seconds)

    def _read(self, observation: Observation) -> str:
        """The episode so far, as the policy read it in training."""
        view, end = self.policy.view, str(self.policy.tokenizer.eos_token)
        turns = (f"{turn.text}{end}{view.answer(turn.feedback)}" for turn in observation.history)
        return view.opening(observation) + "".join(turns)


def _settings(run: Path) -> dict[str, Any] | None:
    """What a training run or a study's cell was asked to do, as far as it was written down; None if this is neither."""
    file = run / "config.json"
    plain = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    found: dict[str, Any] = plain.get("config", {})
    return found if found.get("command") in ("train", "start") else None


def understood(text: str, cut: bool, asked: bool) -> Action | PromptText | ActionError:
    """The action in a sampled turn; a cut turn holds none, even if what is left of it reads as one.

    Args:
        text: What the policy said.
        cut: Whether it was cut at its token limit.
        asked: Whether the canvas asked for an instruction.
    """
    if cut:
        return ActionError("the reply was cut at the token limit before its end", "write less")
    try:
        return parse_prompt_reply(text) if asked else parse_action(text)
    except ActionError as error:
        return error


class _OneTurn:
    """A seat that gets up after one turn."""

    def __init__(self, prompt: str, seed: int) -> None:
        self.prompt, self.seed = prompt, seed
        self.text, self.cut, self.tokens = "", True, 0

    async def answer(self, text: str, cut: bool, tokens: int) -> str | None:
        self.text, self.cut, self.tokens = text, cut, tokens
        return None

    async def full(self) -> None:
        """Never asked: there is no second turn."""
