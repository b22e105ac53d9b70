"""A trained policy as a Director: for `solve`, for evaluations, and wherever else somebody edits a canvas."""

from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from flowsteer.canvas.canvas import Settings
from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.director.grammar import action_grammar
from flowsteer.director.parse import understood_in
from flowsteer.director.spec_options import NO_OPTIONS, DirectorOptions
from flowsteer.errors import ActionError, ConfigError, NoTurn
from flowsteer.runs.config import CONFIG
from flowsteer.runs.files import read_json
from flowsteer.settings import check
from flowsteer.training.inference.batcher import Batcher
from flowsteer.training.inference.reach import positions, seen
from flowsteer.training.inference.sampling_engine import Drawn
from flowsteer.training.inference.settings import SamplerSettings
from flowsteer.training.inference.trajectory import DrawSettings
from flowsteer.training.policy.card import action_dialect
from flowsteer.training.policy.kept import START, holds_policy, taken
from flowsteer.training.policy.policy import Policy, PolicySettings, load_policy, quiet
from flowsteer.training.policy.view import ChatView
from flowsteer.usage import Usage
from flowsteer.workflow.edits import Action


@dataclass(frozen=True, slots=True)
class PolicyDirector:
    """Directs with a local model, reading just what it read in training, and no longer than there.

    An episode that gets as long as one may be there ends, and its workflow is scored as it stands, as in training.

    It computes in the event loop's own thread: episodes at once wait for each other's turns.

    Attributes:
        policy: The model.
        spec: The string that names it.
        limits: How it draws; greedily at temperature 0.
        canvas: What an episode allowed in its training, and what it was told: a canvas tells it no more.
        lenient: Whether it reads the lenient layout, and its replies are repaired.
    """

    policy: Policy
    spec: str
    limits: DrawSettings = DrawSettings(0.0, 2048, 16384)
    canvas: Settings = Settings()
    lenient: bool = False

    @classmethod
    def load(cls, folder: Path, options: DirectorOptions = NO_OPTIONS) -> "PolicyDirector":
        """The Director that a training run made.

        Args:
            folder: A run folder, that of a study's cell, or the folder of a policy. Of a run it is the policy that was
                best on the validation tasks, without them the last. If it lies in a run folder, the run's settings
                say how it reads and draws.
            options: How it draws; greedily by default, and as at the end of its training where votes are asked for. The
                layout is `lenient` if they or the policy's card say so; its spec then says so, too.

        Raises:
            ConfigError: There is no trained policy, or it cannot read that layout.
        """
        import torch

        quiet()
        inner = taken(folder) or folder
        if not holds_policy(inner):
            raise ConfigError(f"{folder} holds no trained policy", _how_to_get_one(folder))
        config = _settings(inner.parent)
        if config is None:
            sampler, policy = SamplerSettings(), load_policy(str(inner))
            most = min(sampler.episode_tokens, positions(policy.model.config), seen(policy.model))
            made = cls(policy, str(folder), DrawSettings(0.0, sampler.turn_tokens, most))
        else:
            where = str(inner.parent / CONFIG)
            asked = check(PolicySettings, config.get("policy", {}), where)
            sampler = check(SamplerSettings, config.get("sampler", {}), where)
            canvas = check(Settings, config.get("canvas", {}), where)
            policy = load_policy(str(inner), asked.task_chars, asked.dtype)
            limits = DrawSettings(0.0, sampler.turn_tokens, sampler.episode_tokens, sampler.grammar)
            made = cls(policy, str(folder), limits, canvas)
        torch.nn.Module.to(made.policy.model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        temperature = options.temperature
        if temperature is None:
            temperature = sampler.last_temperature if options.votes > 1 else 0.0
        made = replace(made, limits=replace(made.limits, temperature=temperature))
        return _lenient(made) if _is_lenient(inner, options) else made

    async def act(self, observation: Observation) -> Turn:
        """Sample the next turn.

        Raises:
            NoTurn: The episode is as long as an episode may be.
        """
        prompt, limits = self.policy.encode(self._read(observation)), self.limits
        room = room_for_turn(len(prompt), limits)
        started = perf_counter()
        async with Batcher(self.policy).rows([observation.seed + observation.turn], limits) as (row,):
            drawn = await row.draw(prompt, room, grammar_for(observation, limits))
        return turn_of(self.policy, drawn, observation, len(prompt), perf_counter() - started, self.lenient)

    def _read(self, observation: Observation) -> str:
        """The episode so far, as the policy read it in training."""
        view, end = self.policy.view, str(self.policy.tokenizer.eos_token)
        if self.lenient and isinstance(view, ChatView):
            return view.lenient(observation)
        turns = (f"{turn.text}{end}{view.answer(turn.feedback, observation.task)}" for turn in observation.history)
        return view.opening(observation) + "".join(turns)


def _is_lenient(folder: Path, options: DirectorOptions) -> bool:
    """By the options, else by the policy's card."""
    if options.layout == "rebuilt":
        raise ConfigError("a trained policy does not read the layout rebuilt", "?layout=conversation, or lenient")
    if options.layout is not None:
        return options.layout == "lenient"
    return action_dialect(folder) == "lenient"


def _lenient(director: PolicyDirector) -> PolicyDirector:
    if not isinstance(director.policy.view, ChatView):
        raise ConfigError(f"{director.spec} is a tiny policy, which reads no chat", "leave the layout out")
    limits = replace(director.limits, grammar=False)
    return replace(director, lenient=True, limits=limits, spec=f"{director.spec}?layout=lenient")


def _how_to_get_one(folder: Path) -> str:
    if holds_policy(folder / START):
        return (
            f"its training is not over: go on with --resume, or let the start direct with --director {folder / START}"
        )
    return "flowsteer train FILE.toml --run DIR makes one"


def _settings(run: Path) -> dict[str, Any] | None:
    """What a training run or a study's cell was asked to do, as far as it was written down; None if this is neither."""
    found: dict[str, Any] = (read_json(run / CONFIG) or {}).get("config", {})
    return found if found.get("command") in ("train", "start") else None


def room_for_turn(tokens: int, limits: DrawSettings) -> int:
    """Most tokens of a turn that begins behind so many.

    Raises:
        NoTurn: There is no room for another one.
    """
    if tokens >= limits.episode_tokens:
        raise NoTurn(
            f"the episode reached its limit of {limits.episode_tokens} tokens",
            "let it take fewer turns, or train with a larger sampler.episode_tokens",
        )
    return min(limits.turn_tokens, limits.episode_tokens - tokens)


def grammar_for(observation: Observation, limits: DrawSettings) -> str:
    """What the next turn is held to; empty for nothing."""
    return action_grammar(observation) if limits.grammar else ""


def turn_of(
    policy: Policy, drawn: Drawn, observation: Observation, read: int, seconds: float, lenient: bool = False
) -> Turn:
    """The turn that sampled tokens make; a turn that was cut holds no action, even if what is left reads as one.

    Args:
        policy: Whose tokens they are.
        drawn: The tokens.
        observation: What the canvas was waiting for.
        read: Tokens that stood before them.
        seconds: Wall time of the draw.
        lenient: Whether the text is read in the lenient dialect.
    """
    whole = drawn.ids[-1] == policy.end
    text = policy.decode(drawn.ids[:-1] if whole else drawn.ids)
    usage = Usage(calls=1, prompt_tokens=read, completion_tokens=len(drawn.ids), seconds=seconds)
    action: Action | PromptText | ActionError = ActionError(
        "the reply was cut at the token limit before its end", "write less"
    )
    repairs: tuple[str, ...] = ()
    if whole:
        action, repairs = understood_in(lenient, text, observation.asks_prompt is not None)
    return Turn(text, action, usage=usage, seconds=seconds, repairs=repairs)
