"""A worker hands every episode in once, however many it is given at a time and however they end."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.evaluation_cases import small
from flowsteer.datasets.simulated_tasks import simulated_sample
from flowsteer.errors import BackendUnavailable, BudgetExceeded, ConfigError
from flowsteer.evaluation.episodes import Job
from flowsteer.evaluation.evaluation_config import setup_of
from flowsteer.evaluation.ray_worker import BATCH, Worker
from flowsteer.evaluation.specs import parse_systems

(DIRECT,) = parse_systems(("direct",))


def job(number, system=DIRECT):
    return Job(system, "simulated:math", simulated_sample("math", "test", 0, number))


async def handed_in(worker, jobs, sizes=()):
    """Give a worker jobs, so many in each round, and the rest in the last; the batches it hands in."""
    batches, jobs, held = [], list(jobs), 0
    for size in (*sizes, len(jobs)):
        held += len(jobs[:size])
        batches.append(await worker.exchange(jobs[:size]))
        held -= len(batches[-1])
        del jobs[:size]
    while held:
        batches.append(await worker.exchange([]))
        held -= len(batches[-1])
    return batches


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 8), max_size=5), each=st.integers(1, 100))
def test_every_episode_is_handed_in_once_in_batches_that_leave_the_worker_at_work(sizes, each):
    jobs = [job(number) for number in range(12)]
    batches = asyncio.run(handed_in(Worker(setup_of(small()), each), jobs, sizes))
    assert sorted(one.episode for batch in batches for one in batch) == sorted(one.id for one in jobs)
    assert all(one.outcome.score is not None and one.events for batch in batches for one in batch)
    assert max(map(len, batches)) <= max(1, min(BATCH, each // 2))
    handed = [one for batch in batches for one in batch]
    assert sum(one.paid.calls for one in handed) == sum(one.outcome.calls for one in handed)


async def test_a_worker_without_work_answers_at_once():
    assert await Worker(setup_of(small()), 4).exchange([]) == []


@dataclass(frozen=True)
class Fails:
    """A system that breaks."""

    error: Exception
    name: str = "fails"

    async def run(self, session, task, emit, episode, seed):
        raise self.error


@pytest.mark.parametrize("error", [BackendUnavailable("gone", "start it"), KeyError("unit")])
async def test_what_breaks_off_is_handed_in_as_lost(error):
    (((one,),)) = await handed_in(Worker(setup_of(small()), 2), [job(0, Fails(error))])
    assert one.outcome.lost is not None


@pytest.mark.parametrize("error", [BudgetExceeded("spent", "raise it"), ConfigError("does not fit", "change it")])
async def test_what_ends_the_run_is_handed_in_as_it_is(error):
    (((one,),)) = await handed_in(Worker(setup_of(small()), 2), [job(0, Fails(error))])
    assert one.outcome is error
