"""Episodes without a canvas: what a policy draws for them, through the Director that training uses."""

import asyncio
import random
from dataclasses import replace
from types import SimpleNamespace

from flowsteer.errors import NoTurn
from flowsteer.training.inference.batcher import Batcher
from flowsteer.training.rollout.trajectory_director import TrajectoryDirector
from training.small import tiny


class Seat:
    """An episode of a few turns whose canvas takes its time."""

    def __init__(self, number, turns=3, delay=0.0, reply="ok node_1 | left 3\n"):
        self.prompt = f"math {'hard ' * number}\n"
        self.seed = number
        self.heard, self.was_full = [], False
        self._turns, self._delay, self._reply = turns, delay, reply

    async def answer(self, text, cut, tokens):
        self.heard.append((text, cut, tokens))
        await asyncio.sleep(self._delay * random.random())
        return self._reply if len(self.heard) < self._turns else None


class Plain:
    """A view that shows what stands there."""

    def opening(self, observation):
        return observation.prompt

    def answer(self, feedback, task):
        return feedback


async def drawn(seats, limits, engine=None):
    """The trajectories of all episodes, played at once; by the tiny policy's own model unless an engine is given."""
    policy = replace(tiny(), view=Plain())
    async with (engine or Batcher(policy)).rows([seat.seed for seat in seats], limits) as rows:
        playing = (_episode(policy, seat, row, limits) for seat, row in zip(seats, rows, strict=True))
        return list(await asyncio.gather(*playing))


async def _episode(policy, seat, row, limits):
    director, history = TrajectoryDirector(policy, row, limits, "policy@0"), []
    while True:
        try:
            turn = await director.act(SimpleNamespace(prompt=seat.prompt, task=None, history=history, asks_prompt=None))
        except NoTurn:
            seat.was_full = True
            break
        cut = director.trajectory.ids[-1] != policy.end
        reply = await seat.answer(turn.text, cut, turn.usage.completion_tokens)
        if reply is None:
            break
        history.append(SimpleNamespace(feedback=reply))
    row.close()
    return director.trajectory
