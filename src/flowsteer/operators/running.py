"""Running the program of a draft as far as its task allows, and reading the answer off the run."""

import re

from flowsteer.answers.code import callable_without_arguments
from flowsteer.answers.extract import tidy
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall
from flowsteer.operators.public_tests import unsupported
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits
from flowsteer.task import StdioTests, Task

RUN_LIMITS = SandboxLimits(seconds=30.0)
"""What one run may use (spec §4)."""

SPARED = 6
"""Digits that twelve significant ones must spare for the rest to be a rounding error."""

_LONG_FLOAT = re.compile(r"-?\d{1,15}\.\d{10,20}")


async def run_program(call: OperatorCall, code: str) -> str:
    """Run a program for its output.

    Math and qa: what `solve()` returns, else the last line printed. Code tasks: a whole program is given the first
    public input, a function is only loaded, and a fragment (DS-1000) is not run at all; no test is claimed.

    Raises:
        OperatorError: `code_failed`, or `sandbox_unsupported` where the answer would have come from the run.
        SandboxError: The sandbox broke.
    """
    return _output(call.task, await _run(call, code))


def answer_of(output: str) -> str:
    """The answer that a program's result is: whole floats are shown as integers, others without rounding errors.

    >>> answer_of("18.0"), answer_of("0.6999999999999998"), answer_of("0.3333333333333333"), answer_of("Paris")
    ('18', '0.7', '0.3333333333333333', 'Paris')
    """
    text = _rounded(tidy(output))
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def _rounded(text: str) -> str:
    """A float that is off a short number by rounding errors alone, as that number; any other text as it is."""
    if not _LONG_FLOAT.fullmatch(text):
        return text
    short = repr(float(f"{float(text):.12g}"))
    return short if len(short) <= len(text) - SPARED else text


async def _run(call: OperatorCall, code: str) -> Outcome:
    task = call.task
    if task.type != "code":
        result = "str(solve())" if callable_without_arguments(code, "solve") else ""
        return await call.sandbox.run(Program(code, result=result), RUN_LIMITS)
    if isinstance(task.public_tests, StdioTests) and task.public_tests.inputs:
        return await call.sandbox.run(Program(code, stdin=task.public_tests.inputs[0]), RUN_LIMITS)
    if task.entry_point:
        return await call.sandbox.run(
            Program(code, result=f"{_callee(code, task.entry_point)} is not None"), RUN_LIMITS
        )
    # A fragment (DS-1000) or a program whose input is unknown: that it parses is all that can be said here.
    return Outcome("ok")


def _callee(code: str, entry_point: str) -> str:
    return f"Solution.{entry_point}" if re.search(r"^class Solution\b", code, re.MULTILINE) else entry_point


def _output(task: Task, outcome: Outcome) -> str:
    """What a run gave.

    Raises:
        OperatorError: `code_failed`, or `sandbox_unsupported` where the answer would have come from the run.
    """
    if outcome.status == "unsupported":
        if task.type == "code":
            return f"not run: {outcome.error}"
        raise unsupported(outcome)
    if outcome.status == "error":
        raise OperatorError(outcome.error, "code_failed")
    if outcome.status != "ok":
        raise OperatorError(f"{outcome.status} limit: {outcome.error}", "code_failed")
    printed = outcome.stdout.strip()
    if task.type == "code":
        return printed
    output = _text(outcome.value) or printed.rpartition("\n")[2].strip()
    if not output:
        raise OperatorError("solve() returned nothing and nothing was printed", "code_failed")
    return output


def _text(value: object) -> str:
    """What `solve()` returned, in words; empty for nothing.

    Raises:
        OperatorError: `code_failed`: an integer that Python makes no text of, since it has more than 4300 digits.
    """
    try:
        return "" if value in (None, "None") else str(value).strip()
    except ValueError as error:
        raise OperatorError(f"solve() returned what has no text: {error}", "code_failed") from error
