"""What is Monty's own: its gaps, its worker processes, and what it cannot reach."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowsteer.sandbox.base import Call, Program, SandboxLimits
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.sandbox.monty_prelude import spell_for_monty


@pytest.mark.parametrize(
    "code",
    [
        "import heapq",
        "import numpy as np",
        "import sklearn.linear_model",
        "from collections import OrderedDict",
        "import functools\nfunctools.cmp_to_key(None)",
        "import sys\nsys.setrecursionlimit(10000)",
        "class A(int): pass",
        "class E(Exception): pass",
        "def f():\n    yield 1",
        "class A:\n    @property\n    def x(self): return 1",
        "x = 1\ndel x",
        "from math import *",
        "(3).bit_count()",
        "globals()",
        "raise EOFError",
        "input()",
        "import os\nos.environ['HOME']",
        "open('notes.txt', 'w')",
    ],
)
async def test_what_monty_lacks_is_unsupported(monty, code):
    outcome = await monty.run(Program(code))
    assert outcome.status == "unsupported"
    assert outcome.error.startswith("Monty lacks this: ")


@pytest.mark.parametrize(
    "code",
    [
        "import no_such_module",
        "from math import no_such_name",
        "import math\nmath.no_such_name",
        "no_such_name",
        "'text'.no_such_method()",
        "raise NotImplementedError('later')",
        "raise PermissionError('mine')",
        "raise RuntimeError('this is not supported')",
        "raise TimeoutError('mine')",
        "len(3)",
        "[][0]",
        "def f(): return f()\nf()",
    ],
)
async def test_a_programs_own_fault_is_an_error(monty, code):
    assert (await monty.run(Program(code))).status == "error"


async def test_a_gap_met_in_a_call_makes_the_run_unsupported(monty):
    code = "def f(n):\n    import heapq\n    return n"
    outcome = await monty.run(Program(code, calls=(Call("f", (1,)),)))
    assert outcome.status == "unsupported"


async def test_a_gap_that_the_program_handles_is_none(monty):
    code = "try:\n    import numpy\nexcept ImportError:\n    numpy = None"
    assert (await monty.run(Program(code, result="numpy is None"))).value is True


async def test_names_of_the_prelude_cannot_be_turned_against_the_host(monty):
    code = """
def __plain(value): return [value]
def type(value): return 'mine'
class Loud:
    def __str__(self): return [1]
    def __format__(self, spec): return [1]
    def __repr__(self): return [1]
__value = Loud()
x = [[1]]
for _ in range(10000): x = [x]
"""
    outcome = await monty.run(Program(code, result="(x, Loud())"))
    assert (outcome.status, outcome.value) == ("error", None)


async def test_no_file_and_no_variable_of_the_host_can_be_read(monty, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-this-test")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for code in (
        f"x = open({str(secret)!r}).read()",
        f"from pathlib import Path\nx = Path({str(secret)!r}).read_text()",
        "import os\nx = os.getenv('OPENAI_API_KEY')",
        "import os\nx = os.environ",
        "import os\nx = os.listdir('/')",
    ):
        outcome = await monty.run(Program(code, result="x"))
        assert (outcome.status, outcome.value) in (("unsupported", None), ("error", None)), code


async def test_workers_are_few_reused_and_gone_after_closing():
    sandbox = MontySandbox(workers=2)
    assert not workers()
    await asyncio.gather(*(sandbox.run(Program(f"x = {i}")) for i in range(20)))
    first = workers()
    assert 1 <= len(first) <= 2
    await asyncio.gather(*(sandbox.run(Program(f"x = {i}")) for i in range(20)))
    assert workers() == first
    await sandbox.aclose()
    assert not workers()


def workers():
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    pids = {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
    assert children.exists()
    return {pid for pid in pids if "monty" in Path(f"/proc/{pid}/cmdline").read_text()}


async def test_a_killed_worker_is_replaced(monty):
    flood = "while True: print('a' * 1000)"
    for _ in range(3):
        assert (await monty.run(Program(flood), SandboxLimits(seconds=5.0))).status == "output"
    assert (await monty.run(Program("x = 1", result="x"))).value == 1


async def test_descriptors_and_memory_stay_flat_over_many_runs(monty):
    program = Program("def f(n):\n    return list(range(n))", calls=(Call("f", (100,)),))
    await asyncio.gather(*(monty.run(program) for _ in range(50)))
    before = open_descriptors(), resident_mb()
    await asyncio.gather(*(monty.run(program) for _ in range(400)))
    assert open_descriptors() <= before[0] + 2
    assert resident_mb() < before[1] + 20


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def test_a_run_takes_milliseconds(monty):
    program = Program("def f(n):\n    return n + 1", calls=(Call("f", (1,)),))
    await monty.run(program)
    started = time.monotonic()
    for _ in range(50):
        await monty.run(program)
    assert (time.monotonic() - started) / 50 < 0.02


def test_a_process_that_used_monty_exits_cleanly():
    code = """
import asyncio
from flowsteer.sandbox.base import Program
from flowsteer.sandbox.monty import MontySandbox
async def main():
    sandbox = MontySandbox()
    await asyncio.gather(*(sandbox.run(Program('x = 1')) for _ in range(50)))
asyncio.run(main())
"""
    for _ in range(5):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("code", "spelt"),
    [
        ("x = sys.stdin.read()", "x = __stdin.read()"),
        ("a = sys . stdin; b = sys.stdout.write('é')", "a = __stdin; b = __write('é')"),
        ("print('sys.stdin')  # sys.exit", "print('sys.stdin')  # sys.exit"),
        ("my.sys.stdin", "my.sys.stdin"),
        ("sys.stdout.flush()", "sys.stdout.flush()"),
        ("def f(: sys.stdin '''", "def f(: sys.stdin '''"),
    ],
)
def test_spelling_changes_names_and_nothing_else(code, spelt):
    assert spell_for_monty(code) == spelt
