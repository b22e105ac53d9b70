"""A tiny policy and an arena on the simulated executor, small enough for tests."""

from contextlib import asynccontextmanager
from functools import cache

from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.canvas.canvas import Settings
from flowsteer.datasets.simulated_tasks import simulated_sample
from flowsteer.environments.arena import Arena
from flowsteer.grading.base import Grade
from flowsteer.reward.settings import RewardSettings
from flowsteer.session import Setup, open_session
from flowsteer.training.policy.policy import make_tiny

CORPUS = (
    "<action>add</action><operator>AnswerGenerate</operator><end>ok node_1 pass | needs Test left 8\n",
    "<action>add</action><structure>loop</structure><operators>Review -> Revise</operators><count>3</count><end>",
)

SHORT = """
[data]
datasets = ["simulated:math", "simulated:qa"]
tasks = 10
test_tasks = 2
[canvas]
max_turns = 2
min_steps = 1
needs = []
needs_structure = false
[warmup]
episodes = 8
batch = 4
[sampler]
turn_tokens = 8
episode_tokens = 128
[update]
steps = 1
groups = 1
group = 2
save_every = 0
threads = 1
"""
"""A training run of seconds, as a file."""


@cache
def tiny():
    """An untrained policy; tests that change its weights make one of their own."""
    import torch

    torch.set_num_threads(1)
    return make_tiny(CORPUS)


def samples(count, split="train"):
    """Tasks of the simulated world, the types in turn."""
    return [simulated_sample(("math", "qa", "code")[n % 3], split, 0, n // 3) for n in range(count)]


async def by_truth(sample, answer):
    """A grade that needs no sandbox: right if the answer is the truth."""
    gold = sample.reference.gold
    return Grade(float(answer == gold))


@asynccontextmanager
async def arena(max_turns=5, rewards=None, extra=None, executor="simulated:typed", grade=by_truth):
    """An arena in which every workflow may be finished."""
    async with open_session(Setup(director="", executor=executor), extra) as session:
        canvas = Settings(
            max_turns=max_turns, max_rejected=3, min_steps=1, max_steps=8, needs=(), needs_structure=False
        )
        yield Arena(session, grade, canvas, rewards or RewardSettings())


class Counting(SimulatedBackend):
    """A simulated executor that counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = []

    async def complete(self, request):
        self.calls.append(request.origin.operator)
        return await super().complete(request)


@cache
def warmed_up():
    """A policy after a short cold start, with the dialogues it learned from and the loss of each update."""
    import asyncio

    from flowsteer.training.data import Schedule
    from flowsteer.training.policy.view import CompactView
    from flowsteer.training.sft.coldstart import learn, play_scripts, to_trajectory
    from flowsteer.training.sft.settings import WarmupSettings

    async def played():
        async with arena(max_turns=4) as place:
            return await play_scripts(place, CompactView(), Schedule(samples(9), 0), 160, 0)

    dialogues, losses = asyncio.run(played()), []
    policy = make_tiny((dialogue.text for dialogue in dialogues), seed=1)
    buffers = [to_trajectory(dialogue, policy) for dialogue in dialogues]
    learn(
        policy,
        buffers,
        WarmupSettings(epochs=4, batch=8, learning_rate=4e-3),
        0,
        lambda update, updates, loss: losses.append(loss),
    )
    return policy, dialogues, losses
