"""What a run may take of the machine: its share of the processors, memory that limits count, and few system calls."""

import asyncio
import errno
import os
import platform
import struct

import pytest

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Program, SandboxLimits
from flowsteer.sandbox.seccomp import ARCHITECTURES, CLONE, CLONE3, REFUSED, SOCKET, seccomp_filter

LIMITS = SandboxLimits(seconds=3.0, memory_mb=256, disk_mb=8)
LIBC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def fails(number, *arguments):
    ctypes.set_errno(0)
    return ctypes.get_errno() if libc.syscall(number, *arguments) == -1 else 0
"""


async def found_by(sandbox, code):
    outcome = await sandbox.run(Program(code, result="found"), LIMITS)
    assert outcome.status == "ok", outcome
    return outcome.value


def spinners(first):
    return Program(f"""
import os
for _ in range(13):
    if os.fork() == 0:
        try:
            {first}
        except OSError:
            pass
        while True: pass
while True: pass
""")


@pytest.mark.parametrize(
    "first",
    ["pass", "os.setsid()", "os.setpgid(0, 0)", "os.sched_setaffinity(0, range(os.cpu_count()))", "os.nice(-5)"],
)
async def test_fourteen_spinners_do_not_fail_the_right_solution_beside_them(bubblewrap, first):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor, and so one run at a time")
    right = Program("import time\nwhile time.process_time() < 0.4: pass")
    spinning = asyncio.ensure_future(bubblewrap.run(spinners(first), SandboxLimits(seconds=60)))
    await asyncio.sleep(0.2)
    # One may be held up by what else the machine does.
    outcomes = [await bubblewrap.run(right, SandboxLimits(seconds=0.7)) for _ in range(3)]
    spinning.cancel()
    assert "ok" in {outcome.status for outcome in outcomes}, outcomes


async def test_a_run_has_one_processor_and_cannot_take_another(bubblewrap):
    code = """
import os
try:
    os.sched_setaffinity(0, range(os.cpu_count()))
except PermissionError:
    pass
if os.fork() == 0:
    os._exit(len(os.sched_getaffinity(0)))
found = [len(os.sched_getaffinity(0)), os.waitstatus_to_exitcode(os.wait()[1])]
"""
    assert await found_by(bubblewrap, code) == [1, 1]


async def test_the_processes_of_a_run_use_its_time_together(bubblewrap):
    outcome = await bubblewrap.run(spinners("pass"), SandboxLimits(seconds=0.5))
    assert outcome.status == "timeout"


SHARED_MEMORY = {
    "memfd": "os.memfd_create('x')",
    "System V shared memory": "libc.shmget(0, 2**20, 0o1777) == -1 and refuse()",
    "System V queue": "libc.msgget(0, 0o1777) == -1 and refuse()",
    "System V semaphores": "libc.semget(0, 1000, 0o1777) == -1 and refuse()",
    "POSIX shared memory": "multiprocessing.shared_memory.SharedMemory(create=True, size=2**20)",
    "POSIX semaphore": "multiprocessing.Semaphore()",
}


@pytest.mark.parametrize("name", SHARED_MEMORY)
async def test_there_is_no_memory_that_no_limit_counts(bubblewrap, name):
    code = f"""{LIBC}
import multiprocessing.shared_memory
def refuse(): raise PermissionError
try:
    {SHARED_MEMORY[name]}
    found = 'made'
except OSError as error:
    found = 'refused'
"""
    assert await found_by(bubblewrap, code) == "refused"


async def test_shared_anonymous_memory_counts(bubblewrap):
    outcome = await bubblewrap.run(Program("import mmap\nx = [mmap.mmap(-1, 2**26) for _ in range(8)]"), LIMITS)
    assert (outcome.status, "Cannot allocate memory" in outcome.error) == ("error", True)


async def test_no_namespace_can_be_made_or_entered(bubblewrap):
    column = ARCHITECTURES[platform.machine()][0]
    flags = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "ipc": 0x8000000}
    code = f"""{LIBC}
found = {{}}
for name, flag in {flags}.items():
    made = libc.unshare(flag) == 0
    child = libc.syscall({CLONE[column]}, flag | 17, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    found[name] = [made, child, fails({CLONE3[column]}, 0, 0)]
"""
    assert await found_by(bubblewrap, code) == {name: [False, -1, errno.ENOSYS] for name in flags}


async def test_every_call_on_the_list_is_refused_and_what_is_newer_is_unknown(bubblewrap):
    column = ARCHITECTURES[platform.machine()][0]
    numbers = [numbers[column] for numbers in REFUSED.values() if numbers[column] is not None]
    found = await found_by(bubblewrap, f"{LIBC}\nfound = [fails(n, 0, 0, 0, 0, 0) for n in {numbers}]")
    assert dict(zip(REFUSED, found, strict=False)) == dict.fromkeys(list(REFUSED)[: len(numbers)], errno.EPERM)
    newer = [463, 600, 0x3FFFFFFF, 0x40000000 + 39]
    assert await found_by(bubblewrap, f"{LIBC}\nfound = [fails(n, 0) for n in {newer}]") == [errno.ENOSYS] * 4


async def test_sockets_are_local_or_ip(bubblewrap):
    code = """
import socket
found = []
for family in range(46):
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
        found.append(family)
    except OSError:
        pass
"""
    assert await found_by(bubblewrap, code) == [1, 2, 10]  # local, IP, IPv6


async def test_threads_processes_and_pipes_work_behind_the_filter(bubblewrap):
    code = """
import concurrent.futures, subprocess, sys
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    found = [*pool.map(abs, [-1, -2])]
found.append(subprocess.run([sys.executable, '-c', 'print(6)'], capture_output=True, text=True).stdout)
"""
    assert await found_by(bubblewrap, code) == [1, 2, "6\n"]


@pytest.mark.parametrize("reads", [True, False])
async def test_a_long_input_may_be_read_or_left(bubblewrap, reads):
    code = "import sys\nfound = len(sys.stdin.read())" if reads else "found = 0"
    outcome = await bubblewrap.run(Program(code, "é" * 2_000_000, "found"), LIMITS)
    assert (outcome.status, outcome.value) == ("ok", 2_000_000 * reads)


def verdict(machine, number, argument=0, architecture=None):
    """What the filter says, by the rules of the kernel's machine."""
    words = {0: number, 4: architecture or ARCHITECTURES[machine][1], 16: argument}
    program = [*struct.iter_unpack("<HBBI", seccomp_filter(machine))]
    at = loaded = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        match code:
            case 0x06:
                return value
            case 0x20:
                loaded = words[value]
            case _:
                holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: loaded & value != 0}[code]
                at += if_true if holds else if_false


def refused(number=errno.EPERM):
    return 0x50000 + number


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_filter_of_each_machine_says_what_its_table_says(machine):
    column, architecture = ARCHITECTURES[machine]
    allowed = 0x7FFF0000
    listed = {numbers[column] for numbers in REFUSED.values()}
    special = {CLONE3[column], CLONE[column], SOCKET[column]}
    for number in range(463):
        if number not in special:
            assert verdict(machine, number) == (refused() if number in listed else allowed)
    assert verdict(machine, CLONE3[column]) == refused(errno.ENOSYS)
    assert verdict(machine, CLONE[column], 17) == allowed
    assert verdict(machine, CLONE[column], 17 | 0x10000000) == refused()
    assert [family for family in range(64) if verdict(machine, SOCKET[column], family) == allowed] == [1, 2, 10]
    assert verdict(machine, 1, architecture=architecture ^ 1) == 0x80000000


def test_a_machine_without_a_filter_is_told_so():
    with pytest.raises(SandboxError, match="riscv64") as caught:
        seccomp_filter("riscv64")
    assert "container" in caught.value.hint
