"""Verification: is the answer right? A check that cannot tell fails with a reason and claims nothing."""

import re

from flowsteer.answers.agreement import as_number, same_answer
from flowsteer.answers.value import math_value
from flowsteer.draft import Draft, Verdict
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.judgement import judge_work, read_confidence
from flowsteer.operators.prompting import ask_messages
from flowsteer.operators.public_tests import PublicTestReport, no_tests, run_tests
from flowsteer.operators.reasoning import reason
from flowsteer.operators.reply import ask_record, record
from flowsteer.operators.solution import ask_code, read_code

REPAIRS = 3
"""How often Test asks for better code (spec §4). The first time it shows the faulty code and what that does. Small LLMs
repeat a program that they are shown, so the other times they draw anew, which pays with large ones, too (Olausson et
al. 2023, "Is Self-Repair a Silver Bullet for Code Generation?", arXiv 2306.09896)."""

_NUMERIC = re.compile(r"\d|\\")
"""A digit, or a sign of LaTeX such as pi's."""


@operator(category="verification", reads=("code", "answer"), writes=("code", "verdict", "answer"), version=3)
async def test(call: OperatorCall) -> Draft:
    """Run the public tests and repair the code.

    The code that passed most is kept, the earliest of equals; the verdict speaks of that code. A task without
    public tests fails this step: nothing was tested, so nothing is claimed.

    Raises:
        OperatorError: `no_tests`; `nothing_to_check` or `no_code` if there is no code that parses; `bad_tests`;
            `sandbox_unsupported`.
    """
    code, report = await _tested(call, call.draft.code or call.draft.answer)
    messages = ask_messages(call, "fix_tests", Draft(code=code), failures="\n".join(report.failures))
    for _ in range(REPAIRS):
        if report.ok:
            break
        try:
            _, text = await ask_code(call, messages)
        except OperatorError:
            pass  # The LLM has no other code to offer this time.
        else:
            tried, of_it = await _tested(call, text)
            if of_it.passed > report.passed:
                code, report = tried, of_it
        messages = ask_messages(call, "custom", Draft())
        call.draw_again()
    return Draft(code=code, answer=code, verdict=_verdict(report, call.operator.name))


async def public_verdict(call: OperatorCall, text: str) -> Verdict:
    """What the task's public tests say of the code in a text.

    Raises:
        OperatorError: As `test`.
    """
    _, report = await _tested(call, text)
    return _verdict(report, call.operator.name)


async def _tested(call: OperatorCall, text: str) -> tuple[str, PublicTestReport]:
    """The code in a text, and what the public tests say of it."""
    tests = call.task.public_tests
    if call.task.type != "code" or tests is None:
        raise no_tests()
    if not text:
        raise nothing_to_check()
    code = read_code(call, text)
    return code, await run_tests(code, tests, call.sandbox, call.task.entry_point)


def _verdict(report: PublicTestReport, by: str) -> Verdict:
    count = f"{report.passed} of {report.total} public tests passed"
    return Verdict(report.ok, "\n".join((count, *report.failures)), by=by)


@operator(category="verification", reads=("solution", "code", "output", "answer"), writes=("verdict",), version=3)
async def review(call: OperatorCall) -> Draft:
    """Criticise the work: pass or fail.

    Raises:
        OperatorError: `nothing_to_check`; `bad_reply` or `cut_reply` if the LLM gives no verdict.
    """
    if not (call.draft.solution or call.draft.code or call.draft.answer):
        raise nothing_to_check()
    said = await judge_work(call, ask_messages(call, "review"))
    return Draft(verdict=Verdict(said.passed, said.words, by=call.operator.name))


@operator(category="verification", reads=("answer",), writes=("verdict",), version=3)
async def verify(call: OperatorCall) -> Draft:
    """Solve again and compare: pass or fail.

    The verdict has the confidence that the LLM states. The LLM that solves again sees neither the answer nor the work
    behind it. Answers that are plainly equal, or two different numbers, are compared without it; only where words may
    mean the same is it asked once more.
    Programs cannot be compared by their text: for code tasks the code is traced on an example instead.

    Raises:
        OperatorError: `nothing_to_check`; `bad_reply` or `cut_reply` if the LLM gives no answer that can be compared.
    """
    if not call.draft.answer:
        raise nothing_to_check()
    if call.task.type == "code":
        said = await judge_work(call, ask_messages(call, "verify", Draft(code=call.draft.answer)))
        return Draft(verdict=Verdict(said.passed, said.words, said.confidence, call.operator.name))
    found = await reason(call, ask_messages(call, "verify"))
    passed = await _agree(call, found.answer)
    feedback = f"Solving it again gives {found.answer}{', too' if passed else f', not {call.draft.answer}'}."
    return Draft(verdict=Verdict(passed, feedback, read_confidence(found.text), call.operator.name))


async def _agree(call: OperatorCall, own: str) -> bool:
    """Whether the LLM's own answer and the proposed one are the same.

    Raises:
        OperatorError: `bad_reply` if a number was proposed and the LLM's own answer holds none.
    """
    proposed = call.draft.answer
    if call.task.type == "math":
        own, proposed = math_value(own), math_value(proposed)
        if as_number(proposed) is not None and not _NUMERIC.search(own):
            raise OperatorError(f"solving it again gave {own!r}, which is no number to compare", "bad_reply")
    same = same_answer(own, proposed)
    if same is None:
        fields = await ask_record(call, ask_messages(call, "compare", own=own), record(same={"type": "boolean"}))
        same = bool(fields["same"])
    return same


def nothing_to_check() -> OperatorError:
    """The typed failure of a check that has nothing to look at."""
    return OperatorError("there is no answer to check", "nothing_to_check", "put a solving step before this one")
