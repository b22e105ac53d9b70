"""APPS: cases of input and expected output, compared here, out of the solution's reach.

A program reads a case's input and prints; its output is compared by tokens. A function gets a case's arguments; what it
returned crosses as a plain value.
"""

import json
from dataclasses import replace
from typing import Any

from flowsteer.errors import GraderError
from flowsteer.grading.code_verdict import NotDecided, Verdict
from flowsteer.operators.source_code import defined_names
from flowsteer.sandbox.base import Call, Outcome, Program, Return, Sandbox, SandboxLimits
from flowsteer.task import CallTests, PublicTests, StdioTests

Cases = StdioTests | CallTests


async def run_stdio(
    solution: str, tests: StdioTests, public: PublicTests | None, sandbox: Sandbox, limits: SandboxLimits
) -> Verdict:
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
    for index in sorted(range(len(tests.inputs)), key=shown.__getitem__):
        expected = tests.outputs[index]
        room = replace(limits, output_bytes=limits.output_bytes + 2 * len(expected.encode()))
        outcome = await sandbox.run(Program(solution, stdin=tests.inputs[index]), room)
        problem = _problem(outcome) or (
            "" if outcome.stdout.split() == expected.split() else "it prints something else"
        )
        if problem:
            hidden = shown[index] if _is_mixed(shown) else None
            return Verdict(False, hidden, f"case {index + 1} of {len(shown)}: {problem}")
    return Verdict(True, True if _is_mixed(shown) else None)


async def run_calls(
    solution: str, tests: CallTests, public: PublicTests | None, sandbox: Sandbox, limits: SandboxLimits
) -> Verdict:
    """Call a function, or the method of a class `Solution`, once a case, all in one run.

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
    name = f"Solution().{tests.entry_point}" if "Solution" in defined_names(solution) else tests.entry_point
    calls = tuple(Call(name, _arguments(text)) for text in tests.inputs)
    outcome = await sandbox.run(Program(solution, calls=calls), limits)
    stopped = Return(error=_problem(outcome) or "it was not called")
    returns = [*outcome.returns, *[stopped] * (len(calls) - len(outcome.returns))]
    right = [
        not got.error and _matches(got.value, _json(expected))
        for got, expected in zip(returns, tests.outputs, strict=True)
    ]
    shown = _shown(tests, public)
    hidden = all(ok for ok, is_public in zip(right, shown, strict=True) if not is_public)
    if all(right):
        return Verdict(True, True if _is_mixed(shown) else None)
    first = right.index(False)
    reason = f"case {first + 1} of {len(right)}: {returns[first].error or 'it returns something else'}"
    return Verdict(False, hidden if _is_mixed(shown) else None, reason)


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
    if isinstance(value, dict) and all(str(key).lstrip("-").isdecimal() for key in value):
        return {int(key): item for key, item in value.items()}
    return value


def _matches(value: Any, expected: Any) -> bool:
    """As APPS compares: tuples count as lists, and the expected value may stand in a list by itself."""
    given = _as_json(value)
    alone = isinstance(expected, list) and len(expected) > 0 and given == expected[0]
    return given == expected or alone


def _as_json(value: Any) -> Any:
    """The value as JSON would give it back: tuples are lists, keys are texts."""
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise GraderError(f"a test case is not JSON: {error}") from None
