"""The embedded SmolLM2 as Director, held to the grammar."""

from importlib.util import find_spec

import pytest
from director_cases import LIBRARY, TASK

from flowsteer.backends.base import Sampling
from flowsteer.backends.connect import Backends
from flowsteer.backends.models import MODELS
from flowsteer.backends.simulated import SimulatedBackend
from flowsteer.canvas.canvas import Canvas, Settings
from flowsteer.canvas.episode import run_episode
from flowsteer.director.connect import connect_director
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.workflow.rules import Rules

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed"),
    pytest.mark.skipif(not MODELS["smollm2"].path.is_file(), reason="SmolLM2's file is not here"),
]


@pytest.mark.parametrize("two_step", [False, True])
async def test_every_turn_of_a_constrained_model_is_an_accepted_action(two_step: bool) -> None:
    sandbox = MontySandbox(1)
    async with Backends() as backends:
        director = await connect_director("llamacpp:smollm2", backends.get, sampling=Sampling(0.6, 0.95, 20, 256))
        executor = Executor(LIBRARY, SimulatedBackend(), sandbox, Memo(), {})
        rules = Rules(LIBRARY.categories, two_step=two_step)
        canvas = Canvas(TASK, executor, rules, Settings(max_turns=10, execute=False))
        episode = await run_episode(canvas, director)
    await sandbox.aclose()
    assert episode.parsed == episode.accepted == episode.ended.turns
    assert episode.ended.turns == 10 or episode.ended.finished
    assert episode.ended.director_usage.calls == episode.ended.turns
