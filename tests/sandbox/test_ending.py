"""When a run ends, and that nothing of it is left: under cancels at any moment, and on a busy machine."""

import asyncio
import contextlib
import os
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flowsteer.sandbox.base import Program, SandboxLimits
from flowsteer.sandbox.bubblewrap import BubblewrapSandbox, this_interpreter
from flowsteer.sandbox.clock import PATIENCE, RunClock
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.sandbox.pair import Caller
from survivors import survivors_of_a_kill

ENDLESS = Program("while True: pass")
ENDLESS_PAIR = Caller(("f",), "", "f()"), Program("def f():\n    while True: pass")


def running(marker):
    """The processes that have this text in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [path] if marker in path.read_text() else []
    return found


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


async def cancel_within_30_ms(sandbox, times):
    seed = random.Random(7)
    for count in range(times):
        run = sandbox.run_pair(*ENDLESS_PAIR) if count % 2 else sandbox.run(ENDLESS)
        task = asyncio.ensure_future(run)
        await asyncio.sleep(seed.uniform(0, 0.03))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


async def test_no_process_is_left_by_200_cancels_within_30_ms_of_the_start(bubblewrap, tmp_path):
    marked = tmp_path / "marked"
    marked.mkdir()
    interpreter = replace(this_interpreter(), packages=(marked,))  # what every sandbox's command line names
    await cancel_within_30_ms(BubblewrapSandbox(interpreter), 200)
    assert not running(str(marked))


async def test_a_second_cancel_does_not_stop_the_first_ones_clearing_up(bubblewrap, tmp_path):
    marked = tmp_path / "marked"
    marked.mkdir()
    sandbox = BubblewrapSandbox(replace(this_interpreter(), packages=(marked,)))
    for milliseconds in (0, 1, 2, 4, 8, 16):
        task = asyncio.ensure_future(sandbox.run_pair(*ENDLESS_PAIR))
        await asyncio.sleep(milliseconds / 1000)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
    if clearing := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(clearing, timeout=5)
    assert not running(str(marked))


async def test_no_monty_worker_outlives_its_pool_whatever_was_cancelled():
    others = children()  # such as the tracker that Python leaves behind spawned processes, where other tests ran before
    sandbox = MontySandbox()
    await cancel_within_30_ms(sandbox, 40)
    await sandbox.aclose()
    assert children() == others


@contextlib.asynccontextmanager
async def busy_machine(each):
    """So many spinning processes on every processor, each in a session of its own."""
    command = (sys.executable, "-c", "while True: pass")
    spinners = [
        await asyncio.create_subprocess_exec(*command, start_new_session=True)
        for _ in range(each * len(os.sched_getaffinity(0)))
    ]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            await spinner.wait()


async def test_time_spent_waiting_for_a_processor_does_not_count(bubblewrap):
    limits = SandboxLimits(seconds=0.6)
    works = Program("import time\nwhile time.process_time() < 0.2: pass")
    async with busy_machine(2):
        # By wall time each is late. One may be held up by what no kernel counts, such as a slow disk.
        outcomes = [await bubblewrap.run(works, limits) for _ in range(3)]
        assert "ok" in {outcome.status for outcome in outcomes}, outcomes
        sleeps = await bubblewrap.run(Program("import time\ntime.sleep(60)"), limits)
        assert (sleeps.status, sleeps.seconds < 3.0) == ("timeout", True)
        outcome = await bubblewrap.run(ENDLESS, limits)
        assert (outcome.status, outcome.seconds < 0.6 * PATIENCE + 1) == ("timeout", True)


async def test_the_time_in_which_a_process_ended_does_not_count():
    process = await asyncio.create_subprocess_exec("sleep", "60")
    clock = RunClock([process.pid])
    assert 0.4 < clock.time_had(0.5) <= 0.5
    process.kill()
    await process.wait()
    assert clock.time_had(1.5) <= 0.5  # how long it waited in this second before it ended is not known
    assert clock.time_had(2.5) == pytest.approx(1.5, abs=0.1)


async def test_the_time_in_which_a_hypervisor_lent_the_processor_to_another_machine_does_not_count(
    tmp_path, monkeypatch
):
    counts = tmp_path / "stat"
    monkeypatch.setattr("flowsteer.sandbox.clock.PROCESSORS", counts)
    process = await asyncio.create_subprocess_exec("sleep", "60")
    (processor, *_) = os.sched_getaffinity(0)
    os.sched_setaffinity(process.pid, {processor})
    ticks = os.sysconf("SC_CLK_TCK")
    lines = "cpu  1 2 3 4 5 6 7 {all} 9 0\ncpu{number} 1 2 3 4 5 6 7 {lent} 9 0\nintr 1\n"
    counts.write_text(lines.format(number=processor, all=900 * ticks, lent=700 * ticks))
    clock = RunClock([process.pid])
    assert 0.9 < clock.time_had(1.0) <= 1.0
    counts.write_text(lines.format(number=processor, all=990 * ticks, lent=700 * ticks + ticks // 2))
    assert 0.4 < clock.time_had(1.0) <= 0.5
    process.kill()
    await process.wait()


async def test_a_process_that_ended_before_it_was_looked_at_has_had_no_time():
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    assert RunClock([process.pid]).time_had(0.5) == 0


ENDLESS_HOST = """
import asyncio
from flowsteer.sandbox.base import Program, SandboxLimits
from flowsteer.sandbox.bubblewrap import BubblewrapSandbox
asyncio.run(BubblewrapSandbox().run(Program("while True: pass"), SandboxLimits(seconds=60)))
"""


async def test_what_runs_ends_with_a_host_that_is_killed():
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    assert await survivors_of_a_kill(ENDLESS_HOST, ready=3) == []
