"""What every tier does alike, whatever runs the program."""

import asyncio
import math

import pytest

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Call, Program, Return, SandboxLimits
from flowsteer.sandbox.protocol import ERROR_CHARS

SHORT = SandboxLimits(seconds=1.0, memory_mb=128, output_bytes=4096)


async def test_plain_values_cross_with_their_types(sandbox):
    code = "value = [None, True, 7, -(2**80), 1.5, 'é\"\\n', (1,), {2}, frozenset([3]), {(4, 'k'): [[]]}]"
    outcome = await sandbox.run(Program(code, result="value"))
    expected = [None, True, 7, -(2**80), 1.5, 'é"\n', (1,), {2}, frozenset([3]), {(4, "k"): [[]]}]
    assert (outcome.status, outcome.value) == ("ok", expected)
    assert [type(item) for item in outcome.value] == [type(item) for item in expected]


async def test_floats_without_a_decimal_form_cross(sandbox):
    outcome = await sandbox.run(Program("x = float('inf')", result="(x, -x, x - x, 1e300, 0.1)"))
    infinite, negative, nan, *rest = outcome.value
    assert (infinite, negative, rest) == (math.inf, -math.inf, [1e300, 0.1])
    assert math.isnan(nan)


async def test_a_value_that_is_not_plain_is_an_error(sandbox):
    outcome = await sandbox.run(Program("class Point: pass", result="[Point()]"))
    assert (outcome.status, outcome.value) == ("error", None)
    assert "Point cannot cross" in outcome.error


async def test_standard_input_reaches_the_program_by_every_common_way(sandbox):
    code = """
import sys
first = input('> ')
read = sys.stdin.readline
second = read()
rest = [line for line in sys.stdin]
sys.stdout.write('done\\n')
sys.exit(0)
"""
    outcome = await sandbox.run(Program(code, "a\nb\nc\nd", "(first, second, rest)"))
    assert (outcome.status, outcome.stdout) == ("ok", "> done\n")
    assert outcome.value == ("a", "b\n", ["c\n", "d"])


async def test_calls_each_return_or_raise_in_one_run(sandbox):
    code = "seen = []\ndef f(x, y=1):\n    seen.append(x)\n    return (x / y, len(seen))"
    calls = (Call("f", (4, 2)), Call("f", (1, 0)), Call("g"), Call("f", ([1],)), Call("f", (9,)), Call("lambda: seen"))
    outcome = await sandbox.run(Program(code, calls=calls))
    assert outcome.status == "ok"
    assert outcome.returns[0] == Return((2.0, 1))
    assert outcome.returns[1].error == "ZeroDivisionError: division by zero"
    assert outcome.returns[2].error == "NameError: name 'g' is not defined"
    assert outcome.returns[3].error.startswith("TypeError: ")
    assert outcome.returns[4] == Return((9.0, 4))
    assert outcome.returns[5] == Return([4, 1, [1], 9])


async def test_calls_made_before_a_limit_keep_their_returns(sandbox):
    code = "def f(n):\n    while n: pass\n    return n"
    outcome = await sandbox.run(Program(code, calls=(Call("f", (0,)), Call("f", (1,)), Call("f", (0,)))), SHORT)
    assert (outcome.status, outcome.returns) == ("timeout", (Return(0),))


async def test_an_argument_that_is_not_plain_is_the_callers_mistake(sandbox):
    with pytest.raises(SandboxError, match="no plain value"):
        await sandbox.run(Program("def f(x): return x", calls=(Call("f", (object(),)),)))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("print('before')\n1 / 0", "ZeroDivisionError: division by zero"),
        ("print('before')\nraise ValueError('no')", "ValueError: no"),
        ("print('before')\nassert False", "AssertionError"),
        ("print('before')\nimport sys\nsys.exit(3)", "SystemExit: 3"),
        ("print('before')\nimport no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("print('before')\nraise NotImplementedError('mine')", "NotImplementedError: mine"),
    ],
)
async def test_a_programs_own_error_is_reported_with_what_it_printed(sandbox, code, error):
    outcome = await sandbox.run(Program(code))
    assert (outcome.status, outcome.stdout, outcome.error) == ("error", "before\n", error)


async def test_an_error_is_told_in_a_bounded_text_whatever_it_quotes(sandbox):
    code = "def f(): return {}['k' * 100_000]"
    loaded = await sandbox.run(Program(code, result="f()"))
    called = await sandbox.run(Program(code, calls=(Call("f"),)))
    assert (loaded.status, called.status) == ("error", "ok")
    for error in (loaded.error, called.returns[0].error):
        assert error.startswith("KeyError: ")
        assert len(error) <= ERROR_CHARS


async def test_code_that_does_not_parse_is_an_error(sandbox):
    outcome = await sandbox.run(Program("def f(:\n"))
    assert outcome.status == "error"
    assert outcome.error.startswith("SyntaxError: ")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("print('before', flush=True)\nwhile True: pass", "timeout"),
        ("print('before', flush=True)\nimport time\ntime.sleep(60)", "timeout"),
        ("print('before', flush=True)\nx = []\nwhile True: x.append('a' * 1000000)", "memory"),
        ("print('before', flush=True)\nx = 'a' * 10**10", "memory"),
        ("print('before', flush=True)\nwhile True: print('a' * 100)", "output"),
        ("print('before', flush=True)\nprint('a' * 50_000_000)", "output"),
    ],
)
async def test_each_limit_ends_the_run_and_keeps_the_output_before(sandbox, code, status):
    outcome = await sandbox.run(Program(code), SHORT)
    assert outcome.status == status
    assert outcome.error
    assert outcome.stdout.startswith("before\n")
    assert len(outcome.stdout.encode()) <= SHORT.output_bytes
    assert outcome.seconds < 6.0  # on a busy machine up to five times the limit


async def test_a_huge_value_is_refused(sandbox):
    assert (await sandbox.run(Program("x = 'a' * 9_000_000", result="x"))).status == "output"


async def test_a_value_made_to_be_slow_to_read_is_refused(sandbox):
    outcome = await sandbox.run(Program("x = [{i * (2**61 - 1) for i in range(3000)}]", result="x"))
    assert (outcome.status, outcome.value) == ("error", None)


async def test_a_value_nested_too_deeply_is_refused(sandbox):
    outcome = await sandbox.run(Program("x = []\nfor i in range(50_000): x = [x]", result="x"))
    assert (outcome.status, outcome.value) == ("error", None)


async def test_nothing_leaks_from_one_run_to_the_next(sandbox):
    await sandbox.run(Program("leak = 1\nimport math\ntry:\n    math.pi = 3\nexcept Exception:\n    pass"))
    outcome = await sandbox.run(Program("import math", result="math.pi"))
    assert outcome.value == math.pi
    assert (await sandbox.run(Program("leak"))).error == "NameError: name 'leak' is not defined"


async def test_concurrent_runs_keep_apart(sandbox):
    programs = [Program(f"x = int(input())\nprint(x)\ny = x * {i}", str(i), "y") for i in range(24)]
    outcomes = await asyncio.gather(*map(sandbox.run, programs))
    assert [(o.status, o.stdout, o.value) for o in outcomes] == [("ok", f"{i}\n", i * i) for i in range(24)]


async def test_cancelling_ends_the_run_at_once_and_leaves_the_sandbox_usable(sandbox):
    await sandbox.run(Program("x = 1"))
    running = [asyncio.create_task(sandbox.run(Program("while True: pass"))) for _ in range(4)]
    await asyncio.sleep(0.3)
    for task in running:
        task.cancel()
    ended = await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 2.0)
    assert all(isinstance(result, asyncio.CancelledError) for result in ended)
    assert (await asyncio.wait_for(sandbox.run(Program("x = 2", result="x")), 2.0)).value == 2
