"""Running a task's public tests on a program in the sandbox, one run a case.

A case passes by its structured outcome alone: the run ended well *and* reached its end, where a value is
asked for. What a program prints proves nothing, and leaving early (`sys.exit(0)`) does not pass.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from flowsteer.answers.code import defined_names
from flowsteer.answers.code_blocks import syntax_error
from flowsteer.case_json import as_key
from flowsteer.errors import OperatorError
from flowsteer.operators.base import CodeRunner
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits
from flowsteer.task import AssertTests, CallTests, PublicTests, StdioTests

CASE_LIMITS = SandboxLimits(seconds=10.0)
"""What one case may use."""

MAX_SHOWN = 200
"""Most characters of one value in a failure's text."""


@dataclass(frozen=True, slots=True)
class PublicTestReport:
    """What the public tests said of a program.

    Attributes:
        total: How many cases were run.
        failures: One text a failed case: what was called, what was expected, what happened.
    """

    total: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return self.total - len(self.failures)

    @property
    def ok(self) -> bool:
        """Whether there was a case and none failed."""
        return self.total > 0 and not self.failures


async def run_tests(code: str, tests: PublicTests, sandbox: CodeRunner) -> PublicTestReport:
    """Run every public test on the code.

    Args:
        code: A whole module or program.
        tests: The task's public tests.
        sandbox: Where it runs.

    Raises:
        OperatorError: `no_tests` if there is no case, `bad_tests` if they are not Python or not JSON, or
            `sandbox_unsupported` if this tier cannot run the code, which then neither passed nor failed.
        SandboxError: The sandbox broke.
    """
    cases = list(_cases(code, tests))
    if not cases:
        raise no_tests()
    failures = []
    for case in cases:
        outcome = await sandbox.run(case.program, CASE_LIMITS)
        if outcome.status == "unsupported":
            raise unsupported(outcome)
        if not case.holds(outcome):
            failures.append(f"{case.label}: {await _what_happened(case, outcome, sandbox)}")
    return PublicTestReport(len(cases), tuple(failures))


def no_tests() -> OperatorError:
    """The typed failure where there is nothing to run, so nothing is claimed."""
    return OperatorError("the task has no public tests", "no_tests", "check the code with Review or Verify instead")


def unsupported(outcome: Outcome) -> OperatorError:
    """The typed failure where the sandbox tier cannot run the code."""
    return OperatorError(
        f"the sandbox tier {outcome.tier!r} cannot run this code: {outcome.error}",
        "sandbox_unsupported",
        "choose a stronger sandbox: bubblewrap or container",
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """One test: a program, what its outcome must hold, and how to say it."""

    label: str
    program: Program
    expected: object
    field: str
    probe: str = ""

    def holds(self, outcome: Outcome) -> bool:
        """Whether the outcome is the expected one."""
        if outcome.status != "ok":
            return False
        if self.field == "stdout":
            return outcome.stdout.split() == self.expected
        return _plain(outcome.value) == self.expected


def _cases(code: str, tests: PublicTests) -> Iterator[_Case]:
    match tests:
        case AssertTests(code=text):
            yield from _assert_cases(code, text)
        case StdioTests(inputs=inputs, outputs=outputs):
            for given, expected in zip(inputs, outputs, strict=True):
                label = f"input {_short(given)}, expected output {_short(expected)}"
                yield _Case(label, Program(code, stdin=given), expected.split(), "stdout")
        case CallTests(entry_point=name, inputs=inputs, outputs=outputs):
            callee = f"Solution().{name}" if "Solution" in defined_names(code) else name
            for given, expected in zip(inputs, outputs, strict=True):
                call = f"{callee}({', '.join(map(repr, _json(given)))})"
                label = f"{call}, expected {_short(repr(_json(expected)))}"
                yield _Case(label, Program(code, result=call), _json(expected), "value")


def _assert_cases(code: str, text: str) -> Iterator[_Case]:
    """One case an assert, each with the statements before it that are no asserts (imports, data)."""
    problem = syntax_error(text)
    if problem:
        raise OperatorError(f"the task's public tests are not Python: {problem}", "bad_tests")
    # The program cannot know this name, which is made of its own text: it is set by reaching the end alone.
    reached = f"_reached_{hashlib.sha256(code.encode()).hexdigest()[:16]}"
    setup = code
    for node in ast.parse(text).body:
        statement = ast.get_source_segment(text, node) or ""
        if not isinstance(node, ast.Assert):
            setup += f"\n{statement}"
            continue
        match node.test:
            case ast.Compare(left=left, ops=[ast.Eq()]):
                probe = ast.get_source_segment(text, left) or ""
            case _:
                probe = ""
        yield _Case(
            statement, Program(f"{setup}\n{statement}\n{reached} = True\n", result=reached), True, "value", probe
        )


async def _what_happened(case: _Case, outcome: Outcome, sandbox: CodeRunner) -> str:
    """Why a case failed, in words; for `assert f(x) == y`, what `f(x)` gave."""
    if case.probe and outcome.error.startswith("AssertionError"):
        before = case.program.code.rpartition(f"\n{case.label}\n")[0]
        probed = await sandbox.run(Program(before, result=f"repr({case.probe})"), CASE_LIMITS)
        if probed.status == "ok" and probed.value is not None:
            return f"got {_short(str(probed.value))}"
    if case.program.result in outcome.error and outcome.error.startswith("NameError"):
        return "the program ended before the test"
    if outcome.status != "ok":
        return f"{outcome.status}: {_short(outcome.error)}" if outcome.status != "error" else _short(outcome.error)
    if case.field == "stdout":
        return f"printed {_short(outcome.stdout)}"
    try:
        return f"got {_short(repr(outcome.value))}"
    except ValueError:
        return "got an integer too long to be written"


def _plain(value: object) -> object:
    """The value as JSON would give it back: tuples are lists, keys are texts."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {as_key(key): _plain(item) for key, item in value.items()}
    return value


def _json(text: str) -> list[object]:
    try:
        value: list[object] = json.loads(text)
    except ValueError as error:
        raise OperatorError(f"the task's public tests are not JSON: {error}", "bad_tests") from None
    return value


def _short(text: str) -> str:
    shown = text.strip()
    return shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 1]}…"
