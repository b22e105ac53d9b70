"""The embedded SmolLM2 as Director, held to the grammar."""

import asyncio
from importlib.util import find_spec

import pytest
from director_cases import LIBRARY, TASK

from flowsteer.backends.base import Sampling
from flowsteer.backends.connect import Backends
from flowsteer.backends.models import MODELS
from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.canvas.canvas import Canvas, Settings
from flowsteer.director.connect import connect_director
from flowsteer.director.layouts import Layout
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.workflow.rules import Rules

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed"),
    pytest.mark.skipif(not MODELS["smollm2"].path.is_file(), reason="SmolLM2's file is not here"),
]


async def test_every_turn_of_a_constrained_model_is_an_accepted_action() -> None:
    async with Backends() as backends:
        await asyncio.gather(
            three_turns(backends, "conversation", two_step=False), three_turns(backends, "rebuilt", two_step=True)
        )


async def three_turns(backends: Backends, layout: Layout, *, two_step: bool) -> None:
    """On a canvas that does not reach its end, so that nothing is executed."""
    director = await connect_director(
        "llamacpp:smollm2?threads=1", backends.get, sampling=Sampling(0.6, 0.95, 20, 256), layout=layout
    )
    executor = Executor(LIBRARY, SimulatedBackend(), MontySandbox(1), Memo(), {})
    rules = Rules(LIBRARY.categories, two_step=two_step)
    canvas = Canvas(TASK, executor, rules, Settings(max_turns=4, feedback="status"))
    for _ in range(3):
        turn = await director.act(canvas.observe())
        step = await canvas.step(turn)
        assert step.parsed, (layout, turn)
        assert step.accepted, (layout, step.feedback)
        assert turn.usage.completion_tokens > 0
