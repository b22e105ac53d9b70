"""No attack passes, the host stays as it was, and the graders go on grading."""

import json
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
from code_attacks import COMPLETIONS, FUNCTIONS, MARK, PROGRAMS

from flowsteer.datasets.rows import sample_from_row
from flowsteer.grading.code import Sandboxes, grade_code
from flowsteer.sandbox.base import SandboxLimits
from flowsteer.sandbox.monty import MontySandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

TIGHT = SandboxLimits(seconds=1.0, memory_mb=256, processes=8, disk_mb=4)

CHECK = """
import math

def check(candidate):
    assert candidate([1, 2, 3]) == [2, 4, 6]
    assert candidate([]) == [], "nothing stays nothing"
    assert all(a == b for a, b in zip(candidate([7]), [14]))
    assert math.isclose(candidate([0.5])[0], 1.0)
    assert len(candidate([5, 5])) == 2
    assert abs(candidate([10])[0] - 20) < 1e-6

check(double_all)
"""

SCIENCE = """
import numpy as np
import copy

def generate_test_case(test_case_id):
    def generate_ans(data):
        return data ** 2
    test_input = np.arange(3.0) + test_case_id
    return test_input, generate_ans(copy.deepcopy(test_input))

def exec_test(result, ans):
    try:
        np.testing.assert_array_equal(result, ans)
        return 1
    except:
        return 0

exec_context = r\"\"\"
import numpy as np
a = test_input
[insert]
\"\"\"

def test_execution(solution: str):
    code = exec_context.replace("[insert]", solution)
    for i in range(2):
        test_input, expected_result = generate_test_case(i + 1)
        test_env = {"test_input": test_input}
        exec(code, test_env)
        assert exec_test(test_env["result"], expected_result)
"""


def code_sample(dataset, tests, **more):
    row = {"id": "1", "type": "code", "dataset": dataset, "question": "?", "tests": tests}
    return sample_from_row(row | more)


FUNCTION = code_sample(
    "humaneval", CHECK, entry_point="double_all", prompt_code='def double_all(xs):\n    """Double."""\n'
)
ASSERTS = code_sample(
    "mbpp", "assert double_all([1, 2]) == [2, 4]\nassert double_all([]) == []", entry_point="double_all"
)
CALLS = code_sample(
    "apps", json.dumps({"fn_name": "double_all", "inputs": [[[1, 2]], [[]], [[7]]], "outputs": [[2, 4], [], [14]]})
)
PROGRAM = code_sample("apps", json.dumps({"inputs": ["1 2 3\n", "4 5 6\n"], "outputs": ["6\n", "15\n"]}))
COMPLETION = code_sample("ds1000", SCIENCE)
SOME = (
    "equal to everything",
    "list that lies",
    "sys.exit at import",
    "os._exit",
    "forged frames",
    "frames",
    "identity",
)
RIGHT = "def double_all(xs):\n    return [2 * x for x in xs]\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandboxes():
    both = Sandboxes(MontySandbox())
    yield both
    await both.aclose()


@pytest.fixture(autouse=True)
def the_host(monkeypatch):
    """A secret of the host, and no trace on it afterwards."""
    monkeypatch.setenv("FLOWSTEER_SECRET", "sk-secret")
    yield
    assert not Path(MARK).exists()
    assert not Path("/tmp/big").exists()


async def assert_wrong(sample, answer, sandboxes):
    grade = await grade_code(sample, answer, sandboxes, TIGHT)
    assert grade.score == 0.0, grade
    assert grade.reason
    assert "sk-secret" not in grade.reason


@pytest.mark.parametrize("answer", FUNCTIONS.values(), ids=FUNCTIONS)
async def test_no_function_passes_by_attack(answer, sandboxes):
    await assert_wrong(FUNCTION, answer, sandboxes)


@pytest.mark.parametrize(
    "name",
    ["equal to everything", "list that lies", "sys.exit at import", "os._exit", "forged frames", "frames", "identity"],
)
@pytest.mark.parametrize("sample", [ASSERTS, CALLS], ids=["mbpp", "apps"])
async def test_nor_where_asserts_or_calls_are_the_tests(name, sample, sandboxes):
    await assert_wrong(sample, FUNCTIONS[name], sandboxes)


@pytest.mark.parametrize("answer", PROGRAMS.values(), ids=PROGRAMS)
async def test_no_program_passes_by_attack(answer, sandboxes):
    await assert_wrong(PROGRAM, answer, sandboxes)


@pytest.mark.parametrize("answer", COMPLETIONS.values(), ids=COMPLETIONS)
async def test_no_completion_passes_by_attack(answer, sandboxes):
    pytest.importorskip("numpy", reason="DS-1000 needs the extra datascience")
    await assert_wrong(COMPLETION, answer, sandboxes)


async def test_what_is_right_still_passes_after_all_that(sandboxes):
    assert (await grade_code(FUNCTION, RIGHT, sandboxes, TIGHT)).score == 1.0
    assert (await grade_code(ASSERTS, RIGHT, sandboxes, TIGHT)).score == 1.0
    assert (await grade_code(CALLS, RIGHT, sandboxes, TIGHT)).score == 1.0
    assert (await grade_code(PROGRAM, "print(sum(map(int, input().split())))", sandboxes, TIGHT)).score == 1.0
    pytest.importorskip("numpy", reason="DS-1000 needs the extra datascience")
    assert (await grade_code(COMPLETION, "result = a ** 2", sandboxes, TIGHT)).score == 1.0
