"""A sampling engine outside the learner's model: each episode asks a client for its next turn by its tokens so far.

Nothing is re-tokenised: the ids that the engine drew are kept, with the log-probs that it drew them with. Episodes are
at their own pace: one canvas executes while the engine draws for the others, and an engine that caches prefixes reads
of every turn but the new tokens.
"""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from flowsteer.errors import BackendUnavailable
from flowsteer.training.inference.sampling_engine import Drawn
from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.inference.trajectory import DrawSettings


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


class RemoteEngine:
    """Draws by a client: a vLLM server, or vLLM in this process; see `SamplingEngine`.

    Args:
        client: Where the weights are.
        end: Id of the token that ends a turn.
        serve: Gives the client the weights after so many updates; see `weight_sync`.
        close: Closes its connections.

    Attributes:
        drawing: Seconds in which at least one turn was being drawn.
        syncing: Seconds in which it was given weights.
    """

    def __init__(
        self,
        client: Client,
        end: int,
        serve: Callable[[int], None] = lambda step: None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._end, self._serve, self._close = client, end, serve, close
        self.drawing, self.syncing = Clock(), Clock()

    @asynccontextmanager
    async def rows(self, seeds: Sequence[int], settings: DrawSettings) -> AsyncIterator[Sequence["RemoteRow"]]:
        """See `SamplingEngine.rows`."""
        yield [RemoteRow(self._client, self._end, settings.temperature, seed, self.drawing) for seed in seeds]

    def serve(self, step: int) -> None:
        """See `SamplingEngine.serve`."""
        with self.syncing:
            self._serve(step)

    def close(self) -> None:
        """See `SamplingEngine.close`."""
        self._close()


class RemoteRow:
    """One episode, asked for by all of its tokens; see `flowsteer.training.inference.sampling_engine.Row`."""

    def __init__(self, client: Client, end: int, temperature: float, seed: int, drawing: Clock) -> None:
        self._client, self._end, self._temperature, self._drawing = client, end, temperature, drawing
        self._ids: list[int] = []
        self._rng = random.Random(seed)  # noqa: S311

    async def draw(self, new: Sequence[int], most: int, grammar: str = "") -> Drawn:
        """See `Row.draw`."""
        self._ids += new
        ask = Ask(tuple(self._ids), most, self._end, self._temperature, self._rng.getrandbits(31))
        with self._drawing:
            drawn = await self._client.draw(ask)
        if not 0 < len(drawn.ids) == len(drawn.logprobs) <= most:
            raise BackendUnavailable(
                f"{self._client.place} was asked for at most {most} tokens and gave {len(drawn.ids)} with "
                f"{len(drawn.logprobs)} log-probs"
            )
        self._ids += drawn.ids
        return drawn

    def close(self) -> None:
        """See `Row.close`: the engine itself forgets what nobody asks for."""
