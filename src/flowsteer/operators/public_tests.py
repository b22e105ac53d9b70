"""Running a task's public tests on a program in the sandbox.

What decides is never in the program's own process. Asserts run in another one, where the program's functions are calls
across (`flowsteer.sandbox.pair`), as hidden tests do; what a call returned or a program printed is compared here. What
a program says of itself proves nothing, and leaving early (`sys.exit(0)`) does not pass.
"""

import ast
import builtins
import json
from collections.abc import Iterator
from dataclasses import dataclass

from flowsteer.answers.code import defined_names
from flowsteer.answers.code_blocks import statements
from flowsteer.case_json import as_key
from flowsteer.errors import OperatorError
from flowsteer.operators.base import CodeRunner
from flowsteer.sandbox.base import Outcome, Program, SandboxLimits
from flowsteer.sandbox.pair import Caller, PairOutcome, free_names
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


async def run_tests(
    code: str, tests: PublicTests, sandbox: CodeRunner, entry_point: str | None = None
) -> PublicTestReport:
    """Run every public test on the code.

    Several asserts are first run as one program; only if that does not end well is each run anew.

    Args:
        code: A whole module or program.
        tests: The task's public tests.
        sandbox: Where it runs.
        entry_point: The function that the task asks for, whose name may be that of a built-in one.

    Raises:
        OperatorError: `no_tests` if there is no case, `bad_tests` if they are not Python or not JSON, or
            `sandbox_unsupported` if this tier cannot run the code, which then neither passed nor failed.
        SandboxError: The sandbox broke.
    """
    cases: list[_Case | _Assert] = [*_cases(code, tests, entry_point)]
    if not cases:
        raise no_tests()
    if len(cases) > 1 and isinstance(last := cases[-1], _Assert) and await last.passes_with_all_before(sandbox):
        return PublicTestReport(len(cases), ())
    problems = [(case.label, await case.problem(sandbox)) for case in cases]
    return PublicTestReport(len(cases), tuple(f"{label}: {problem}" for label, problem in problems if problem))


def no_tests() -> OperatorError:
    """The typed failure where there is nothing to run, so nothing is claimed."""
    return OperatorError("the task has no public tests", "no_tests", "check the code with Review or Verify instead")


def unsupported(outcome: Outcome | PairOutcome) -> OperatorError:
    """The typed failure where the sandbox tier cannot run the code."""
    return OperatorError(
        f"the sandbox tier {outcome.tier!r} cannot run this code: {outcome.error}",
        "sandbox_unsupported",
        "choose a stronger sandbox: bubblewrap or container",
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """A program, what it is to print or return, and how to say it."""

    label: str
    program: Program
    expected: object
    field: str

    async def problem(self, sandbox: CodeRunner) -> str:
        """What went wrong, in words; empty if it passes.

        Raises:
            OperatorError: `sandbox_unsupported`.
        """
        outcome = await sandbox.run(self.program, CASE_LIMITS)
        if outcome.status != "ok":
            return _failure(outcome)
        if self.field == "stdout":
            return "" if outcome.stdout.split() == self.expected else f"printed {_short(outcome.stdout)}"
        if _plain(outcome.value) == self.expected:
            return ""
        try:
            return f"got {_short(repr(outcome.value))}"
        except ValueError:
            return "got an integer too long to be written"


@dataclass(frozen=True, slots=True)
class _Assert:
    """An assert, and the statements before it: those that are no asserts (imports, data), and all.

    Attributes:
        code: The program that it tests.
        label: The assert.
        probe: The expression whose value an `assert f(x) == y` is about; empty for any other.
        setup: The statements that it needs.
        before: All statements before it.
        entry_point: See `run_tests`.
    """

    code: str
    label: str
    probe: str
    setup: tuple[str, ...]
    before: tuple[str, ...]
    entry_point: str | None

    async def passes_with_all_before(self, sandbox: CodeRunner) -> bool:
        """Whether all tests up to this one pass, one after the other in one program."""
        return (await self._run(sandbox, self.before)).status == "ok"

    async def problem(self, sandbox: CodeRunner) -> str:
        """What went wrong, in words; empty if it passes. For `assert f(x) == y` it is what `f(x)` gave.

        Raises:
            OperatorError: `sandbox_unsupported`.
        """
        outcome = await self._run(sandbox, self.setup)
        if outcome.status == "ok":
            return ""
        if self.probe and outcome.error.startswith("AssertionError"):
            before = "\n".join((self.code, *self.setup))
            probed = await sandbox.run(Program(before, result=f"repr({self.probe})"), CASE_LIMITS)
            if probed.status == "ok" and probed.value is not None:
                return f"got {_short(str(probed.value))}"
        return _failure(outcome)

    async def _run(self, sandbox: CodeRunner, before: tuple[str, ...]) -> PairOutcome:
        tests = "\n".join((*before, self.label))
        names = free_names(tests) - (frozenset(dir(builtins)) - {self.entry_point})
        modules = _modules(self.code, names)
        caller = Caller(tuple(sorted(names - modules.keys())), "".join(modules.values()), tests)
        return await sandbox.run_pair(caller, Program(self.code), CASE_LIMITS)


def _modules(code: str, names: frozenset[str]) -> dict[str, str]:
    """The imports of modules by which code gives these names; tests that use a module use it on their own side."""
    found: dict[str, str] = {}
    for alias in (alias for node in statements(code) if isinstance(node, ast.Import) for alias in node.names):
        name = alias.asname or alias.name.partition(".")[0]
        if name in names:
            found[name] = f"{found.get(name, '')}import {ast.unparse(alias)}\n"
    return found


def _cases(code: str, tests: PublicTests, entry_point: str | None) -> Iterator[_Case | _Assert]:
    match tests:
        case AssertTests(code=text):
            yield from _asserts(code, text, entry_point)
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


def _asserts(code: str, text: str, entry_point: str | None) -> Iterator[_Assert]:
    try:
        free_names(text)
    except (SyntaxError, ValueError) as error:
        raise OperatorError(f"the task's public tests are not Python: {error}", "bad_tests") from None
    setup: list[str] = []
    before: list[str] = []
    for node in ast.parse(text).body:
        statement = ast.get_source_segment(text, node) or ""
        if not isinstance(node, ast.Assert):
            setup.append(statement)
        else:
            match node.test:
                case ast.Compare(left=left, ops=[ast.Eq()]):
                    probe = ast.get_source_segment(text, left) or ""
                case _:
                    probe = ""
            yield _Assert(code, statement, probe, tuple(setup), tuple(before), entry_point)
        before.append(statement)


def _failure(outcome: Outcome | PairOutcome) -> str:
    """Why a run did not end well, in words.

    Raises:
        OperatorError: `sandbox_unsupported`.
    """
    if outcome.status == "unsupported":
        raise unsupported(outcome)
    error = _short(outcome.error)
    return error if outcome.status == "error" else f"{outcome.status}: {error}"


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
