"""Rounds under way: the episodes of later steps are played while a step is learned from (`update.staleness`).

A step whose episodes wait for a slow executor would otherwise stand still until the last of them is over. Here an
episode has as many more steps as there are rounds ahead to come to its end. They live on the run's one event loop:
while the learner computes, nothing of them runs here and no limit of time counts (`training.resting_loop`), but the
requests that they have sent are answered.

Every round is drawn with the weights as they were when it began, so all tokens of an episode are of one version, which
the record names. That it is not the version that learns is corrected for in the loss, token by token
(`cwrpo.OwnTokens.engine`, as TRL does for an engine apart).
"""

import asyncio
from collections.abc import Callable, Coroutine
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from flowsteer.training.inference.batcher import Batcher, few_threads
from flowsteer.training.inference.stopwatch import Clock
from flowsteer.training.policy.policy import Policy
from flowsteer.training.rollout.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Round:
    """The episodes of a step.

    Attributes:
        version: Updates that the weights had behind them with which all of it was drawn.
        rollouts: The episodes, group by group.
    """

    version: int
    rollouts: list[Rollout]


Played = Coroutine[Any, Any, list[Rollout]]
"""Episodes to be played."""

Play = Callable[[int, Policy, Batcher, str], Played]
"""Plays the round of a step, given who plays, what draws, and what to call these weights in the record."""


class RoundsAhead:
    """The rounds that are under way.

    Args:
        policy: Who learns; each round gets a copy of its model.
        ahead: Rounds that are played besides the one that is waited for.
        steps: Updates of the run: there is no round behind the last.
        play: Plays a round.
        runner: The event loop of the run.

    Attributes:
        drawing: Seconds of forward passes and draws, of all rounds.
    """

    def __init__(self, policy: Policy, ahead: int, steps: int, play: Play, runner: asyncio.Runner) -> None:
        self._policy, self._ahead, self._steps, self._play, self._runner = policy, ahead, steps, play, runner
        self._under_way: dict[int, asyncio.Task[Round]] = {}
        self.drawing = Clock()

    def take(self, step: int) -> Round:
        """Begin the rounds up to `ahead` steps later, with the weights as they are now, and wait for that of a step.

        Args:
            step: The update, from 1.

        Raises:
            BudgetExceeded: The budget is spent.
        """
        missing = [later for later in range(step, self._last(step) + 1) if later not in self._under_way]
        if missing:
            now = frozen(self._policy)
            for later in missing:
                self._under_way[later] = self._runner.get_loop().create_task(self._round(later, now, step - 1))
        with few_threads(self._policy.model):
            return self._runner.run(_result(self._under_way.pop(step)))

    def close(self) -> None:
        """Break off what is under way; its episodes leave no record."""
        left, self._under_way = list(self._under_way.values()), {}
        for task in left:
            task.cancel()
        if left:
            self._runner.run(_ended(left))

    def _last(self, step: int) -> int:
        return min(step + self._ahead, self._steps)

    async def _round(self, step: int, policy: Policy, version: int) -> Round:
        batcher = Batcher(policy, self.drawing)
        return Round(version, await self._play(step, policy, batcher, f"policy@{version}"))


def frozen(policy: Policy) -> Policy:
    """A policy with a copy of the model as it is now; what a trainer has put around its forward pass is left behind."""
    model = deepcopy(policy.model)
    vars(model).pop("forward", None)
    return replace(policy, model=model.requires_grad_(False).eval())


async def _result(task: asyncio.Task[Round]) -> Round:
    return await task


async def _ended(tasks: list[asyncio.Task[Round]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
