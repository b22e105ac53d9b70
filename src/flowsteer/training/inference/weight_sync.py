"""Which weights the sampler draws with: a name for each version, and the proof that it has them (invariant 7).

After each update the sampler is given the learner's weights. Then a probe, fixed tokens and a few drawn ones, is scored
by both. Where they disagree, or where the sampler says what it said before although the learner has changed, the run
stops: there is no falling back to the base policy or to an older version.
"""

import asyncio
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from flowsteer.errors import PolicySyncError
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.inference.remote_engine import Ask, Client
from flowsteer.training.inference.vllm import Served
from flowsteer.training.policy.policy import Policy

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

PROBE = (
    "<action>add</action><operator>Plan</operator> <action>add</action><structure>loop</structure>"
    "<operators>Review -> Revise</operators><count>3</count> accepted: the workflow has 3 operators; turn 2 of 20"
)
"""What both score; its text does not matter as long as it never changes."""

DRAWS = 8
"""Tokens drawn behind the probe, to check the log-probs that training is given."""

MOVED = 1e-4
"""A mean change of the learner's log-probs from which on the sampler's must have changed, too."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What both said of the probe."""

    step: int
    learner: tuple[float, ...]
    sampler: tuple[float, ...]


class Versions:
    """Gives the sampler the learner's weights, and makes sure that it has them.

    Args:
        policy: The policy; its tokenizer encodes the probe.
        learner: The learner's model as it is now.
        client: The sampler.
        push: Gives it the weights after so many updates.
        temperature: At which it draws in training.
        tolerance: Largest mean difference of log-probs between learner and sampler.
        runner: The event loop that the client lives on.
    """

    def __init__(
        self,
        policy: Policy,
        learner: Callable[[], torch.nn.Module],
        client: Client,
        push: Callable[[int], None],
        temperature: float,
        tolerance: float,
        runner: asyncio.Runner,
    ) -> None:
        self._policy, self._learner, self._client, self._push = policy, learner, client, push
        self._temperature, self._tolerance, self._runner = temperature, tolerance, runner
        self._last: _Reading | None = None

    def serve(self, step: int) -> None:
        """Let the sampler draw with `policy@STEP` from now on; done once for each step.

        Args:
            step: Updates that the learner's weights have behind them.

        Raises:
            PolicySyncError: The sampler does not have these weights.
            BackendUnavailable: It cannot be reached.
        """
        if self._last is not None and self._last.step == step:
            return
        self._push(step)
        probe = self._policy.encode(PROBE)
        ours, theirs = tuple(score(self._learner(), probe)), tuple(self._runner.run(self._client.score(probe)))
        self._compare(step, ours, theirs)
        self._check_draws(step, probe)
        self._last = _Reading(step, ours, theirs)

    def _compare(self, step: int, ours: Sequence[float], theirs: Sequence[float]) -> None:
        where, last = self._client.place, self._last
        if (apart := gap(ours, theirs)) > self._tolerance:
            raise PolicySyncError(
                f"{where} does not serve policy@{step}: its log-probs of a probe are {apart:.3g} away from the "
                f"learner's on average, and {self._tolerance:g} is allowed",
                "does it serve the model named in policy.name? The last checkpoint is kept: --resume goes on from it",
            )
        if last is not None and theirs == last.sampler and gap(ours, last.learner) > MOVED:
            raise PolicySyncError(
                f"{where} still serves policy@{last.step}: the learner has changed since, its log-probs have not",
                "start the server anew; the last checkpoint is kept: --resume goes on from it",
            )

    def _check_draws(self, step: int, probe: Sequence[int]) -> None:
        asked = Ask(probe, DRAWS, self._policy.end, self._temperature, seed=step)
        drawn = self._runner.run(self._client.draw(asked))
        ours = score(self._learner(), [*probe, *drawn.ids], self._temperature)[-len(drawn.ids) :]
        if (apart := gap(ours, drawn.logprobs)) > self._tolerance:
            raise PolicySyncError(
                f"{self._client.place} gives log-probs of what it draws at temperature {self._temperature:g} that are "
                f"{apart:.3g} away from the learner's on average, and {self._tolerance:g} is allowed",
                "start the server with --logprobs-mode processed_logprobs",
            )


def score(model: torch.nn.Module, ids: Sequence[int], temperature: float = 1.0) -> list[float]:
    """Log-probs of all tokens but the first.

    Args:
        model: A causal language model; of a sharded one every process must call this at once.
        ids: The tokens.
        temperature: Divides the logits.
    """
    device = next(model.parameters()).device
    tokens = torch.tensor([list(ids)], device=device)
    training = model.training
    model.train(False)
    try:
        with torch.no_grad():
            logits = model(input_ids=tokens).logits[0, :-1].float() / temperature
    finally:
        model.train(training)
    found: list[float] = torch.log_softmax(logits, -1).gather(1, tokens[0, 1:, None])[:, 0].tolist()
    return found


def gap(one: Sequence[float], other: Sequence[float]) -> float:
    """Mean absolute difference; infinite where the lengths differ or a number is none.

    >>> gap([-1.0, -2.0], [-1.5, -2.0])
    0.25
    >>> gap([-1.0], [float("nan")]) == gap([-1.0], []) == float("inf")
    True
    """
    if len(one) != len(other):
        return inf
    found = sum(abs(a - b) for a, b in zip(one, other, strict=True)) / max(1, len(one))
    return inf if isnan(found) else found


class Adapters:
    """LoRA adapters under a name for each version, loaded by servers from a folder that they share with the learner.

    A name holds the run, this start of it, the step, and a number where a step is served again, so that no server ever
    had it before; each request names it, so that a server without it refuses to draw. The weights stay those that are
    trained: nothing is merged or rounded.

    Args:
        model: The learner's model.
        servers: All servers.
        mine: The one that this process draws from.
        folder: Where adapters are written; only the version in use is kept.
        run: Name of the run.
        runner: The event loop that the servers' clients live on.
        ranks: The processes of the run.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel",
        servers: Sequence[Served],
        mine: Served,
        folder: Path,
        run: str,
        runner: asyncio.Runner,
        ranks: Ranks,
    ) -> None:
        self._model, self._servers, self._mine, self._folder = model, servers, mine, folder
        self._runner, self._ranks = runner, ranks
        self._prefix = ranks.gather([f"{run}.{secrets.token_hex(3)}"])[0]
        self._held: tuple[str, Path] | None = None
        self._served: Counter[int] = Counter()

    def __call__(self, step: int) -> None:
        """Load the adapters as they are now into every server, and draw with them from now on."""
        self._served[step] += 1
        again = f".{self._served[step]}" if self._served[step] > 1 else ""
        name, folder = f"{self._prefix}.policy@{step}{again}", self._folder.resolve() / f"policy@{step}{again}"
        if self._ranks.first:
            shutil.rmtree(folder, ignore_errors=True)
            self._model.save_pretrained(str(folder), selected_adapters=["default"], save_embedding_layers=False)
            self._runner.run(self._load(name, folder))
        self._ranks.wait()
        self._mine.model = name

    async def _load(self, name: str, folder: Path) -> None:
        for server in self._servers:
            await server.load(name, str(folder))
        if self._held is not None:
            held, path = self._held
            for server in self._servers:
                await server.unload(held)
            shutil.rmtree(path)
        self._held = name, folder
