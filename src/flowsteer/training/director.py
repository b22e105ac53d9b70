"""A trained policy as a Director: for `solve`, for evaluations, and wherever else somebody edits a canvas."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from flowsteer.canvas.director import Observation, PromptText, Turn
from flowsteer.director.parse import parse_action, parse_prompt_reply
from flowsteer.errors import ActionError, ConfigError
from flowsteer.training.buffer import Limits
from flowsteer.training.policy import ADAPTERS, Policy, load_policy
from flowsteer.training.sampler import sample
from flowsteer.usage import Usage
from flowsteer.workflow.edits import Action

POLICY = "policy"
"""The folder of a run that holds what it trained."""


@dataclass(frozen=True, slots=True)
class PolicyDirector:
    """Directs with a local model, reading just what it read in training.

    It computes in the event loop's own thread: episodes at once wait for each other's turns.

    Attributes:
        policy: The model.
        spec: The string that names it.
        limits: How it draws; greedily at temperature 0.
    """

    policy: Policy
    spec: str
    limits: Limits = Limits(0.0, 256, 2048)  # noqa: RUF009 - frozen

    @classmethod
    def load(cls, folder: Path, limits: Limits | None = None) -> "PolicyDirector":
        """The Director that a training run made.

        Args:
            folder: The run folder, or the folder of a policy.
            limits: How it draws.

        Raises:
            ConfigError: There is no trained policy.
        """
        inner = folder / POLICY if (folder / POLICY).is_dir() else folder
        if not any((inner / name).is_file() for name in ("config.json", ADAPTERS)):
            raise ConfigError(f"{folder} holds no trained policy", "flowsteer train FILE.toml --run DIR makes one")
        policy = load_policy(str(inner))
        return cls(policy, str(folder)) if limits is None else cls(policy, str(folder), limits)

    async def act(self, observation: Observation) -> Turn:
        """Sample the next turn."""
        seat = _OneTurn(self._read(observation), observation.seed + observation.turn)
        started = perf_counter()
        await sample(self.policy, [seat], self.limits)
        usage = Usage(calls=1, completion_tokens=seat.tokens, seconds=perf_counter() - started)
        action = understood(seat.text, seat.cut, asked=observation.asks_prompt is not None)
        return Turn(seat.text, action, usage=usage, seconds=usage.seconds)

    def _read(self, observation: Observation) -> str:
        """The episode so far, as the policy read it in training."""
        view, end = self.policy.view, str(self.policy.tokenizer.eos_token)
        turns = (f"{turn.text}{end}{view.answer(turn.feedback)}" for turn in observation.history)
        return view.opening(observation) + "".join(turns)


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
