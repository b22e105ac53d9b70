"""Solving: from the question to an answer."""

from flowsteer.answers.uncomputed import gives_a_number_uncomputed
from flowsteer.backends.base import Reply
from flowsteer.draft import Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.prompting import ask_messages
from flowsteer.operators.reasoning import reason
from flowsteer.operators.running import answer_of, run_program
from flowsteer.operators.solution import (
    NEW_SOLUTION,
    WORK,
    ask_until,
    code_of_reply,
    write_solution,
)

ROUNDS = 3
"""How often Programmer writes code: once, and at most two repairs (spec §4)."""


@operator(
    category="solving", reads=("plan", "subproblems", "code", "answer", "verdict"), writes=NEW_SOLUTION, version=2
)
async def programmer(call: OperatorCall) -> Draft:
    """Write Python and run it; the answer is its result.

    For math and qa the answer is what `solve()` returns, else the last line printed. A program for math that only gives
    a number, worked out elsewhere, is asked once to compute it. For code tasks the run only shows that the code loads
    (or, for a whole program, that it survives the first public input): no test is claimed. Earlier code and answer are
    shown to the LLM only together with the fault a check found in them.

    Raises:
        OperatorError: `no_code` or `code_failed` if no round ends well; `sandbox_unsupported` if the answer needs
            a run that this sandbox tier cannot do.
    """
    reminded = False
    faulty = call.draft.verdict is not None and not call.draft.verdict.passed
    shown = call.draft if faulty else call.draft.only(("plan", "subproblems"))

    async def run(reply: Reply) -> Draft:
        nonlocal reminded
        code = code_of_reply(call, reply)
        if call.task.type == "math" and not reminded and gives_a_number_uncomputed(code):
            reminded = True  # said once: some questions ask for no computation
            raise OperatorError("it computes nothing, it only gives a number: let Python compute it", "code_failed")
        output = await run_program(call, code)
        return Draft(code=code, output=output, answer=code if call.task.type == "code" else answer_of(output))

    return await ask_until(call, ask_messages(call, "programmer", shown), ROUNDS, run)


@operator(
    category="solving",
    reads=("plan", "subproblems", "candidates", *WORK),
    writes=NEW_SOLUTION,
    version=2,
)
async def custom(call: OperatorCall) -> Draft:
    """Follow a free instruction in words.

    Raises:
        OperatorError: `no_code`, `bad_reply` or `cut_reply` if the LLM gives no solution.
    """
    return await write_solution(call, "custom")


@operator(category="solving", reads=("plan", "subproblems", *WORK), writes=NEW_SOLUTION, version=2)
async def answer_generate(call: OperatorCall) -> Draft:
    """Reason step by step, then give a short final answer.

    Raises:
        OperatorError: `bad_reply` or `cut_reply`; for code tasks `no_code`.
    """
    if call.task.type == "code":
        return await write_solution(call, "answer_generate")
    found = await reason(call, ask_messages(call, "answer_generate"))
    return Draft(solution=found.steps, answer=found.answer)
