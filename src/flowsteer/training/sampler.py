"""Sampling in lock-step: every live episode eats one token per forward, forced or sampled.

There is no padding and no restart between turns: an episode's feedback is fed token by token while others sample, and
an episode that waits for its canvas holds nobody up. Each episode draws from a random number generator of its own, so
its tokens depend on the weights, its seed and its canvas, never on how quick the other canvases are.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

import torch

from flowsteer.errors import ConfigError
from flowsteer.training.buffer import Buffer, Limits
from flowsteer.training.cache import RowsCache
from flowsteer.training.policy import Policy


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


async def sample(policy: Policy, seats: Sequence[Seat], limits: Limits) -> list[Buffer]:
    """Play all episodes to their end.

    Args:
        policy: Who plays; its model is used as it is, in evaluation mode.
        seats: The episodes.
        limits: How it draws.

    Returns:
        Each episode's tokens.

    Raises:
        Exception: Whatever a seat raises ends all; the other canvases are cancelled.
    """
    rows = [_Row(policy, seat, limits) for seat in seats]
    training = policy.model.training
    policy.model.train(False)
    try:
        with torch.inference_mode():
            await _lock_step(policy, rows, limits)
    finally:
        policy.model.train(training)
        for row in rows:
            if row.waits is not None:
                row.waits.cancel()
    return [row.buffer for row in rows]


async def _lock_step(policy: Policy, rows: list["_Row"], limits: Limits) -> None:
    device = policy.model.device
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
        _draw(logits, rows, drawing, limits.temperature)
        if waiting:
            await asyncio.sleep(0)


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

    def __init__(self, policy: Policy, seat: Seat, limits: Limits) -> None:
        self._policy, self._seat, self._limits = policy, seat, limits
        self.buffer = Buffer(tuple(policy.encode(seat.prompt)))
        if len(self.buffer) >= limits.episode_tokens:
            raise ConfigError(
                f"the prompt alone has {len(self.buffer)} tokens; an episode may have {limits.episode_tokens}",
                f"--set sampler.episode_tokens={4 * len(self.buffer)}",
            )
        self.pending = list(self.buffer.prompt)
        self.rng = random.Random(seat.seed)  # noqa: S311
        self.fed = 0
        self.sampling = True
        self.waits: asyncio.Task[str | None] | None = None
        self._turn = 0

    def feed(self, width: int) -> list[int]:
        """The next tokens to read; any, where nothing is pending."""
        return self.pending[:width] or [0] * width

    def take(self, token: int, logprob: float) -> None:
        """Take a drawn token; the end of a turn wakes the canvas."""
        self.buffer.sampled(token, logprob)
        self._turn += 1
        ended = token == self._policy.end
        if not ended and self._turn < self._limits.turn_tokens and len(self.buffer) < self._limits.episode_tokens:
            self.pending = [token]
            return
        said = self.buffer.ids[-self._turn :]
        text = self._policy.decode(said[:-1] if ended else said)
        self.waits = asyncio.create_task(self._seat.answer(text, not ended, self._turn))
        self.sampling = False

    def collect(self) -> None:
        """Take up the canvas's answer, if it is there.

        Raises:
            Exception: What the canvas raised.
        """
        if self.waits is None or not self.waits.done():
            return
        reply, self.waits = self.waits.result(), None
        if reply is None:
            return
        last, end = self.buffer.ids[-1], self._policy.end
        tokens = [*([] if last == end else [end]), *self._policy.encode(reply)]  # the canvas ends a turn that was cut
        if len(self.buffer) + len(tokens) >= self._limits.episode_tokens:
            self.waits = asyncio.create_task(self._seat.full())
            return
        self.buffer.said(tokens)
        self.pending, self.sampling, self._turn = [last, *tokens], True, 0
