"""What code graders call right, format by format, and what they leave undecided."""

import json
import shutil
from pathlib import Path

import pytest

from flowsteer.datasets.local import read_samples
from flowsteer.datasets.released import plain_row
from flowsteer.datasets.rows import sample_from_row
from flowsteer.errors import SandboxError
from flowsteer.grading.code import Sandboxes, grade_code
from flowsteer.grading.code_asserts import expected_names
from flowsteer.grading.grade import Grader
from flowsteer.grading.validate import validate
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.task import Task

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"

PROMPT = '''import math

def helper(x):
    """The tests use it."""
    return x + 1

def area(radius):
    """Area of a circle.

    >>> area(0)
    0.0
    """
'''
CHECK = """
METADATA = {}

def check(candidate):
    assert candidate(0) == 0.0
    for radius in range(3):
        assert math.isclose(candidate(helper(radius)), math.pi * helper(radius) ** 2)

check(area)
"""
BODY = "    return math.pi * radius ** 2"


@pytest.fixture(params=["monty first", "bubblewrap"])
async def sandboxes(request):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    both = Sandboxes(MontySandbox() if request.param == "monty first" else None)
    yield both
    await both.aclose()


def sample(dataset, tests, **more):
    row = {"id": "1", "type": "code", "dataset": dataset, "question": "?", "tests": tests}
    return sample_from_row(row | more)


def humaneval(tests=CHECK, prompt=PROMPT, name="area"):
    return sample("humaneval", tests, entry_point=name, prompt_code=prompt)


def mbpp(tests, name="f", public=None):
    return sample("mbpp", tests, entry_point=name, public_tests=public)


@pytest.mark.parametrize(
    "answer",
    [
        BODY,
        BODY.strip(),
        f"{PROMPT}{BODY}",
        f"\ufeff{PROMPT}{BODY}",
        f"def area(radius):\n{BODY}",
        f"Here it is:\n```python\ndef area(radius):\n{BODY}\n```\nDone.",
        f"```\n{BODY}\n```",
        f"<think>Pi!</think>\nimport math\ndef area(radius):\n{BODY}\n",
        "    square = radius * radius\n    return math.pi * square",
        "square = radius * radius\n    return math.pi * square",
        "import math\narea = lambda radius: math.pi * radius ** 2",
    ],
)
async def test_a_function_may_be_whole_or_a_body_or_fenced(answer, sandboxes):
    assert (await grade_code(humaneval(), answer, sandboxes)).score == 1.0


@pytest.mark.parametrize("answer", ["", "I cannot.", "    return None", "    pass", f"def other(radius):\n{BODY}"])
async def test_what_is_not_the_function_is_wrong(answer, sandboxes):
    grade = await grade_code(humaneval(), answer, sandboxes)
    assert (grade.score, grade.metrics.get("accuracy")) == (0.0, 0.0)
    assert grade.reason


@pytest.mark.parametrize(
    ("tests", "solution"),
    [
        ("assert f((1, [2], {3: {4}})) == ((1, [2], {3: {4}}), None)", "def f(x): return x, None"),
        ("assert f([1, 2]) == (1, 2) and f([1, 2]) != [1, 2]", "def f(x): return tuple(x)"),
        ("xs = [3, 1]\nassert f(xs) is None and xs == [1, 3]", "def f(xs): xs.sort()"),
        ("d = {'a': 1}\nf(d, key='b')\nassert d == {'b': 2}", "def f(d, key):\n    d.clear()\n    d[key] = 2"),
        ("x = f(0)\nassert x != x and f(1) == float('inf')", "def f(n): return float('inf') if n else float('nan')"),
        ("import math\nassert math.copysign(1, f(0)) == -1", "def f(n): return -0.0"),
        ("assert f(10**40) == 10**40 + 1", "def f(n): return n + 1"),
        ("assert f(1j) == (-1+0j)", "def f(z): return z * z"),
        ("assert f(b'a') == b'aa'", "def f(b): return b * 2"),
        ("assert f('é\\x00😀') == '😀\\x00é'", "def f(s): return s[::-1]"),
        ("assert f(True) is False", "def f(b): return not b"),
        ("assert f([1]) == frozenset([1])", "def f(x): return frozenset(x)"),
        ("assert list(f(3)) == [0, 1, 2] and f(3) != [0, 1, 2]", "def f(n):\n    yield from range(n)"),
        ("assert list(f('ab')) == ['A', 'B'] and f('a') != ['A']", "def f(s): return map(str.upper, s)"),
        ("assert f('aab') == {'a': 2, 'b': 1}", "from collections import Counter\ndef f(s): return Counter(s)"),
        ("try:\n    f(0)\n    assert False\nexcept ZeroDivisionError:\n    pass", "def f(n): return 1 / n"),
        ("try:\n    f(0)\nexcept KeyError as e:\n    assert 'zero' in str(e)\nelse:\n    assert False",
         "def f(n): raise KeyError('zero')"),
        ("assert f(2) == 1\nassert f(2) == 2", "n = 0\ndef f(x):\n    global n\n    n += 1\n    return n"),
        ("assert g(f(1)) == 3", "def f(x): return x + 1\ndef g(x): return x + 1"),
        ("import heapq\nassert f([2, 1]) == heapq.nsmallest(1, [2, 1])", "import heapq\ndef f(x): return [min(x)]"),
        ("from math import factorial\nassert [f(n) for n in range(4)] == list(map(factorial, range(4)))",
         "def f(n): return 1 if n < 2 else n * f(n - 1)"),
        ("x = 5\ndef twice(g, y): return g(g(y))\nassert twice(f, x) == 7", "def f(x): return x + 1"),
        ("assert f(3) == 3", "if __name__ == '__main__':\n    raise SystemExit(input())\ndef f(x): return x"),
    ],
)  # fmt: skip
async def test_values_cross_exactly(tests, solution, sandboxes):
    grade = await grade_code(mbpp(tests), solution, sandboxes)
    assert grade.score == 1.0, grade


async def test_the_score_without_the_public_cases_stands_beside(sandboxes):
    tests = "import math\nassert f(1) == 1\nassert f(2) == 4\nassert f(3) == 9\n"
    asserts = mbpp(tests, public="assert f(1) == 1\n")
    cases = {"inputs": ["1", "2", "3"], "outputs": ["1", "4", "9"]}
    shown = {"inputs": ["1"], "outputs": ["1"]}
    programs = sample("apps", json.dumps(cases), public_tests=json.dumps(shown))
    for one, form in ((asserts, "def f(n): return {}"), (programs, "n = int(input())\nprint({})")):
        for value, expected in (("n * n", (1.0, 1.0)), ("n * n if n > 1 else 7", (0.0, 1.0)), ("n", (0.0, 0.0))):
            metrics = (await grade_code(one, form.format(value), sandboxes)).metrics
            assert (metrics["pass@1"], metrics["pass@1_hidden"]) == expected, (form, value)
    assert "pass@1_hidden" not in (await grade_code(humaneval(), BODY, sandboxes)).metrics


@pytest.mark.parametrize(
    ("solution", "score"),
    [
        ("class Solution:\n    def swap(self, pair, names):\n        return pair[::-1], names[1]", 1.0),
        ("def swap(pair, names): return [pair[1], pair[0]], names[1]", 1.0),
        ("def swap(pair, names): return [[pair[1], pair[0]], names[1]]", 1.0),
        ("def swap(pair, names): return [pair, names[1]]", 0.0),
        ("def swap(pair, names): return swap", 0.0),
    ],
)
async def test_calls_compare_as_apps_does(solution, score, sandboxes):
    """Tuples count as lists, expected values may stand in a list, and keys of arguments are integers."""
    tests = {
        "fn_name": "swap",
        "inputs": [[[1, 2], {"1": "a"}], [[3, 4], {"1": "b"}]],
        "outputs": [[[2, 1], "a"], [[[4, 3], "b"]]],
    }
    assert (await grade_code(sample("apps", json.dumps(tests)), solution, sandboxes)).score == score


@pytest.mark.parametrize(
    ("solution", "score"),
    [
        ("def f(n, by): return [n * 10, {n + by[1]: 1}]", 1.0),
        ("def f(n, by): return [n * 10 + 1, {n + by[1]: 1}]", 0.0),
        ("def f(n, by): return [n * 10, {n + by[1] + 1: 1}]", 0.0),
        ("def f(n, by): return [n * 10, {(n, by[1]): 1}]", 0.0),
    ],
)
async def test_integers_that_python_makes_no_text_of_are_compared_exactly(solution, score, sandboxes):
    zeros = "0" * 9130
    case = f'"inputs": [[1{zeros}, {{"1": 0}}]], "outputs": [[1{zeros}0, {{"1{zeros}": 1}}]]'
    grade = await grade_code(sample("apps", f'{{"fn_name": "f", {case}}}'), solution, sandboxes)
    assert grade.score == score, grade.reason


@pytest.mark.parametrize(
    "solution",
    [
        "def f(xs): return sum(xs) // gcd(*xs)",
        "def f(xs):\n    h = []\n    for x in xs: heappush(h, x)\n    return sum(h) // math.gcd(*xs)",
        "class Solution:\n    def f(self, xs: List[int]) -> int:\n        return int(np.sum(xs)) // gcd(*xs)",
        "def f(xs): return reduce(add, xs) // gcd(*xs)",
        "def f(xs): return sum(OrderedDict.fromkeys(chain(xs))) // gcd(*xs) + bisect_left([], 1)",
        "gcd = lambda a, b: a if not b else gcd(b, a % b)\ndef f(xs): return sum(xs) // gcd(*xs)",
    ],
)
async def test_apps_has_the_imports_of_its_runner(solution, sandboxes):
    if "np." in solution:
        pytest.importorskip("numpy", reason="needs the extra datascience")
    calls = {"fn_name": "f", "inputs": [[[2, 4]], [[9, 6]]], "outputs": [3, 5]}
    assert (await grade_code(sample("apps", json.dumps(calls)), solution, sandboxes)).score == 1.0
    if "class" not in solution:
        program = f"{solution}\nprint(f(list(map(int, sys.stdin.read().split()))))"
        cases = {"inputs": ["2 4", "9 6"], "outputs": ["3", "5"]}
        assert (await grade_code(sample("apps", json.dumps(cases)), program, sandboxes)).score == 1.0


async def test_each_call_gets_a_solution_object_of_its_own(sandboxes):
    calls = sample("apps", json.dumps({"fn_name": "f", "inputs": [[1], [1]], "outputs": [1, 1]}))
    start = "class Solution:\n    def __init__(self): self.n = 0\n"
    counting = f"{start}    def f(self, x):\n        self.n += 1\n        return self.n"
    assert (await grade_code(calls, counting, sandboxes)).score == 1.0
    beside = f"{counting.replace('def f', 'def g')}\ns = Solution()\ndef f(x): return 1"
    assert (await grade_code(calls, beside, sandboxes)).score == 0.0


@pytest.mark.parametrize(
    ("factor", "expected"), [("0.1", (1.0, 1.0)), ("0.1000001", (1.0, 0.0)), ("0.1001", (0.0, 0.0)), ("1", (0.0, 0.0))]
)
async def test_numbers_that_differ_a_little_are_told_apart(factor, expected, sandboxes):
    programs = sample("apps", json.dumps({"inputs": ["5", "7", "100000"], "outputs": ["0.5 a", "0.7 a", "10000.0 a"]}))
    program = f"x = int(input())\nprint(round(x * {factor}, 9), 'a')"
    calls = sample("apps", json.dumps({"fn_name": "f", "inputs": [[5], [7]], "outputs": [[[0.5]], [[0.7]]]}))
    function = f"def f(x): return (round(x * {factor}, 9),)"
    for one, solution in ((programs, program), (calls, function)):
        grade = await grade_code(one, solution, sandboxes)
        assert (grade.score, grade.metrics["pass@1_exact"]) == expected
    assert "pass@1_exact" not in (await grade_code(humaneval(), BODY, sandboxes)).metrics


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("1000000001", "1000000000"), ("3.0", "3"), ("+3", "3"), ("nan", "0.5"), ("0.34", "0.3333"), ("1e400", "0.5")],
)
async def test_other_tokens_never_differ(printed, expected, sandboxes):
    programs = sample("apps", json.dumps({"inputs": ["5"], "outputs": [expected]}))
    assert (await grade_code(programs, f"print({printed!r})", sandboxes)).score == 0.0


async def test_output_is_compared_by_tokens_case_by_case(sandboxes):
    one = sample("apps", json.dumps({"inputs": ["1 2\n", ["3", "4"]], "outputs": ["3\n", ["7 ", "end"]]}))
    right = "import sys\nx = sys.stdin.read().split()\nprint(sum(map(int, x)))\nif x[0] == '3':\n    print(' end')"
    assert (await grade_code(one, right, sandboxes)).score == 1.0
    assert (await grade_code(one, right.replace("end", "END"), sandboxes)).score == 0.0


@pytest.mark.parametrize(
    "tests",
    [
        "assert (",
        "import no_such_module\nassert f(1) == 1",
        "assert 1 == 1",
        "import math\nassert f(math) == 1",
        "assert 0\nf(1)",
    ],
)
async def test_tests_at_fault_leave_it_undecided(tests, sandboxes):
    grade = await grade_code(mbpp(tests), "def f(x): return 1", sandboxes)
    assert grade.score is None
    assert grade.reason


@pytest.mark.parametrize(
    ("tests", "solution"),
    [
        ("assert f([1, 2]) == [1, 2]", "m = map\ndef f(xs): return m(int, xs)"),
        ("assert f([1, 2]) == [1, 2]", "def f(xs): return filter(None, xs)"),
        ("assert f([5]) == [(0, 5)]", "class C:\n    e = enumerate\ndef f(xs): return C.e(xs)"),
        ("assert f(1) == 'f'", "def f(x): return 'f' if __name__ == '__main__' else 'g'"),
        ("assert f(1) == 1", "import sys\ndef f(x): return 0 if hasattr(sys, '_getframe') else 1"),
    ],
)
async def test_what_passes_in_monty_alone_is_wrong(tests, solution, sandboxes):
    grade = await grade_code(mbpp(tests), solution, sandboxes)
    assert (grade.score, bool(grade.reason)) == (0.0, True)


async def test_a_missing_sandbox_leaves_it_undecided():
    async def find_nothing():
        raise SandboxError("bubblewrap is not installed", "sudo apt install bubblewrap")

    without = Sandboxes(MontySandbox(), find_nothing)
    lacking = await grade_code(mbpp("assert f(1) == [1]"), "def f(x):\n    yield x", without)
    assert lacking.score is None
    assert "apt install bubblewrap" in lacking.reason
    assert (await grade_code(mbpp("assert f(1) == 1"), "def f(x): return x", without)).score is None
    assert (await grade_code(mbpp("assert f(1) == 1"), "def f(x): return 2", without)).score is None
    await without.aclose()


async def test_a_broken_sandbox_leaves_it_undecided():
    class Broken(MontySandbox):
        async def run_pair(self, caller, callee, limits=None):
            raise SandboxError("it broke", "mend it")

    async def find_broken():
        return Broken()

    grade = await grade_code(mbpp("assert f(1) == 1"), "def f(x): return x", Sandboxes(None, find_broken))
    assert (grade.score, grade.reason) == (None, "it broke (mend it)")


def test_names_that_tests_expect_are_those_that_nothing_else_defines():
    tests = "import math as m\nfor i in range(3):\n    assert f(i) == [g(x) for x in m.primes]\ndef h(k): return k"
    assert expected_names(tests, Task("?", "code", entry_point="e")) == ["e", "f", "g"]
    assert expected_names(CHECK, Task("?", "code", entry_point="area", prompt_code=PROMPT)) == ["area"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared samples are not here")
@pytest.mark.parametrize(
    ("name", "limit"), [("humaneval", 60), ("mbpp", 60), ("apps_train_with_solutions", 30), ("ds1000", 3), ("apps", 60)]
)
async def test_reference_solutions_are_right_and_stubs_are_not(name, limit):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    if name == "ds1000":
        pytest.importorskip("sklearn", reason="DS-1000 needs the extra datascience")
    samples = list(read_samples(DATA / f"{name}.jsonl"))[:limit]
    both = Sandboxes(MontySandbox())

    async def code(one, answer):
        return await grade_code(one, answer, both)

    async with Grader(code=code) as grader:
        outcome = await validate(samples, grader.grade)
    counts = (outcome.n, outcome.correct, outcome.no_reference)
    assert counts == ((limit, 0, limit) if name == "apps" else (limit, limit, 0)), outcome.faults
    for one in samples[:3]:
        name_of = one.task.entry_point
        stub = f"def {name_of}(*args):\n    return None\n" if name_of else "pass"
        assert (await grade_code(one, stub, both)).score == 0.0
    await both.aclose()


HEAD = "def f(x):\n"


@pytest.mark.parametrize(
    ("problem", "meta"),
    [
        (f'{HEAD}    """Add one."""\n', {}),
        (HEAD, {"entry_point": "f"}),
        ("Add one.", {"prompt": f'import math\n\n{HEAD}    """Add one."""\n', "entry_point": "f"}),
        (f"Complete the function.\n\n```python\n{HEAD}    # one more\n```", {"entry_point": "f"}),
        ("Add one.", {"code_prompt": HEAD, "entry_point": "f"}),
    ],
)
async def test_the_authors_rows_say_in_many_places_what_an_answer_continues(problem, meta, sandboxes):
    test = "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(5) == 6\n"
    row = {"problem": problem, "ground_truth": "", "source": "humaneval", "meta": meta | {"test": test}}
    one = sample_from_row(plain_row(row, 1))
    for answer in ("    return x + 1", "return x + 1", "def f(x): return x + 1", "```python\n    return x + 1\n```"):
        assert (await grade_code(one, answer, sandboxes)).score == 1.0, answer
    assert (await grade_code(one, "    return x", sandboxes)).score == 0.0
