"""A sandbox that serves many programs: nothing of one reaches the next, and no program can end or speak for it."""

import asyncio
import os

import pytest

from flowsteer.sandbox.base import Program, SandboxLimits
from flowsteer.sandbox.pair import Caller
from survivors import alive, descendants

SHORT = SandboxLimits(seconds=3.0, memory_mb=256, processes=8)
CHECK = Caller(("f",), "", "assert f(1) == 2")
RIGHT = Program("def f(x): return x + 1")


async def value_of(sandbox, code, result="found"):
    outcome = await sandbox.run(Program(code, result=result), SHORT)
    assert outcome.status == "ok", outcome
    return outcome.value


def idle(shared, trusted):
    return sum(len(servers) for (_, mine), servers in shared._idle.items() if mine == trusted)


async def test_one_start_serves_many_programs(shared):
    for number in range(3):
        assert await value_of(shared, "import os\nfound = os.getppid()") == 1
        assert (await shared.run_pair(CHECK, RIGHT, SHORT)).calls == 1, number
    assert idle(shared, trusted=False) == idle(shared, trusted=True) == 1


LEFT_BEHIND = """
import os
if os.fork() == 0:
    os.setpgid(0, 0)
    if os.fork() == 0:
        while True:
            for descriptor in range(64):
                try:
                    os.write(descriptor, b'value true\\nend ok ""\\n')
                except OSError:
                    pass
found = 1
"""


async def test_no_process_outlives_its_program(shared):
    assert await value_of(shared, LEFT_BEHIND) == 1
    count = "import os\nfound = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())"
    found = await value_of(shared, count)
    assert found[0] == 1
    assert len(found) == 2  # the server and the program


async def test_nothing_can_be_written_for_the_next(shared):
    code = """
import os
found = []
for folder in ['/', '/proc'] + [e.path for f in ('/', '/dev', '/usr') for e in os.scandir(f) if e.is_dir()]:
    try:
        open(os.path.join(folder, 'planted'), 'w').write('x')
        found.append(folder)
    except OSError:
        pass
"""
    assert await value_of(shared, code) == []


@pytest.mark.parametrize(
    "attack",
    [
        "os.kill(1, signal.SIGKILL)",
        "os.kill(-1, signal.SIGKILL)",
        "os.kill(1, signal.SIGSTOP)",
        "open('/proc/1/mem', 'r+b').write(b'x')",
        "[os.open(f'/proc/1/fd/{n}', os.O_RDWR) for n in os.listdir('/proc/1/fd')]",
        "[os.write(d, b'0') for d in range(3, 64) if os.path.exists(f'/proc/self/fd/{d}')]",
    ],
)
async def test_a_program_cannot_end_or_speak_for_its_server(shared, attack):
    code = f"import os, signal\ntry:\n    {attack}\nexcept OSError:\n    pass\nfound = 1"
    await shared.run(Program(code, result="found"), SHORT)
    for _ in range(3):
        assert await value_of(shared, "found = 2") == 2


async def test_a_program_that_does_not_end_well_leaves_a_new_sandbox_to_the_next(shared):
    first = await value_of(shared, "import os\nfound = os.stat('/proc/1').st_ctime_ns")
    for code in ("while True: pass", "1 / 0", "import os\nos._exit(3)"):
        await shared.run(Program(code), SandboxLimits(seconds=0.5))
        assert not idle(shared, trusted=False)
        assert await value_of(shared, "import os\nfound = os.stat('/proc/1').st_ctime_ns") != first


async def test_a_callee_that_passes_ends_with_its_caller(shared):
    start = "threading.Thread(target=time.sleep, args=(60,)).start()"
    lingering = Program(f"import threading, time\ndef f(x):\n    {start}\n    return x + 1")
    outcome = await asyncio.wait_for(shared.run_pair(CHECK, lingering, SHORT), 5)
    assert outcome.status == "ok"
    assert (await shared.run_pair(CHECK, RIGHT, SHORT)).status == "ok"


async def test_nothing_is_left_after_closing_or_cancelling(shared):
    others = {*descendants(os.getpid())}  # such as what Python keeps to start processes from, where other tests ran
    running = [asyncio.create_task(shared.run(Program("while True: pass"))) for _ in range(3)]
    await asyncio.sleep(0.3)
    begun = descendants(os.getpid())
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert await value_of(shared, "found = 3") == 3
    begun += descendants(os.getpid())
    await shared.aclose()
    assert begun
    assert not alive({*begun} - others)
