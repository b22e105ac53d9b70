"""A second library: operators that are tools, and ask an LLM only for what a tool cannot do.

All six categories are covered, so rules, rewards and Directors work with it unchanged, alone or as `paper+tools`.
"""

from typing import Any

from flowsteer.answers.agreement import as_number, normalised, same_answer
from flowsteer.answers.extract import final_answer, marked_answer, tidy
from flowsteer.backends.base import Reply
from flowsteer.draft import Draft, Verdict
from flowsteer.errors import OperatorError
from flowsteer.operators.arithmetic import PRELUDE, check_expression, equation_program
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.ensemble import ballot, chosen, given_candidates
from flowsteer.operators.planning import write_plan
from flowsteer.operators.prompting import ask_messages
from flowsteer.operators.public_tests import unsupported
from flowsteer.operators.reasoning import reason
from flowsteer.operators.registry import Library
from flowsteer.operators.reply import BadReply, Schema, ask_record, parse_record, record, text_field
from flowsteer.operators.retrieval import passages, rank, words
from flowsteer.operators.revision import require_work
from flowsteer.operators.running import RUN_LIMITS, answer_of, run_program
from flowsteer.operators.solution import NEW_SOLUTION, WORK, write_solution
from flowsteer.operators.verification import nothing_to_check, public_verdict
from flowsteer.sandbox.base import Program

TOP = 3
"""How many passages Retrieve keeps."""


@operator(category="planning", reads=("subproblems",), writes=("plan",))
async def outline(call: OperatorCall) -> Draft:
    """List what is given and what is asked, and name the tool for each step.

    Raises:
        OperatorError: `empty_reply` if nothing came back.
    """
    return await write_plan(call, "outline")


@operator(category="planning", reads=("subproblems",), writes=("plan",))
async def retrieve(call: OperatorCall) -> Draft:
    """Pick the passages of the context that bear on the question (BM25); the instruction adds search words.

    Raises:
        OperatorError: `no_context`, or `nothing_found` if no passage shares a word with the question.
    """
    texts = passages(call.task.context)
    if not texts:
        raise OperatorError("the task has no context to search", "no_context", "use a solving step instead")
    query = " ".join((call.task.question, *call.draft.subproblems, call.prompt))
    found = sorted(index for score, index in rank(query, texts)[:TOP] if score > 0)
    if not found:
        raise OperatorError("no passage shares a word with the question", "nothing_found")
    return Draft(plan="\n\n".join(texts[index] for index in found))


@operator(category="solving", reads=("plan", "subproblems"), writes=NEW_SOLUTION, version=2)
async def calculator(call: OperatorCall) -> Draft:
    """Put the question into one arithmetic expression and compute it exactly as written.

    Raises:
        OperatorError: `bad_reply` or `cut_reply` if the LLM gives no arithmetic; `code_failed` if it has no value.
    """
    schema = record(expression=text_field(call, 0.8))
    fields = await ask_record(call, ask_messages(call, "calculator"), schema, _read_expression)
    value = await _value(call, PRELUDE, fields["expression"])
    return Draft(solution=f"{fields['expression']} = {value}", output=value, answer=value)


@operator(category="solving", reads=("plan", "subproblems"), writes=NEW_SOLUTION, version=2)
async def equation(call: OperatorCall) -> Draft:
    """Put the question into one equation with one unknown and solve it numerically.

    Raises:
        OperatorError: `bad_reply` or `cut_reply` if the LLM gives no equation; `no_solution`; `code_failed`.
    """
    schema = record(equation=text_field(call, 0.8))
    fields = await ask_record(call, ask_messages(call, "equation"), schema, _read_equation)
    roots = await _value(call, fields["program"], "', '.join([str(round(x, 10) + 0.0) for x in solve()])")
    if not roots:
        raise OperatorError(f"no solution found for {fields['equation']}", "no_solution")
    answer = ", ".join(answer_of(root) for root in roots.split(", "))
    return Draft(solution=f"{fields['equation']}, solved: {answer}", output=answer, answer=answer)


@operator(category="solving", reads=("plan",), writes=NEW_SOLUTION, name="Answer", version=2)
async def answer_from_passages(call: OperatorCall) -> Draft:
    """Answer from the passages that Retrieve kept, leaving the rest of the context unread.

    Raises:
        OperatorError: `nothing_to_read` if there are no passages; `bad_reply` or `cut_reply`.
    """
    if not call.draft.plan:
        raise OperatorError("there are no passages to answer from", "nothing_to_read", "put Retrieve before this step")
    found = await reason(call, ask_messages(call, "answer"))
    return Draft(solution=found.steps, answer=found.answer)


@operator(category="verification", reads=("code", "answer"), writes=("verdict",))
async def cross_check(call: OperatorCall) -> Draft:
    """Check the answer by evidence alone: public tests, a new run of the code, or the words of the context.

    Raises:
        OperatorError: `nothing_to_check`; `no_evidence` if there is nothing to hold the answer against;
            `no_tests`, `code_failed` or `sandbox_unsupported` from the run.
    """
    if not call.draft.answer:
        raise nothing_to_check()
    if call.task.type == "code":
        return Draft(verdict=await public_verdict(call, call.draft.code or call.draft.answer))
    if call.draft.code:
        again = answer_of(await run_program(call, call.draft.code))
        return Draft(
            verdict=_verdict(call, bool(same_answer(again, call.draft.answer)), f"Running the code gives {again}")
        )
    if call.task.context:
        found = f" {' '.join(words(normalised(call.draft.answer)))} " in f" {' '.join(words(call.task.context))} "
        return Draft(
            verdict=_verdict(call, found, f"The context {'says' if found else 'does not say'} it in these words")
        )
    raise OperatorError(
        "there is neither code nor context to hold the answer against", "no_evidence", "use a checker that reasons"
    )


@operator(category="revision", reads=WORK, writes=NEW_SOLUTION, version=2)
async def repair(call: OperatorCall) -> Draft:
    """Change only what the last check found wrong, and keep the rest.

    Raises:
        OperatorError: `nothing_to_revise`; `no_code`, `bad_reply` or `cut_reply` if the LLM gives no solution.
    """
    require_work(call)
    return await write_solution(call, "repair")


@operator(category="ensemble", reads=("candidates",), writes=NEW_SOLUTION)
async def vote(call: OperatorCall) -> Draft:
    """Take the result that most candidates share, the earliest of equals; no LLM is asked.

    Raises:
        OperatorError: `no_candidates`.
    """
    return chosen(ballot(given_candidates(call))[0][0])


@operator(category="formatting", reads=("solution", "answer"), writes=("answer",))
async def shorten(call: OperatorCall) -> Draft:
    """Cut the answer down to its marked part or its number by rule; no LLM is asked.

    Raises:
        OperatorError: `nothing_to_format`.
    """
    text = call.draft.answer or call.draft.solution
    if not text:
        raise OperatorError("there is no answer to shorten", "nothing_to_format", "put a solving step before this one")
    if call.task.type == "code":
        return Draft(answer=text)
    short = marked_answer(text) or (tidy(text) if "\n" not in text else final_answer(text))
    if call.task.type == "math":
        numbers = [word for word in short.split() if as_number(word.strip(",;:")) is not None]
        short = numbers[0].strip(",;:") if len(numbers) == 1 else short
    return Draft(answer=short)


def _read_expression(reply: Reply, schema: Schema) -> dict[str, Any]:
    fields = parse_record(reply.text, schema)
    try:
        # Many models add the value: what stands after `=` is dropped, and computed here.
        return {"expression": check_expression(fields["expression"].partition("=")[0])}
    except ValueError as error:
        raise BadReply(str(error)) from None


def _read_equation(reply: Reply, schema: Schema) -> dict[str, Any]:
    fields = parse_record(reply.text, schema)
    try:
        return fields | {"program": equation_program(fields["equation"])}
    except ValueError as error:
        raise BadReply(str(error)) from None


async def _value(call: OperatorCall, code: str, expression: str) -> str:
    """The text of an expression's value, computed in the sandbox."""
    outcome = await call.sandbox.run(Program(code, result=f"str({expression})"), RUN_LIMITS)
    if outcome.status == "unsupported":
        raise unsupported(outcome)
    if outcome.status != "ok":
        raise OperatorError(outcome.error or outcome.status, "code_failed")
    return answer_of(str(outcome.value))


def _verdict(call: OperatorCall, passed: bool, evidence: str) -> Verdict:
    return Verdict(passed, f"{evidence}.", by=call.operator.name)


LIBRARY = Library.of(
    "tools",
    (outline, retrieve, calculator, equation, answer_from_passages, cross_check, repair, vote, shorten),
)
"""What the entry point `tools` loads."""
