"""Sampling in this process: the draws of all episodes at once, as one batch that advances in lock-step.

Every row eats tokens in each forward, forced or sampled. There is no padding and no restart between turns: an episode's
feedback is read while others sample, and an episode that waits for its canvas holds nobody up. Each row draws from a
random number generator of its own, so its tokens depend on the weights, its seed and its canvas, never on how quick the
other canvases are.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import torch

from flowsteer.training.inference.kv_cache import RowsCache
from flowsteer.training.inference.sampling_engine import Drawn
from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.inference.trajectory import DrawSettings
from flowsteer.training.policy.policy import Policy

YIELDS = 10
"""Turns of the event loop between two forwards: a canvas that waits for nobody answers within them. With a single one,
rows stand idle while the model reads for others, and a step takes a third more forwards."""

SMALL = 10_000_000
"""A model with fewer parameters draws with one thread: its operations are shorter than the wait for a second one, and
on cores that others use, too, such waits make a step ten times as long."""


class Batcher:
    """The policy's own model, used as it is now; see `SamplingEngine`.

    Args:
        policy: Who speaks.

    Attributes:
        drawing: Seconds of forward passes and draws; waiting for canvases does not count.
        syncing: Always 0: the model that draws is the one that learns.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.drawing, self.syncing = Clock(), Clock()

    @asynccontextmanager
    async def rows(self, seeds: Sequence[int], settings: DrawSettings) -> AsyncIterator[Sequence["BatchRow"]]:
        """See `SamplingEngine.rows`. The model is in evaluation mode meanwhile."""
        model = self._policy.model
        training, threads = model.training, torch.get_num_threads()
        model.train(False)
        if model.num_parameters() < SMALL:
            torch.set_num_threads(1)
        wake = asyncio.Event()
        rows = [BatchRow(seed, self._policy.end, wake) for seed in seeds]
        driver = asyncio.create_task(self._drive(rows, settings, wake))
        try:
            yield rows
        finally:
            driver.cancel()
            await asyncio.gather(driver, return_exceptions=True)
            model.train(training)
            torch.set_num_threads(threads)

    def serve(self, step: int) -> None:
        """See `SamplingEngine.serve`: the learner's weights need no way to get here."""

    def close(self) -> None:
        """See `SamplingEngine.close`: nothing is connected."""

    async def _drive(self, rows: Sequence["BatchRow"], settings: DrawSettings, wake: asyncio.Event) -> None:
        """Forward after forward while an episode is open; what fails, fails for every row that waits."""
        cache, every = RowsCache(self._policy.model, len(rows), settings.episode_tokens), rows
        try:
            while True:
                await _attend(rows)
                rows = _without_closed(rows, cache)
                ready = [row for row in rows if row.wants]
                if ready:
                    with self.drawing, torch.inference_mode():
                        _forward(self._policy, cache, rows, ready, settings.temperature)
                    continue
                wake.clear()
                await wake.wait()
        except Exception as error:  # noqa: BLE001 - handed to the episodes, which raise it
            for row in every:
                row.fail(error)


class BatchRow:
    """One episode's row of the batch; see `flowsteer.training.inference.sampling_engine.Row`.

    Attributes:
        pending: Tokens that the model has not read yet.
        fed: Tokens it has read.
        rng: Random numbers of its draws.
        closed: Whether the episode is over.
    """

    def __init__(self, seed: int, end: int, wake: asyncio.Event) -> None:
        self.pending: list[int] = []
        self.fed = 0
        self.rng = random.Random(seed)  # noqa: S311
        self.closed = False
        self._end, self._wake = end, wake
        self._turn: asyncio.Future[Drawn] | None = None
        self._error: Exception | None = None
        self._most, self._ids, self._logprobs = 0, list[int](), list[float]()

    @property
    def wants(self) -> bool:
        """Whether a turn is being drawn."""
        return self._turn is not None

    @property
    def away(self) -> bool:
        """Whether its canvas is at work."""
        return not self.closed and self._turn is None

    async def draw(self, new: Sequence[int], most: int) -> Drawn:
        """See `Row.draw`."""
        if self._error is not None:
            raise self._error
        self.pending += new
        self._most, self._ids, self._logprobs = most, [], []
        self._turn = asyncio.get_running_loop().create_future()
        self._wake.set()
        try:
            return await self._turn
        finally:
            self._turn = None

    def close(self) -> None:
        """See `Row.close`."""
        self.closed = True
        self._wake.set()

    def feed(self, width: int) -> list[int]:
        """The next tokens to read; zeros, which nobody will see, where no turn is being drawn."""
        return self.pending[:width] if self.wants else [0] * width

    def take(self, token: int, logprob: float) -> None:
        """Take a drawn token. The one that ends a turn is read with what the canvas says to it."""
        self._ids.append(token)
        self._logprobs.append(logprob)
        self.pending = [token]
        if token == self._end or len(self._ids) == self._most:
            done, self._turn = self._turn, None
            if done is not None and not done.done():
                done.set_result(Drawn(self._ids, self._logprobs))

    def fail(self, error: Exception) -> None:
        """Let whoever waits for a turn, or asks for one, know why there is none."""
        self._error = error
        if self._turn is not None and not self._turn.done():
            self._turn.set_exception(error)


async def _attend(rows: Sequence[BatchRow]) -> None:
    """Let canvases go on until they have answered, or wait for somebody else."""
    for _ in range(YIELDS):
        if not any(row.away for row in rows):
            return
        await asyncio.sleep(0)


def _without_closed(rows: Sequence[BatchRow], cache: RowsCache) -> Sequence[BatchRow]:
    """The rows that still play, once half of all or fewer do; to drop them one by one would cost more than it saves."""
    live = [place for place, row in enumerate(rows) if not row.closed]
    if not live or 2 * len(live) > len(rows):
        return rows
    cache.keep(live)
    return [rows[place] for place in live]


def _forward(
    policy: Policy, cache: RowsCache, rows: Sequence[BatchRow], ready: Sequence[BatchRow], temperature: float
) -> None:
    """Let the model read as many tokens of every row as the shortest of `ready` has, and draw where a turn goes on."""
    device = policy.model.device
    width = min(len(row.pending) for row in ready)
    ids = torch.tensor([row.feed(width) for row in rows], device=device)
    at = torch.tensor([[row.fed] for row in rows], device=device) + torch.arange(width, device=device)
    at = at.clamp(max=cache.capacity - 1)
    logits = policy.model(
        input_ids=ids,
        attention_mask=cache.place(at),
        position_ids=at,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    for row in ready:
        row.fed += width
        del row.pending[:width]
    _draw(logits, rows, [index for index, row in enumerate(rows) if row.wants and not row.pending], temperature)


def _draw(logits: torch.Tensor, rows: Sequence[BatchRow], drawing: Sequence[int], temperature: float) -> None:
    """Draw the next token of each row in `drawing`, with the row's own random number, by the inverse of the CDF.

    Args:
        logits: Of all rows, shape (rows, vocabulary).
        rows: The rows.
        drawing: Places of those that have read all they were given.
        temperature: Divides the logits; 0 for the most probable token.
    """
    if not drawing:
        return
    logprobs = torch.log_softmax(logits[drawing].float() / (temperature or 1.0), dim=-1)
    if temperature:
        cumulated = logprobs.double().exp().cumsum(-1)
        chance = torch.tensor([[rows[index].rng.random()] for index in drawing], dtype=torch.float64).to(logits.device)
        tokens = torch.searchsorted(cumulated, chance * cumulated[:, -1:], right=True)
        tokens = tokens.clamp(max=logits.shape[-1] - 1)
    else:
        tokens = logprobs.argmax(-1, keepdim=True)
    chosen = logprobs.gather(1, tokens)
    for index, token, logprob in zip(drawing, tokens[:, 0].tolist(), chosen[:, 0].tolist(), strict=True):
        rows[index].take(token, logprob)
