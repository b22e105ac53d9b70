"""What is left of a program's processes once the program was killed outright."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path


def descendants(pid):
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has just ended
            for child in children.read_text().split():
                found += [int(child), *descendants(child)]
    return found


def alive(pids):
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            found += [pid] if state not in "ZX" else []
    return found


async def survivors_of_a_kill(script, ready):
    """Run a script, kill it once it has this many busy descendants, and give those that still run a second later."""
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    pids = []
    try:
        async with asyncio.timeout(60):
            while len(pids) < ready or not any(map(busy, pids)):
                await asyncio.sleep(0.05)
                pids = descendants(host.pid)
    finally:
        host.send_signal(signal.SIGKILL)
        await host.wait()
    for _ in range(20):
        if not alive(pids):
            break
        await asyncio.sleep(0.05)
    left = alive(pids)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def busy(pid):
    """Whether a process has computed for a while."""
    with contextlib.suppress(OSError):
        used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
        return int(used) > 50  # hundredths of a second
    return False
