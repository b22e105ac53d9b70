"""APPS: cases of input and expected output, compared here, out of the solution's reach.

A program reads a case's input and prints; its output is compared by tokens. A function, or a method of a new object of
the class `Solution`, gets a case's arguments; what it returned crosses as a plain value. Where a number that is no
integer is expected, it may differ a little; what passes without that is told apart (`pass@1_exact`).
"""

import re
from dataclasses import replace
from typing import Any

from flowsteer.answers.code import defined_names
from flowsteer.case_json import integer, read_case
from flowsteer.errors import GraderError
from flowsteer.grading.code_compare import close_output, close_value, same_output, same_value
from flowsteer.grading.code_prelude import with_prelude
from flowsteer.grading.code_verdict import CodeVerdict, NotDecided
from flowsteer.sandbox.base import UNCROSSED, Call, Outcome, Program, Return, Sandbox, SandboxLimits
from flowsteer.task import CallTests, PublicTests, StdioTests

Cases = StdioTests | CallTests

_INTEGER = re.compile(r"-?\d+")


async def run_stdio(
    solution: str, tests: StdioTests, public: PublicTests | None, sandbox: Sandbox, limits: SandboxLimits
) -> CodeVerdict:
    """Run a program on each case: those that are not public first, so that one failure settles everything.

    Args:
        solution: A program that reads standard input.
        tests: All cases.
        public: Those of them that are public.
        sandbox: Where it runs, anew for each case.
        limits: What each run may use; output may be as much longer as is expected.

    Raises:
        NotDecided: If the sandbox lacks what the program needs.
        SandboxError: The sandbox broke.
    """
    shown = _shown(tests, public)
    exact = True
    code = with_prelude(solution)
    for index in sorted(range(len(tests.inputs)), key=shown.__getitem__):
        expected = tests.outputs[index]
        room = replace(limits, output_bytes=limits.output_bytes + 2 * len(expected.encode()))
        outcome = await sandbox.run(Program(code, stdin=tests.inputs[index]), room)
        problem = _problem(outcome) or ("" if close_output(outcome.stdout, expected) else "it prints something else")
        if problem:
            hidden = shown[index] if _is_mixed(shown) else None
            return CodeVerdict(False, hidden, f"case {index + 1} of {len(shown)}: {problem}", exact=False)
        exact = exact and same_output(outcome.stdout, expected)
    return CodeVerdict(True, True if _is_mixed(shown) else None, exact=exact)


async def run_calls(
    solution: str, tests: CallTests, public: PublicTests | None, sandbox: Sandbox, limits: SandboxLimits
) -> CodeVerdict:
    """Call a function, or the method of a new object of the class `Solution`, once a case, all in one run.

    Args:
        solution: A module that defines it.
        tests: All cases.
        public: Those of them that are public.
        sandbox: Where it runs.
        limits: What the run may use.

    Raises:
        NotDecided: If the sandbox lacks what the program needs.
        GraderError: If a case is not JSON.
        SandboxError: The sandbox broke.
    """
    is_method = "Solution" in defined_names(solution)
    code = with_prelude(solution)
    name = f"Solution().{tests.entry_point}" if is_method else tests.entry_point
    calls = tuple(Call(name, _arguments(text)) for text in tests.inputs)
    outcome = await sandbox.run(Program(code, calls=calls), limits)
    stopped = Return(error=_problem(outcome) or "it was not called")
    returns = [*outcome.returns, *[stopped] * (len(calls) - len(outcome.returns))]
    wanted = [_json(expected) for expected in tests.outputs]
    right = [not got.error and close_value(got.value, value) for got, value in zip(returns, wanted, strict=True)]
    exact = all(not got.error and same_value(got.value, value) for got, value in zip(returns, wanted, strict=True))
    shown = _shown(tests, public)
    hidden = all(ok for ok, is_public in zip(right, shown, strict=True) if not is_public)
    if all(right):
        return CodeVerdict(True, True if _is_mixed(shown) else None, exact=exact)
    first = right.index(False)
    reason = f"case {first + 1} of {len(right)}: {returns[first].error or 'it returns something else'}"
    crossed = not any(got.error.startswith(UNCROSSED) for got in returns)
    return CodeVerdict(False, hidden if _is_mixed(shown) else None, reason, False, crossed)


def _problem(outcome: Outcome) -> str:
    """Why a run did not end well; empty if it did."""
    if outcome.status == "unsupported":
        raise NotDecided(outcome.error)
    return "" if outcome.status == "ok" else f"{outcome.status}: {outcome.error}"


def _shown(tests: Cases, public: PublicTests | None) -> list[bool]:
    """Which cases are public."""
    known = set(_pairs(public)) if isinstance(public, StdioTests | CallTests) else set()
    return [pair in known for pair in _pairs(tests)]


def _pairs(tests: Cases) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [
        (tuple(given.split()), tuple(expected.split()))
        for given, expected in zip(tests.inputs, tests.outputs, strict=True)
    ]


def _is_mixed(shown: list[bool]) -> bool:
    """Whether leaving the public cases out makes a difference and leaves something."""
    return 0 < sum(shown) < len(shown)


def _arguments(text: str) -> tuple[Any, ...]:
    """The arguments of a case; JSON has no integer keys, so those of a dict are made integers if all can be."""
    arguments = _json(text)
    return tuple(map(_with_integer_keys, arguments)) if isinstance(arguments, list) else (arguments,)


def _with_integer_keys(value: Any) -> Any:
    if isinstance(value, dict) and all(map(_INTEGER.fullmatch, value)):
        return {integer(key): item for key, item in value.items()}
    return value


def _json(text: str) -> Any:
    try:
        return read_case(text)
    except ValueError as error:
        raise GraderError(f"a test case is not JSON: {error}") from None
