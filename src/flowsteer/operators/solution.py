"""A new solution from one free reply of the LLM: what most solving, revising and merging operators share."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from flowsteer.answers.code import solution_code
from flowsteer.answers.code_blocks import syntax_error
from flowsteer.answers.thinking import without_thinking
from flowsteer.backends.base import Message, Reply
from flowsteer.draft import Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall
from flowsteer.operators.prompting import ask_messages, follow_up, render
from flowsteer.operators.reasoning import reason
from flowsteer.operators.reply import RETRIES, bad_reply

Result = TypeVar("Result")

NEW_SOLUTION = ("solution", "code", "output", "candidates", "verdict", "answer")
"""What a new solution replaces: an old verdict, old candidates or old code would speak of another answer."""

WORK = ("solution", "code", "output", "answer", "verdict")
"""The work so far, as an operator reads it that improves on it."""


async def write_solution(call: OperatorCall, template: str) -> Draft:
    """Ask for a solution in free text (math, qa) or in code, and read the answer out of it.

    Args:
        call: The call.
        template: The operator's prompt.

    Raises:
        OperatorError: `no_code`, `bad_reply` or `cut_reply` if the one retry brings none either.
        BackendUnavailable: The backend is gone.
        BackendRejected: The request was refused.
    """
    messages = ask_messages(call, template)
    if call.task.type == "code":
        text, code = await ask_code(call, messages)
        return Draft(solution=text.partition("```")[0].strip() if "```" in text else "", code=code, answer=code)
    found = await reason(call, messages, last_sentence=True)
    return Draft(solution=found.text or found.answer, answer=found.answer)


async def ask_code(call: OperatorCall, messages: tuple[Message, ...]) -> tuple[str, str]:
    """Ask for code that parses, with one counted retry that says what was wrong.

    Returns:
        The reply without thinking, and its code, completed to a whole module.

    Raises:
        OperatorError: `no_code`, or `cut_reply` when the reply ran into the token limit.
        BackendUnavailable: The backend is gone.
        BackendRejected: The request was refused.
    """

    async def parse(reply: Reply) -> tuple[str, str]:
        return without_thinking(reply.text), code_of_reply(call, reply)

    return await ask_until(call, messages, RETRIES + 1, parse)


async def ask_until(
    call: OperatorCall, messages: tuple[Message, ...], rounds: int, use: Callable[[Reply], Awaitable[Result]]
) -> Result:
    """Ask for code until `use` accepts a reply, telling the LLM each time what was wrong.

    Args:
        call: The call; a reply without code counts among its retries.
        messages: The conversation so far.
        rounds: Most replies.
        use: Makes the result of a reply, or raises an `OperatorError`.

    Raises:
        OperatorError: What `use` raised in the last round.
        BackendUnavailable: The backend is gone.
        BackendRejected: The request was refused.
    """
    for round_left in reversed(range(rounds)):
        reply = await call.ask(messages)
        try:
            return await use(reply)
        except OperatorError as error:
            if not round_left:
                raise
            call.retries += error.kind in ("no_code", "cut_reply")
            remark = render("repair_code", problem=error.message, cut=error.kind == "cut_reply")
            messages = follow_up(messages, without_thinking(reply.text), remark)
    raise AssertionError("unreachable: the last round returns or raises")


def code_of_reply(call: OperatorCall, reply: Reply) -> str:
    """The code in a reply, completed to a whole module.

    Raises:
        OperatorError: `no_code`; `cut_reply` if the token limit cut the code, even if what is left of it parses.
    """
    fences = reply.text.count("```")
    if reply.finish == "length" and (fences == 0 or fences % 2):
        raise bad_reply(call, reply, "the code has no end")
    return read_code(call, without_thinking(reply.text))


def read_code(call: OperatorCall, text: str) -> str:
    """The code in a text, completed to a whole module.

    Raises:
        OperatorError: `no_code` if there is none, or none that parses.
    """
    code = solution_code(text, call.task)
    if not code:
        raise OperatorError("there is no Python code in the text", "no_code")
    problem = syntax_error(code)
    if problem:
        raise OperatorError(f"the code does not parse: {problem}", "no_code")
    return code
