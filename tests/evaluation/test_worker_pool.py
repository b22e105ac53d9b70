"""Workers that come late, die, or never come: no episode is lost, none is written down twice."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowsteer.errors import BackendUnavailable, BudgetExceeded, RunWriteError
from flowsteer.evaluation import worker_pool
from flowsteer.evaluation.ray_worker import Finished
from flowsteer.evaluation.worker_pool import TRIES, WorkerPool
from flowsteer.runs.summary import EpisodeSummary

EACH = 3


class Firm:
    """Starts workers: each dies after so many rounds, in round 0 before it is there; those after them live on."""

    def __init__(self, lives=(), batch=2):
        self.lives, self.batch, self.dead, self.hired = list(lives), batch, 0, 0

    @asynccontextmanager
    async def start(self):
        self.hired += 1
        left, held = self.lives.pop(0) if self.lives else 10**6, []

        async def exchange(jobs):
            nonlocal left
            held.extend(jobs)
            assert len(held) <= EACH
            await asyncio.sleep(0)
            left -= 1
            if left <= 0:
                self.dead += 1
                raise ConnectionError("it is dead")
            batch = [Finished(job.id, summary(job.id), []) for job in held[: self.batch]]
            del held[: self.batch]
            return batch

        if left == 0:
            await exchange([])
        yield exchange


def summary(episode):
    return EpisodeSummary(system="direct", dataset="d", type="qa", task=episode)


def work(firm, jobs, commit=lambda batch: None, again=True, most=2):
    """Have jobs done; how each ended."""

    async def whole():
        async with WorkerPool(firm.start, most, EACH, commit, again) as pool:
            return await asyncio.gather(
                *(pool.run(SimpleNamespace(id=str(number))) for number in range(jobs)), return_exceptions=True
            )

    return asyncio.run(whole())


@given(
    lives=st.lists(st.integers(0, 4), max_size=8),
    jobs=st.integers(1, 30),
    batch=st.integers(1, EACH),
    again=st.booleans(),
    most=st.integers(1, 4),
)
@example(lives=[0, 0, 0, 0, 0, 0], jobs=5, batch=1, again=True, most=2)
@example(lives=[2, 2], jobs=9, batch=2, again=False, most=2)
def test_whoever_dies_every_episode_ends_and_is_written_down_once(lives, jobs, batch, again, most):
    firm, written = Firm(lives, batch), []
    ended = work(firm, jobs, lambda batch: written.extend(one.episode for one in batch), again, most)
    done = [one.task for one in ended if isinstance(one, EpisodeSummary)]
    assert sorted(written) == sorted(done)
    assert len(set(done)) == len(done)
    assert all(isinstance(one, EpisodeSummary | BackendUnavailable) for one in ended)
    if firm.dead < (TRIES if again else min(TRIES, most)):
        assert len(done) == jobs


@pytest.mark.parametrize(("jobs", "workers"), [(1, 1), (EACH, 1), (EACH + 1, 2), (50, 4)])
def test_no_more_workers_are_asked_for_than_there_is_work_for(jobs, workers):
    firm = Firm()
    work(firm, jobs, most=4)
    assert firm.hired == workers


@pytest.mark.parametrize(("again", "left"), [(True, 1), (False, 3)])
async def test_workers_without_work_and_those_that_never_came_are_let_go_at_the_end(again, left):
    """Under a budget only those that never came: the others have a share of it."""
    there, asked, over = set(), [], asyncio.Event()

    @asynccontextmanager
    async def start():
        number = len(asked)
        asked.append(number)
        there.add(number)

        async def exchange(jobs):
            if any(job.id == "long" for job in jobs):
                await over.wait()
            return [Finished(job.id, summary(job.id), []) for job in jobs]

        try:
            if number == 3:
                await asyncio.Event().wait()
            yield exchange
        finally:
            there.discard(number)

    async with WorkerPool(start, 4, 1, lambda batch: None, again) as pool:
        runs = [asyncio.create_task(pool.run(SimpleNamespace(id=name))) for name in ("long", *"abcdefgh")]
        await asyncio.wait(runs[1:])
        await asyncio.sleep(0.01)
        assert (len(asked), len(there)) == (4, left)
        over.set()
        await asyncio.gather(*runs)


def test_what_cannot_be_written_down_is_told_where_the_episode_was_asked_for():
    def full(batch):
        raise RunWriteError("the disk is full")

    assert {type(one) for one in work(Firm(), 4, full)} == {RunWriteError}


async def test_a_wait_for_workers_ends_and_one_that_comes_later_is_used(monkeypatch):
    monkeypatch.setattr(worker_pool, "PATIENCE_SECONDS", 0.01)
    firm, room = Firm(), asyncio.Event()

    @asynccontextmanager
    async def start():
        await room.wait()
        async with firm.start() as exchange:
            yield exchange

    async with WorkerPool(start, 1, EACH, lambda batch: None) as pool:
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="no Ray worker is there"):
                await pool.run(SimpleNamespace(id="early"))
        room.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await pool.run(SimpleNamespace(id="late"))).task == "late"


def test_once_a_budget_is_spent_nothing_that_waits_is_begun():
    asked = []

    @asynccontextmanager
    async def start():
        async def exchange(jobs):
            asked.extend(job.id for job in jobs)
            await asyncio.sleep(0)
            return [Finished(job.id, BudgetExceeded("spent"), []) for job in jobs]

        yield exchange

    ended = work(SimpleNamespace(start=start), jobs=20, again=False)
    assert all(isinstance(one, BudgetExceeded) for one in ended)
    assert len(asked) <= 2 * EACH
