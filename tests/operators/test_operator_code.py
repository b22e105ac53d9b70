"""Code inside replies, and public tests run on it in the real sandbox."""

import shutil
import textwrap

import pytest

from flowsteer.answers.code import canonical, complete_code, extract_code
from flowsteer.answers.code_blocks import syntax_error
from flowsteer.errors import OperatorError
from flowsteer.operators.public_tests import run_tests
from flowsteer.sandbox.base import Outcome
from flowsteer.sandbox.connect import connect_sandbox
from flowsteer.sandbox.pair import PairOutcome
from flowsteer.task import AssertTests, CallTests, StdioTests, Task

ADD = "def add(a, b):\n    return a + b"
COMPLETE = Task(
    "Complete it.",
    "code",
    entry_point="area",
    prompt_code='import math\n\ndef half(x):\n    return x / 2\n\ndef area(d):\n    """Area of a circle."""\n',
)


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{ADD}\n```",
        f"Sure.\n```py\n{ADD}\n```\nCall it so:\n```python\nprint(add(1, 2))\n# more text than the code\n```",
        f"```\n{ADD}\n```",
        f"```python\n{ADD}",
        f"1. Here:\n   ```python\n{textwrap.indent(ADD, '   ')}\n   ```",
        f"<think>```python\nx = 1\n```</think>\n{ADD}\n",
        f"```bash\npip install adding-things-of-every-kind-you-can-think-of\n```\n```python\n{ADD}\n```",
    ],
)
def test_code_is_found(text):
    assert extract_code(text, "add") == ADD


@pytest.mark.parametrize("text", ["", "42", "Paris", "No code here, sorry.", "```json\n{}\n```", "yes: 1"])
def test_prose_and_lone_values_are_no_code(text):
    assert extract_code(text) == ""


@pytest.mark.parametrize(
    "completion",
    [
        "return math.pi * half(d) ** 2",
        "    return math.pi * half(d) ** 2",
        "def area(d):\n    return math.pi * half(d) ** 2",
        COMPLETE.prompt_code + "    return math.pi * half(d) ** 2",
        "    if d < 0:\n        return 0\n    r = half(d)\n    return math.pi * r ** 2",
    ],
)
async def test_a_completion_becomes_a_whole_module(completion, sandbox):
    code = complete_code(extract_code(f"```python\n{completion}\n```", "area"), COMPLETE)
    assert syntax_error(code) == ""
    assert (await run_tests(code, AssertTests("assert round(area(2), 2) == 3.14"), sandbox)).ok


def test_a_function_by_another_name_is_not_hidden_inside_the_asked_one():
    wrong = "def surface(d):\n    return 3"
    assert complete_code(wrong, COMPLETE) == wrong


def test_programs_that_differ_in_layout_are_one():
    assert canonical("def f( x ):\n  return x # one") == canonical("def f(x):\n    return x")
    assert canonical("not code (") == "not code ("
    deep = "x = " + "1 + " * 3000 + "1"
    assert canonical(deep) == deep


async def test_each_failing_assert_is_reported_with_what_was_got(sandbox):
    tests = AssertTests("offset = 1\nassert add(1, 1) == 2\nassert add(1, 2) == 4\nassert add(offset, 1) > 5")
    report = await run_tests(ADD, tests, sandbox)
    assert (report.total, report.passed, report.ok) == (3, 1, False)
    assert report.failures[0] == "assert add(1, 2) == 4: got 3"
    assert report.failures[1].startswith("assert add(offset, 1) > 5: AssertionError")


async def test_an_exception_is_reported_by_name(sandbox):
    report = await run_tests("def add(a, b):\n    return a / 0", AssertTests("assert add(1, 2) == 3"), sandbox)
    assert "ZeroDivisionError" in report.failures[0]


@pytest.mark.parametrize(
    "cheat",
    [
        "print('PASS: all tests passed')\ndef add(a, b):\n    return 0",
        "import sys\nprint('1 passed')\nsys.exit(0)",
        "raise SystemExit",
        "quit()",
    ],
)
async def test_words_and_early_exits_pass_no_test(cheat, sandbox):
    assert not (await run_tests(cheat, AssertTests("assert add(1, 2) == 3"), sandbox)).ok


@pytest.fixture(params=["monty", "bubblewrap"])
async def tier(request):
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    made = connect_sandbox(request.param)
    yield made
    await made.aclose()


EQUAL_TO_ALL = """
class A:
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __sub__(self, other): return self
    def __abs__(self): return self
def f(x): return A()
"""
ENDED_AS_IF_DONE = """
import sys
for name in sys._getframe().f_code.co_names:
    if name.startswith("_reached_"): globals()[name] = True
raise SystemExit
"""
SAID_BY_ITSELF = """
import os
def f(x):
    for fd in range(3, 12):
        try: os.write(fd, b'value true\\nend ok ""\\n')
        except OSError: pass
    os._exit(0)
"""
BUILT_IN_BY_ANOTHER = """
import math
def abs(x): return 0
def f(x): return 7
math.isclose = lambda *args, **named: True
"""


@pytest.mark.parametrize("cheat", [EQUAL_TO_ALL, ENDED_AS_IF_DONE, SAID_BY_ITSELF, BUILT_IN_BY_ANOTHER])
@pytest.mark.parametrize(
    "tests",
    [
        "assert f(2) == 4",
        "assert f(2) == 4\nassert f(3) == 9",
        "assert abs(f(2) - 4) < 1e-6",
        "import math\nassert math.isclose(f(2), 4)",
    ],
)
async def test_a_program_cannot_say_for_itself_that_it_passes(cheat, tests, tier):
    try:
        assert (await run_tests(cheat, AssertTests(tests), tier, "f")).passed == 0
    except OperatorError as failure:
        assert failure.kind == "sandbox_unsupported"  # noqa: PT017  # it may say that, too


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        ("def f(x): return {1: [x], 'a': (x, {x})}", "assert f(2) == {1: [2], 'a': (2, {2})}\nassert f(3) != f(2)"),
        ("def f(items): items.sort()", "items = [3, 1]\nf(items)\nassert items == [1, 3]\nassert f(items) is None"),
        ("import math\ndef f(x): return x / 3", "assert math.isclose(f(1), 0.333, rel_tol=0.01)"),
        ("def sum(items): return len(items)", "assert sum([5, 5]) == 2"),
        ("count = 0\ndef f():\n    global count\n    count += 1\n    return count", "assert f() == 1\nassert f() == 1"),
    ],
)
async def test_an_honest_program_passes_whatever_crosses(code, tests, tier):
    report = await run_tests(code, AssertTests(tests), tier, "sum")
    assert (report.ok, report.failures) == (True, ())


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        ("LIMITS = [1, 2]", "assert LIMITS[1] == 2"),
        ("def f(g, x): return g(g(x))", "def twice(x): return 2 * x\nassert f(twice, 3) == 12"),
        ("def f(n):\n    for i in range(n): yield i", "assert list(f(3)) == [0, 1, 2]"),
        ("class Stack:\n    def push(self, x): self.top = x", "s = Stack()\ns.push(3)\nassert s.top == 3"),
        ("class Point:\n    zero = 0", "assert Point.zero == 0"),
    ],
)
async def test_what_does_not_cross_in_monty_goes_to_full_python_and_is_never_a_failed_test(code, tests, sandbox):
    with pytest.raises(OperatorError) as failure:
        await run_tests(code, AssertTests(tests), sandbox)
    assert failure.value.kind == "sandbox_unsupported"
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    both = connect_sandbox("auto")
    report = await run_tests(code, AssertTests(tests), both)
    await both.aclose()
    assert (report.ok, report.failures) == (True, ())


@pytest.mark.parametrize("code", [f"{ADD}\nraise SystemExit", f"{ADD}\nimport sys\nsys.exit(0)"])
async def test_a_program_that_leaves_fails_and_says_so(code, tier):
    report = await run_tests(code, AssertTests("assert add(1, 2) == 3"), tier)
    assert report.failures == ("assert add(1, 2) == 3: the program ended before it was done",)


async def test_stdio_tests_compare_tokens(sandbox):
    tests = StdioTests(("1 2\n", "3 4\n"), ("3\n", "8"))
    report = await run_tests("a, b = map(int, input().split())\nprint(a + b, end=' \\n')", tests, sandbox)
    assert (report.total, report.passed) == (2, 1)
    assert report.failures == ("input 3 4, expected output 8: printed 7",)


@pytest.mark.parametrize("code", [ADD, "class Solution:\n    def add(self, a, b):\n        return a + b"])
async def test_call_tests_call_a_function_or_a_method_of_solution(code, sandbox):
    report = await run_tests(code, CallTests("add", ("[1, 2]", "[1, 2]"), ("3", "4")), sandbox)
    assert (report.total, report.passed) == (2, 1)
    assert report.failures[0].endswith("add(1, 2), expected 4: got 3")


async def test_a_returned_tuple_equals_the_json_list(sandbox):
    code = "def pair(a):\n    return (a, [a, None])"
    assert (await run_tests(code, CallTests("pair", ("[1]",), ("[1, [1, null]]",)), sandbox)).ok


@pytest.mark.parametrize("returned", ["10**5000", "{10**5000: 1}", "{(10**5000,): 1}"])
async def test_a_returned_integer_without_a_text_is_no_pass(returned, sandbox):
    found = await run_tests(f"def power(n):\n    return {returned}", CallTests("power", ("[1]",), ("3",)), sandbox)
    assert found.failures == ("power(1), expected 3: got an integer too long to be written",)


@pytest.mark.parametrize(
    ("tests", "kind"),
    [
        (AssertTests(""), "no_tests"),
        (StdioTests((), ()), "no_tests"),
        (AssertTests("assert add(1,"), "bad_tests"),
        (AssertTests("nonlocal add\nassert add(1, 2) == 3"), "bad_tests"),
        (CallTests("add", ("[1, 2",), ("3",)), "bad_tests"),
        (CallTests("add", ("[" + "9" * 5000 + ", 2]",), ("3",)), "bad_tests"),
    ],
)
async def test_no_tests_and_broken_tests_are_never_a_pass(tests, kind, sandbox):
    with pytest.raises(OperatorError) as failure:
        await run_tests(ADD, tests, sandbox)
    assert failure.value.kind == kind


async def test_code_the_tier_cannot_run_neither_passes_nor_fails():
    class Weak:
        async def run(self, program, limits):
            return Outcome("unsupported", error="no module named pandas")

        async def run_pair(self, caller, callee, limits):
            return PairOutcome("unsupported", error="no module named pandas")

    with pytest.raises(OperatorError, match="pandas") as failure:
        await run_tests(ADD, AssertTests("assert add(1, 2) == 3"), Weak())
    assert failure.value.kind == "sandbox_unsupported"
    assert "bubblewrap" in failure.value.hint
