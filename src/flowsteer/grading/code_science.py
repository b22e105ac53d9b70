"""DS-1000: its own test program, with the one statement that executes the solution carried to another process.

The official program makes an input and the expected result, executes the solution on the input with `exec`, and
compares the variable `result`. It runs here unchanged but for a function `exec` of its own (`science_caller.py`), which
sends code and input to a second process and takes back the variables that the tests read. So the reference, the
expected result and the comparison are in a process that the solution never enters. Results are arrays, frames, fitted
models: they cross as a pickle, of which only data types of the scientific libraries are read, and no function.
"""

import re
from pathlib import Path

from flowsteer.grading.code_source import fitted
from flowsteer.grading.code_verdict import CodeVerdict, NotDecided
from flowsteer.sandbox.base import Program, SandboxLimits
from flowsteer.sandbox.pair import Caller, PairSandbox

LIMITS = SandboxLimits(seconds=90.0, memory_mb=4096, processes=64)
"""The libraries alone take a second and a gibibyte of addresses in each process."""

HINT = 'pip install "flowsteer[datascience]" (numpy, pandas, scipy, scikit-learn)'

_NAMES = Path(__file__).with_name("science_names.py")
_CALLER = Path(__file__).with_name("science_caller.py")
_CALLEE = Path(__file__).with_name("science_callee.py")
_READ = re.compile(r"""test_env\[["'](\w+)["']\]""")
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


async def run_science(solution: str, tests: str, sandbox: PairSandbox, limits: SandboxLimits = LIMITS) -> CodeVerdict:
    """Run an official test program against a completion.

    Args:
        solution: What goes in the place of `[insert]`.
        tests: The official program (`code_context`), which contains the reference.
        sandbox: Where both run: full Python with the libraries.
        limits: What each process may use; the time is that of both together.

    Raises:
        NotDecided: If the program fails before the solution runs: a library is missing, or the sandbox lacks something.
        SandboxError: The sandbox broke.
    """
    wanted = sorted({name for name in _READ.findall(tests) if name != "test_input"})
    completion = fitted(solution, tests)
    checks = ["test_execution", *(["test_string"] if "def test_string(" in tests else [])]
    driver = "\n".join(path.read_text(encoding="utf-8") for path in (_NAMES, _CALLER))
    run = "".join(f"{check}({completion!r})\n" for check in checks)
    caller = Caller(("execute_here",), "", f"__wanted = {wanted!r}\n{driver}\n{tests}\n{run}")
    outcome = await sandbox.run_pair(caller, Program(_CALLEE.read_text(encoding="utf-8")), limits)
    if outcome.status == "unsupported":
        raise NotDecided(outcome.error)
    if outcome.side == "caller" and outcome.calls == 0:
        hint = f"; {HINT}" if _MISSING.search(outcome.error) else ""
        raise NotDecided(f"the test program failed before it ran the solution: {outcome.error}{hint}")
    if outcome.status == "ok":
        return CodeVerdict(True)
    if outcome.side == "callee":
        return CodeVerdict(False, reason=f"the solution ended with {outcome.status}: {outcome.error}")
    kind = outcome.error.partition(":")[0]
    return CodeVerdict(
        False, reason="the result differs" if kind == "AssertionError" else f"the check ended with {kind}"
    )
