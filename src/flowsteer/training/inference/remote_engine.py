"""Sampling by an engine apart from the learner: each episode asks for its next turn by its tokens so far.

Nothing is re-tokenised: the ids that the engine drew go into the buffer, with the log-probs that it drew them with.
Episodes are at their own pace: one canvas executes while the engine draws for the others, and an engine that caches
prefixes reads of every turn but the new tokens.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flowsteer.errors import BackendUnavailable
from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.inference.talk import Seat, Talk
from flowsteer.training.inference.trajectory import Buffer, DrawSettings
from flowsteer.training.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class Ask:
    """One turn asked for. No other setting of an engine may shape the draw: no top-p, no top-k, no penalty, no grammar.

    Attributes:
        ids: All tokens of the episode so far.
        most: Most tokens to draw.
        end: The token that ends a turn; the only one that does.
        temperature: 0 for the most probable token.
        seed: Seed of the draw.
    """

    ids: Sequence[int]
    most: int
    end: int
    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One turn drawn.

    Attributes:
        ids: Its tokens, the one that ends it included.
        logprobs: Their log-probabilities in the distribution they were drawn from, the tempered one.
    """

    ids: Sequence[int]
    logprobs: Sequence[float]


class Client(Protocol):
    """An engine that holds a copy of the policy's weights."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    async def draw(self, ask: Ask) -> Drawn:
        """Draw one turn.

        Raises:
            PolicySyncError: It does not have the weights asked for.
            BackendUnavailable: It cannot be reached or does not answer as it should.
        """
        ...

    async def score(self, ids: Sequence[int]) -> list[float]:
        """Log-probs of all tokens but the first, at temperature 1.

        Raises:
            PolicySyncError: It does not have the weights asked for.
            BackendUnavailable: It cannot be reached or does not answer as it should.
        """
        ...


@dataclass(frozen=True, slots=True)
class Apart:
    """Draws by a client; a `Draw`, as the sampler of this process is.

    Attributes:
        client: Where the weights are.
        clock: Counts the seconds in which at least one turn was being drawn.
    """

    client: Client
    clock: Clock = field(default_factory=Clock)

    async def __call__(self, policy: Policy, seats: Sequence[Seat], limits: DrawSettings) -> list[Buffer]:
        """Play all episodes to their end; of the policy only the tokenizer is used.

        Raises:
            Exception: Whatever a seat or the client raises ends all; the other episodes are cancelled.
        """
        episodes = [asyncio.create_task(self._episode(policy, Talk(policy, seat, limits), limits)) for seat in seats]
        try:
            return list(await asyncio.gather(*episodes))
        finally:
            for episode in episodes:
                episode.cancel()

    async def _episode(self, policy: Policy, talk: Talk, limits: DrawSettings) -> Buffer:
        rng, buffer = random.Random(talk.seat.seed), talk.buffer  # noqa: S311
        while True:
            ask = Ask([*buffer.prompt, *buffer.ids], talk.room, policy.end, limits.temperature, rng.getrandbits(31))
            with self.clock:
                drawn = await self.client.draw(ask)
            if not 0 < len(drawn.ids) == len(drawn.logprobs) <= ask.most:
                raise BackendUnavailable(
                    f"{self.client.place} was asked for at most {ask.most} tokens and gave {len(drawn.ids)} with "
                    f"{len(drawn.logprobs)} log-probs"
                )
            for token, logprob in zip(drawn.ids, drawn.logprobs, strict=True):
                buffer.sampled(token, logprob)
            if await talk.answer(len(drawn.ids)) is None:
                return buffer
