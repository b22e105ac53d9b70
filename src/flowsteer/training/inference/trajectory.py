"""A trajectory as a token buffer that only grows: what was sampled is what is trained on (invariant 3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """How the policy draws, and how much.

    Attributes:
        temperature: 0 for the most probable token. Log-probs are those of the tempered distribution, as TRL computes
            them; there is no top-p or top-k, since log-probs are not corrected for truncation.
        turn_tokens: Most tokens of one turn; a longer one is cut, and the canvas says so.
        episode_tokens: Most tokens of an episode, prompt and feedback included.
        grammar: Whether a turn is held to the grammar of the legal actions, which leaves no room for thinking. The loss
            then takes its log-probs over the tokens that were allowed.
    """

    temperature: Annotated[float, Ge(0)] = 1.0
    turn_tokens: Annotated[int, Ge(1)] = 2048
    episode_tokens: Annotated[int, Ge(2)] = 16384
    grammar: bool = False


@dataclass(slots=True)
class Trajectory:
    """The tokens of one episode in order.

    Attributes:
        prompt: What stood before the first turn.
        ids: Everything after it.
        mask: For each of `ids`, 1 if the policy sampled it, 0 if the canvas said it.
        logprobs: For each of `ids`, its log-probability when it was sampled; 0.0 where the canvas spoke.
        allowed: For each token that was sampled under a grammar, the set it was sampled from (`TurnMask.allowed`).
    """

    prompt: tuple[int, ...] = ()
    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    allowed: list[bytes] = field(default_factory=list)

    def sampled(self, token: int, logprob: float) -> None:
        """Add a token that the policy sampled."""
        self.ids.append(token)
        self.mask.append(1)
        self.logprobs.append(logprob)

    def said(self, tokens: Sequence[int]) -> None:
        """Add tokens that the canvas said."""
        self.ids += tokens
        self.mask += [0] * len(tokens)
        self.logprobs += [0.0] * len(tokens)

    @property
    def own(self) -> int:
        """Tokens that the policy sampled."""
        return sum(self.mask)

    def __len__(self) -> int:
        """Tokens in all, the prompt included."""
        return len(self.prompt) + len(self.ids)
