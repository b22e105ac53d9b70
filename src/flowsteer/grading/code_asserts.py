"""HumanEval and MBPP: tests that call the solution's functions, in a process of their own (`flowsteer.sandbox.pair`).

The tests and the code that the task itself gave run in the one process, with a stub for each function they expect of
the solution; the solution runs in the other. It sees the arguments of one call after the other, and nothing else.
"""

import ast
import builtins
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from flowsteer.answers.code_blocks import syntax_error
from flowsteer.grading.code_verdict import CodeVerdict, NotDecided
from flowsteer.sandbox.base import UNCROSSED, Program, SandboxLimits
from flowsteer.sandbox.pair import Caller, PairOutcome, PairSandbox, free_names
from flowsteer.task import AssertTests, Task

T = TypeVar("T")

CACHED = 512
"""How many tasks' tests are kept as they were read: each is run twice a grading, and a task is often graded again."""


async def run_asserts(
    solution: str, tests: str, task: Task, sandbox: PairSandbox, limits: SandboxLimits
) -> CodeVerdict:
    """Run assert statements, or a function `check` made of them, against a solution.

    Args:
        solution: A module that defines the entry point.
        tests: The hidden tests.
        task: The task, for its own code, its entry point and its public tests.
        sandbox: Where both run.
        limits: What each may use; the time is that of both together.

    Raises:
        NotDecided: If the tests are at fault, or the sandbox lacks what is needed.
        SandboxError: The sandbox broke.
    """
    outcome = await _run(solution, tests, task, sandbox, limits)
    hidden = _without_public(tests, task)
    if _passed(outcome):
        return CodeVerdict(True, True if hidden else None)
    reason = _reason(outcome)
    if not hidden or outcome.side == "callee":  # what does not run or never returns passes no other test
        return CodeVerdict(False, False if hidden else None, reason, crossed=not outcome.error.startswith(UNCROSSED))
    return CodeVerdict(False, _passed(await _run(solution, hidden, task, sandbox, limits)), reason)


async def _run(solution: str, tests: str, task: Task, sandbox: PairSandbox, limits: SandboxLimits) -> PairOutcome:
    names = expected_names(tests, task)
    return await sandbox.run_pair(Caller(tuple(names), given_code(task), tests), Program(solution), limits)


def expected_names(tests: str, task: Task) -> list[str]:
    r"""The functions that tests expect of a solution: the entry point, and every name that nothing else defines.

    >>> expected_names("import math\nassert math.isclose(area(2), half(8))", Task("?", "code"))
    ['area', 'half']

    Raises:
        NotDecided: If the tests are not Python.
    """
    return list(_expected_names(given_code(task), tests, task.entry_point))


@lru_cache(maxsize=CACHED)
def _expected_names(given: str, tests: str, entry_point: str | None) -> tuple[str, ...]:
    names = _read(free_names, f"{given}\n{tests}") - frozenset(dir(builtins))
    return tuple(sorted(names | ({entry_point} if entry_point else set())))


def given_code(task: Task) -> str:
    """The code that the task gave, as a module: a function left without a body gets an empty one."""
    code = task.prompt_code.rstrip()
    return f"{code}\n    pass" if syntax_error(code) and not syntax_error(f"{code}\n    pass") else code


def _without_public(tests: str, task: Task) -> str:
    """The tests without those that are public; empty where none is public, or no assert would be left."""
    return _without(tests, task.public_tests.code) if isinstance(task.public_tests, AssertTests) else ""


@lru_cache(maxsize=CACHED)
def _without(tests: str, public_tests: str) -> str:
    tree = _parse(tests)
    public = {ast.dump(node) for node in _parse(public_tests).body if isinstance(node, ast.Assert)}
    kept = [node for node in tree.body if ast.dump(node) not in public]
    if len(kept) == len(tree.body) or not any(isinstance(node, ast.Assert) for node in kept):
        return ""
    return ast.unparse(ast.Module(kept, []))


def _parse(code: str) -> ast.Module:
    return _read(ast.parse, code)


def _read(reader: Callable[[str], T], code: str) -> T:
    try:
        return reader(code)
    except (SyntaxError, ValueError) as error:
        raise NotDecided(f"the tests are not Python: {type(error).__name__}") from None


def _passed(outcome: PairOutcome) -> bool:
    """Whether the tests ran to their end.

    Raises:
        NotDecided: If that says nothing about the solution.
    """
    if outcome.status == "unsupported":
        raise NotDecided(outcome.error)
    if outcome.side == "caller" and outcome.calls == 0:
        found = f"failed by themselves ({outcome.error})" if outcome.status != "ok" else "never called the solution"
        raise NotDecided(f"the tests {found}")
    return outcome.status == "ok"


def _reason(outcome: PairOutcome) -> str:
    """Why, in words that give nothing away: of an error in the tests only the type, for its message may hold values."""
    if outcome.side == "callee":
        return f"the solution ended with {outcome.status}: {outcome.error}"
    kind = outcome.error.partition(":")[0]
    return "a test failed" if kind == "AssertionError" else f"a test ended with {outcome.status}: {kind}"
