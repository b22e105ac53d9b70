"""Sampling in this process: the draws of all episodes at once, as one batch that advances in lock-step.

Every row reads tokens in each forward, forced or sampled. There is no restart between turns: an episode's feedback is
read while others sample, and an episode that waits for its canvas holds nobody up. Each row draws from a random number
generator of its own, so its tokens depend on the weights, its seed and its canvas, never on how quick the other
canvases are. A small Llama reads with `FusedReader`, any other model with `RowsReader`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

from flowsteer.training.inference.fused_decode import FusedReader, fusable
from flowsteer.training.inference.grammar_masks import GrammarMasks, TurnMask
from flowsteer.training.inference.kv_cache import RowsReader
from flowsteer.training.inference.only_allowed import only
from flowsteer.training.inference.reach import check_seen
from flowsteer.training.inference.reader import Chunk, Reader
from flowsteer.training.inference.sampling_engine import Drawn
from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.inference.trajectory import DrawSettings
from flowsteer.training.policy.policy import Policy

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

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
        shared: Counts the seconds of several that draw by turns; whoever made them sees to the threads. None where it
            is the only one.

    Attributes:
        drawing: Seconds of forward passes and draws; waiting for canvases does not count.
        syncing: Always 0: the model that draws is the one that learns.
    """

    def __init__(self, policy: Policy, shared: Clock | None = None) -> None:
        self._policy, self._alone = policy, shared is None
        self.drawing, self.syncing = shared or Clock(), Clock()

    @asynccontextmanager
    async def rows(self, seeds: Sequence[int], settings: DrawSettings) -> AsyncIterator[Sequence["BatchRow"]]:
        """See `SamplingEngine.rows`. The model is in evaluation mode meanwhile."""
        model = self._policy.model
        training = model.training
        model.train(False)
        wake = asyncio.Event()
        masks = GrammarMasks.of(self._policy) if settings.grammar else None
        rows = [BatchRow(seed, self._policy.end, wake, masks) for seed in seeds]
        with few_threads(model) if self._alone else nullcontext():
            driver = asyncio.create_task(self._drive(rows, settings, wake))
            try:
                yield rows
            finally:
                driver.cancel()
                await asyncio.gather(driver, return_exceptions=True)
                model.train(training)

    def serve(self, step: int) -> None:
        """See `SamplingEngine.serve`: the learner's weights need no way to get here."""

    def close(self) -> None:
        """See `SamplingEngine.close`: nothing is connected."""

    async def _drive(self, rows: Sequence["BatchRow"], settings: DrawSettings, wake: asyncio.Event) -> None:
        """Forward after forward while an episode is open; what fails, fails for every row that waits."""
        every = rows
        try:
            with self.drawing, torch.inference_mode():
                reader = self._reader(len(rows), settings.episode_tokens)
            while True:
                await _attend(rows)
                rows = _without_closed(rows, reader)
                if any(row.wants for row in rows):
                    with self.drawing, torch.inference_mode():
                        _forward(reader, rows, settings.temperature)
                    continue
                wake.clear()
                await wake.wait()
        except Exception as error:  # noqa: BLE001 - handed to the episodes, which raise it
            for row in every:
                row.fail(error)

    def _reader(self, rows: int, capacity: int) -> Reader:
        """What reads the tokens of these episodes, with the model's weights as they are now."""
        model = self._policy.model
        if model.num_parameters() < SMALL and fusable(model):
            return FusedReader(model, rows, capacity)
        check_seen(model, capacity)
        return RowsReader(model, rows, capacity)


@contextmanager
def few_threads(model: "PreTrainedModel | PeftModel") -> Iterator[None]:
    """Let a small model draw with one thread inside the block."""
    threads = torch.get_num_threads()
    if model.num_parameters() < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class BatchRow:
    """One episode's row of the batch; see `flowsteer.training.inference.sampling_engine.Row`.

    Attributes:
        pending: Tokens that the model has not read yet.
        fed: Tokens it has read.
        rng: Random numbers of its draws.
        closed: Whether the episode is over.
    """

    def __init__(self, seed: int, end: int, wake: asyncio.Event, masks: GrammarMasks | None) -> None:
        self.pending: list[int] = []
        self.fed = 0
        self.rng = random.Random(seed)  # noqa: S311
        self.closed = False
        self._mask: TurnMask | None = None
        self._end, self._wake, self._masks = end, wake, masks
        self._turn: asyncio.Future[Drawn] | None = None
        self._error: Exception | None = None
        self._most, self._ids, self._logprobs, self._allowed = 0, list[int](), list[float](), list[bytes]()

    @property
    def wants(self) -> bool:
        """Whether a turn is being drawn."""
        return self._turn is not None

    @property
    def away(self) -> bool:
        """Whether its canvas is at work."""
        return not self.closed and self._turn is None

    async def draw(self, new: Sequence[int], most: int, grammar: str = "") -> Drawn:
        """See `Row.draw`."""
        if self._error is not None:
            raise self._error
        self.pending += new
        self._most, self._ids, self._logprobs, self._allowed = most, [], [], []
        self._mask = None if self._masks is None else self._masks.turn(grammar)
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

    def read(self, place: int, width: int) -> Chunk:
        """Give the next tokens to whoever reads them.

        Args:
            place: Number of the row.
            width: How many.
        """
        tokens, self.pending = self.pending[:width], self.pending[width:]
        self.fed += width
        return Chunk(place, self.fed - width, tokens, last=not self.pending)

    def allowed(self) -> bytes:
        """The tokens that may be drawn (`TurnMask.allowed`); empty for any."""
        return b"" if self._mask is None else self._mask.allowed()

    def take(self, token: int, logprob: float, allowed: bytes) -> None:
        """Take a drawn token, of those that were allowed. The one that ends a turn is read with the canvas's answer."""
        self._ids.append(token)
        self._logprobs.append(logprob)
        if self._mask is not None:
            self._allowed.append(allowed)
            self._mask.take(token)
        self.pending = [token]
        if token == self._end or len(self._ids) == self._most:
            done, self._turn = self._turn, None
            if done is not None and not done.done():
                done.set_result(Drawn(self._ids, self._logprobs, self._allowed))

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


def _without_closed(rows: Sequence[BatchRow], reader: Reader) -> Sequence[BatchRow]:
    """The rows that still play, once half of all or fewer do; to drop them one by one would cost more than it saves."""
    live = [place for place, row in enumerate(rows) if not row.closed]
    if not live or 2 * len(live) > len(rows):
        return rows
    reader.keep(live)
    return [rows[place] for place in live]


def _forward(reader: Reader, rows: Sequence[BatchRow], temperature: float) -> None:
    """Let the model read tokens of every row that wants a turn, and draw where it has then read all."""
    ready = [(place, row) for place, row in enumerate(rows) if row.wants]
    widths = reader.widths([len(row.pending) for _, row in ready])
    chunks = [row.read(place, width) for (place, row), width in zip(ready, widths, strict=True)]
    logits = reader.read(chunks)
    _draw(logits, [rows[chunk.row] for chunk in chunks if chunk.last], temperature)


def _draw(logits: torch.Tensor, rows: Sequence[BatchRow], temperature: float) -> None:
    """Draw the next token of each row, with the row's own random number, by the inverse of the CDF.

    Args:
        logits: Shape (rows, vocabulary).
        rows: Those that have read all they were given.
        temperature: Divides the logits; 0 for the most probable token.
    """
    if not rows:
        return
    logits = logits.float()
    allowed = [row.allowed() for row in rows]
    if all(allowed):
        logits = only(logits, allowed)
    logprobs = torch.log_softmax(logits / (temperature or 1.0), dim=-1)
    if temperature:
        cumulated = logprobs.double().exp().cumsum(-1)
        chance = torch.tensor([[row.rng.random()] for row in rows], dtype=torch.float64).to(logits.device)
        tokens = torch.searchsorted(cumulated, chance * cumulated[:, -1:], right=True)
        tokens = tokens.clamp(max=logits.shape[-1] - 1)
    else:
        tokens = logprobs.argmax(-1, keepdim=True)
    chosen = logprobs.gather(1, tokens)
    for row, *taken in zip(rows, tokens[:, 0].tolist(), chosen[:, 0].tolist(), allowed, strict=True):
        row.take(*taken)
