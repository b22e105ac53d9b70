"""Code: right is what passes the dataset's own tests, run where the solution cannot reach them.

HumanEval, MBPP, call-based and stdin/stdout APPS and DS-1000 each keep tests and solution in different processes; only
values cross. Monty runs first, which is quick. What passes there is run again under full Python, in sandboxes that
serve many programs, and is right if it passes there too. Whatever does not pass both is run under full Python in
sandboxes of its own, and that verdict counts: Monty's Python is not the language that a solution is written in.
"""

import asyncio
from collections.abc import Awaitable, Callable

from flowsteer.datasets.base import ProgramTests, Sample
from flowsteer.errors import GraderError, SandboxError
from flowsteer.grading.base import Grade, unscorable, wrong
from flowsteer.grading.code_asserts import run_asserts
from flowsteer.grading.code_cases import run_calls, run_stdio
from flowsteer.grading.code_science import run_science
from flowsteer.grading.code_source import solution_source
from flowsteer.grading.code_verdict import CodeVerdict
from flowsteer.sandbox.base import SandboxLimits
from flowsteer.sandbox.connect import find_full_python, shared
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.sandbox.pair import PairSandbox
from flowsteer.task import CallTests, StdioTests

LIMITS = SandboxLimits(seconds=10.0, memory_mb=1024)
"""What a solution may use: for HumanEval, MBPP and call-based APPS in all, for a program on one case."""


class Sandboxes:
    """Where solutions run: quickly, and under full Python.

    Args:
        quick: Tried first; None to run everything under full Python at once.
        find_full: Finds full Python; raises `SandboxError` if there is none.
    """

    def __init__(
        self,
        quick: PairSandbox | None = None,
        find_full: Callable[[], Awaitable[PairSandbox]] = find_full_python,
    ) -> None:
        self.quick = quick
        self._find_full = find_full
        self._finding = asyncio.Lock()
        self._full: PairSandbox | None = None
        self._shared: PairSandbox | None = None

    async def full(self) -> PairSandbox:
        """Full Python, a sandbox for each program.

        Raises:
            SandboxError: If there is none here.
        """
        async with self._finding:
            if self._full is None:
                self._full = await self._find_full()
                self._shared = shared(self._full)
            return self._full

    async def shared(self) -> PairSandbox:
        """Full Python for what has passed in the quick sandbox; see `flowsteer.sandbox.shared`.

        Raises:
            SandboxError: If there is none here.
        """
        full = await self.full()
        return self._shared or full

    async def aclose(self) -> None:
        """End all worker processes."""
        every = (self.quick, self._shared, self._full)
        await asyncio.gather(*(sandbox.aclose() for sandbox in every if sandbox is not None))


def connect_sandboxes() -> Sandboxes:
    """Monty, then the quickest full Python that works here."""
    return Sandboxes(MontySandbox())


async def grade_code(sample: Sample, answer: str, sandboxes: Sandboxes, limits: SandboxLimits = LIMITS) -> Grade:
    """Grade an answer to a code task by its hidden tests.

    Args:
        sample: A sample whose reference has tests.
        answer: A program, a function or the body of one, with or without a Markdown fence around it.
        sandboxes: Where solution and tests run.
        limits: What a solution may use (DS-1000 has limits of its own).

    Returns:
        Score 1 or 0 and the metrics `pass@1` and, where some cases are public, `pass@1_hidden`, without those, and for
        APPS `pass@1_exact`, where no number differs a little; `uncrossable` where that is why it is wrong; or
        unscorable, if no sandbox works here or the tests themselves fail.
    """
    if sample.reference.tests is None:
        return unscorable("the sample has no tests")
    solution = solution_source(sample, answer)
    if not solution:
        return wrong("there is no code in the answer")
    quick = None if isinstance(sample.reference.tests, ProgramTests) else sandboxes.quick
    try:
        if quick and await _passes(quick, sample, solution, limits):
            grade = await _grade_in(await sandboxes.shared(), sample, solution, limits)
            if grade.score == 1.0:
                return grade
        return await _grade_in(await sandboxes.full(), sample, solution, limits)
    except SandboxError as error:
        return unscorable(f"{error.message} ({error.hint})" if error.hint else error.message)


async def _passes(sandbox: PairSandbox, sample: Sample, solution: str, limits: SandboxLimits) -> bool:
    return (await _grade_in(sandbox, sample, solution, limits)).score == 1.0


async def _grade_in(sandbox: PairSandbox, sample: Sample, solution: str, limits: SandboxLimits) -> Grade:
    try:
        return (await _verdict(sandbox, sample, solution, limits)).grade
    except SandboxError as error:
        return unscorable(f"{error.message} ({error.hint})" if error.hint else error.message)
    except GraderError as error:
        return unscorable(error.message)


async def _verdict(sandbox: PairSandbox, sample: Sample, solution: str, limits: SandboxLimits) -> CodeVerdict:
    task, tests = sample.task, sample.reference.tests
    match tests:
        case ProgramTests(code=program):
            return await run_science(solution, program, sandbox)
        case StdioTests():
            return await run_stdio(solution, tests, task.public_tests, sandbox, limits)
        case CallTests():
            return await run_calls(solution, tests, task.public_tests, sandbox, limits)
        case _:
            assert tests is not None  # noqa: S101  # checked by the caller
            return await run_asserts(solution, tests.code, task, sandbox, limits)
