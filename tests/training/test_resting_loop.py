"""While a training run's event loop rests, no limit of time comes nearer."""

import asyncio
from asyncio import Runner
from time import sleep

import pytest

pytest.importorskip("torch", reason="needs the extra: pip install 'flowsteer[train]'")

from flowsteer.training.resting_loop import RestingLoop


async def answered(seconds, limit):
    async with asyncio.timeout(limit):
        await asyncio.sleep(seconds)
    return "answered"


async def turned():
    await asyncio.sleep(0.01)


async def waited(task):
    return await task


def test_a_limit_counts_only_the_time_in_which_the_loop_turned():
    with Runner(loop_factory=RestingLoop) as run:
        task = run.get_loop().create_task(answered(0.05, limit=0.3))
        for _ in range(3):
            run.run(turned())
            sleep(0.3)
        assert run.run(waited(task)) == "answered"


def test_a_limit_that_is_passed_while_it_turns_is_one():
    with Runner(loop_factory=RestingLoop) as run, pytest.raises(TimeoutError):
        run.run(answered(5, limit=0.05))


def test_programs_can_be_started_on_it():
    async def said():
        program = await asyncio.create_subprocess_exec("echo", "well", stdout=asyncio.subprocess.PIPE)
        return (await program.communicate())[0]

    with Runner(loop_factory=RestingLoop) as run:
        assert run.run(said()) == b"well\n"
