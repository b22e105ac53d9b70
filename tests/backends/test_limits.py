"""Limits and retries, on a clock that does not wait."""

import asyncio

import pytest

from flowsteer.backends.limits import Limiter, Limits, Transient
from flowsteer.errors import BackendRejected, BackendUnavailable


class Clock:
    """A clock that jumps to the next wake-up once nothing else can run."""

    def __init__(self) -> None:
        self.time = 0.0
        self.naps: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


def limiter(clock: Clock, draw: float = 1.0, **limits: float) -> Limiter:
    return Limiter(Limits(**limits), now=clock.now, sleep=clock.sleep, random=lambda: draw)  # type: ignore[arg-type]


def failing(times: int, retry_after: float | None = None):
    """An attempt that fails so many times, then answers "fine"."""
    left = times

    async def attempt() -> str:
        nonlocal left
        if left:
            left -= 1
            raise Transient(f"500 fault {times - left}", retry_after)
        return "fine"

    return attempt


async def test_passing_faults_are_repeated_with_a_growing_capped_pause():
    clock = Clock()
    reply = await limiter(clock, retries=6, backoff_seconds=1, backoff_cap=5).run(failing(5), name="x")
    assert reply == "fine"
    assert clock.naps == [1, 2, 4, 5, 5]


async def test_the_pause_is_drawn_from_the_whole_range():
    clock = Clock()
    await limiter(clock, draw=0.25, backoff_seconds=1).run(failing(3), name="x")
    assert clock.naps == [0.25, 0.5, 1.0]


async def test_giving_up_tells_the_history_in_one_line():
    clock = Clock()
    with pytest.raises(BackendUnavailable) as error:
        await limiter(clock, retries=2).run(failing(9), name="host (tiny)")
    assert error.value.message == ("host (tiny) did not answer; 3 attempt(s): 500 fault 1; 500 fault 2; 500 fault 3.")
    assert len(clock.naps) == 2


async def test_retry_after_is_kept():
    clock = Clock()
    assert await limiter(clock, draw=0.0, retries=1).run(failing(1, retry_after=7.0), name="x") == "fine"
    assert clock.time == 7.0


async def test_retry_after_holds_back_the_whole_endpoint():
    clock = Clock()
    shared = limiter(clock, retries=0)
    with pytest.raises(BackendUnavailable):
        await shared.run(failing(1, retry_after=7.0), name="x")
    assert clock.time == 0.0
    await shared.run(failing(0), name="y")
    assert clock.naps == [7.0]


async def test_a_wait_beyond_the_deadline_fails_one_and_hangs_nobody():
    clock = Clock()
    shared = limiter(clock, total_seconds=60)
    with pytest.raises(BackendUnavailable):
        await shared.run(failing(1, retry_after=3600), name="x")
    assert await shared.run(failing(0), name="y") == "fine"
    assert clock.time == 0.0


async def test_a_pause_that_would_pass_the_deadline_is_not_begun():
    clock = Clock()
    with pytest.raises(BackendUnavailable, match="1 attempt"):
        await limiter(clock, total_seconds=60).run(failing(1, retry_after=61), name="x")
    assert clock.naps == []


async def test_a_server_that_loads_is_waited_for_apart_from_the_retries_and_the_deadline():
    clock, tried = Clock(), 0

    async def attempt() -> str:
        nonlocal tried
        tried += 1
        if tried < 100:
            raise Transient("503 loading", retry_after=0.1, loading=True)
        return "up"

    limits = limiter(clock, retries=0, total_seconds=1.0, backoff_seconds=0.5, start_seconds=60.0)
    assert await limits.run(attempt, name="x") == "up"
    assert clock.time == pytest.approx(99 * 0.5)
    tried = -10_000
    with pytest.raises(BackendUnavailable, match="x was still not ready after 60 s: 503 loading"):
        await limits.run(attempt, name="x")
    assert clock.time == pytest.approx(99 * 0.5 + 60)


async def test_what_is_final_is_not_repeated():
    tried = 0

    async def attempt() -> None:
        nonlocal tried
        tried += 1
        raise BackendRejected("too long")

    with pytest.raises(BackendRejected):
        await limiter(Clock()).run(attempt, name="x")
    assert tried == 1


async def test_a_slow_attempt_is_timed_out_and_repeated():
    tried = 0

    async def attempt() -> str:
        nonlocal tried
        tried += 1
        if tried == 1:
            await asyncio.Event().wait()
        return "fine"

    assert await Limiter(Limits(call_seconds=0.05, backoff_seconds=0)).run(attempt, name="x") == "fine"
    assert tried == 2


async def test_no_more_than_the_slots_are_in_flight_and_cancelling_frees_one():
    running = most = 0
    release = asyncio.Event()

    async def attempt() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await release.wait()
        finally:
            running -= 1

    shared = Limiter(Limits(concurrency=2))
    tasks = [asyncio.create_task(shared.run(attempt, name="x")) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert running == 2
    tasks[0].cancel()
    tasks[3].cancel()  # one that waits for a slot
    await asyncio.sleep(0.01)
    assert running == 2
    release.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 2
    assert [isinstance(result, asyncio.CancelledError) for result in done] == [True, False, False, True, False]
    await asyncio.wait_for(shared.run(failing(0), name="x"), 1)
