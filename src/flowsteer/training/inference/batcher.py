"""Sampling in lock-step: every live episode eats one token per forward, forced or sampled.

There is no padding and no restart between turns: an episode's feedback is fed token by token while others sample, and
an episode that waits for its canvas holds nobody up. Each episode draws from a random number generator of its own, so
its tokens depend on the weights, its seed and its canvas, never on how quick the other canvases are.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import torch

from flowsteer.training.inference.kv_cache import RowsCache
from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.inference.talk import Seat, Talk
from flowsteer.training.inference.trajectory import Buffer, DrawSettings
from flowsteer.training.policy.policy import Policy

Draw = Callable[[Policy, Sequence[Seat], DrawSettings], Awaitable[list[Buffer]]]
"""Plays all episodes to their end: `sample` here, or an engine apart from the learner."""

YIELDS = 10
"""Turns of the event loop between two forwards: a canvas that waits for nobody answers within them. With a single one,
rows stand idle while the model reads for others, and a step takes a third more forwards."""

SMALL = 10_000_000
"""A model with fewer parameters draws with one thread: its operations are shorter than the wait for a second one, and
on cores that others use, too, such waits make a step ten times as long."""


async def sample(
    policy: Policy, seats: Sequence[Seat], limits: DrawSettings, clock: Clock | None = None
) -> list[Buffer]:
    """Play all episodes to their end.

    Args:
        policy: Who plays; its model is used as it is, in evaluation mode.
        seats: The episodes.
        limits: How it draws.
        clock: Counts the seconds of the model's forward passes and of drawing.

    Returns:
        Each episode's tokens.

    Raises:
        Exception: Whatever a seat raises ends all; the other canvases are cancelled.
    """
    rows = [_Row(policy, seat, limits) for seat in seats]
    training, threads = policy.model.training, torch.get_num_threads()
    policy.model.train(False)
    if policy.model.num_parameters() < SMALL:
        torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            await _lock_step(policy, rows, limits, clock or Clock())
    finally:
        policy.model.train(training)
        torch.set_num_threads(threads)
        for row in rows:
            if row.waits is not None:
                row.waits.cancel()
    return [row.talk.buffer for row in rows]


async def _lock_step(policy: Policy, rows: list["_Row"], limits: DrawSettings, clock: Clock) -> None:
    cache = RowsCache(policy.model, len(rows), limits.episode_tokens)
    while True:
        for row in rows:
            row.collect()
        rows = _without_idle(rows, cache)
        waiting = [row.waits for row in rows if row.waits is not None]
        ready = [row for row in rows if row.pending]
        if not ready:
            if not waiting:
                return
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            continue
        with clock:
            _forward(policy, cache, rows, ready, limits.temperature)
        await _attend([row.waits for row in rows if row.waits is not None])


async def _attend(waiting: Sequence[asyncio.Task[list[int] | None]]) -> None:
    """Let canvases go on until they have answered, or wait for somebody else."""
    for _ in range(YIELDS):
        if all(answer.done() for answer in waiting):
            return
        await asyncio.sleep(0)


def _forward(policy: Policy, cache: RowsCache, rows: list["_Row"], ready: list["_Row"], temperature: float) -> None:
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
    drawing = [index for index, row in enumerate(rows) if row.sampling and not row.pending]
    _draw(logits, rows, drawing, temperature)


def _without_idle(rows: list["_Row"], cache: RowsCache) -> list["_Row"]:
    """The rows that still play, once half of all or fewer do; to drop them one by one would cost more than it saves."""
    live = [place for place, row in enumerate(rows) if row.pending or row.waits is not None]
    if not live or 2 * len(live) > len(rows):
        return rows
    cache.keep(live)
    return [rows[place] for place in live]


def _draw(logits: torch.Tensor, rows: list["_Row"], drawing: list[int], temperature: float) -> None:
    """Draw the next token of each row in `drawing`, with the row's own random number, by the inverse of the CDF."""
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


class _Row:
    """Where one episode stands.

    Attributes:
        pending: Tokens of the buffer that the model has not read yet.
        fed: Tokens it has read.
        sampling: Whether a token is to be drawn once nothing is pending.
        waits: The canvas at work.
    """

    def __init__(self, policy: Policy, seat: Seat, limits: DrawSettings) -> None:
        self._end = policy.end
        self.talk = Talk(policy, seat, limits)
        self.pending = list(self.talk.buffer.prompt)
        self.rng = random.Random(seat.seed)  # noqa: S311
        self.fed = 0
        self.sampling = True
        self.waits: asyncio.Task[list[int] | None] | None = None
        self._room, self._turn = self.talk.room, 0

    def feed(self, width: int) -> list[int]:
        """The next tokens to read; any, where nothing is pending."""
        return self.pending[:width] or [0] * width

    def take(self, token: int, logprob: float) -> None:
        """Take a drawn token; the end of a turn wakes the canvas."""
        self.talk.buffer.sampled(token, logprob)
        self._turn += 1
        if token != self._end and self._turn < self._room:
            self.pending = [token]
            return
        self.waits = asyncio.create_task(self.talk.answer(self._turn))
        self.sampling = False

    def collect(self) -> None:
        """Take up the canvas's answer, if it is there.

        Raises:
            Exception: What the canvas raised.
        """
        if self.waits is None or not self.waits.done():
            return
        heard, self.waits = self.waits.result(), None
        if heard is None:
            return
        self.pending = self.talk.buffer.ids[-len(heard) - 1 :]
        self.sampling, self._room, self._turn = True, self.talk.room, 0
