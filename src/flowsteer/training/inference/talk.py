"""One episode's turns, whoever draws its tokens: the policy's ids go into the buffer, its text to the canvas."""

from typing import Protocol

from flowsteer.errors import ConfigError
from flowsteer.training.inference.trajectory import Buffer, DrawSettings
from flowsteer.training.policy.policy import Policy


class Seat(Protocol):
    """One episode, seen from the sampler."""

    @property
    def prompt(self) -> str:
        """What the policy reads first."""
        ...

    @property
    def seed(self) -> int:
        """Seed of its draws."""
        ...

    async def answer(self, text: str, cut: bool, tokens: int) -> str | None:
        """Take one turn.

        Args:
            text: What the policy said.
            cut: Whether it was cut at the limit.
            tokens: How many tokens it sampled for it.

        Returns:
            What the policy reads next; None once the episode is over.
        """
        ...

    async def full(self) -> None:
        """The episode has no room for another turn: end it."""
        ...


class Talk:
    """The tokens of one episode, and the canvas they are meant for.

    Attributes:
        seat: The episode.
        buffer: Its tokens so far.

    Args:
        policy: Who speaks.
        seat: The episode.
        limits: How long it may be.

    Raises:
        ConfigError: Its prompt leaves no room for a turn.
    """

    def __init__(self, policy: Policy, seat: Seat, limits: DrawSettings) -> None:
        self._policy, self._limits = policy, limits
        self.seat = seat
        self.buffer = Buffer(tuple(policy.encode(seat.prompt)))
        if len(self.buffer) >= limits.episode_tokens:
            raise ConfigError(
                f"the prompt alone has {len(self.buffer)} tokens; an episode may have {limits.episode_tokens}",
                f"--set sampler.episode_tokens={4 * len(self.buffer)}",
            )

    @property
    def room(self) -> int:
        """Most tokens of a turn that begins now."""
        return min(self._limits.turn_tokens, self._limits.episode_tokens - len(self.buffer))

    async def answer(self, tokens: int) -> list[int] | None:
        """Hand a turn to the canvas, and keep what the canvas says.

        Args:
            tokens: So many ids at the end of the buffer are the turn.

        Returns:
            What the canvas said; None once the episode is over.
        """
        said, end = self.buffer.ids[-tokens:], self._policy.end
        cut = said[-1] != end
        reply = await self.seat.answer(self._policy.decode(said if cut else said[:-1]), cut, tokens)
        if reply is None:
            return None
        heard = [*([end] if cut else []), *self._policy.encode(reply)]  # the canvas ends a turn that was cut
        if len(self.buffer) + len(heard) >= self._limits.episode_tokens:
            await self.seat.full()
            return None
        self.buffer.said(heard)
        return heard
