"""Revision: do better with what a check has said."""

from flowsteer.draft import Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.solution import NEW_SOLUTION, WORK, write_solution


@operator(category="revision", reads=("plan", *WORK), writes=NEW_SOLUTION, version=3)
async def revise(call: OperatorCall) -> Draft:
    """Write a new solution from the check's feedback.

    Work that a check has passed is kept as it is, without a call: a new solution would be one that nobody has checked.

    Raises:
        OperatorError: `nothing_to_revise`; `no_code`, `bad_reply` or `cut_reply` if the LLM gives no solution.
    """
    require_work(call)
    if call.draft.verdict is not None and call.draft.verdict.passed:
        return call.draft
    return await write_solution(call, "revise")


def require_work(call: OperatorCall) -> None:
    """Make sure that there is something to revise.

    Raises:
        OperatorError: `nothing_to_revise` if there is not.
    """
    if not (call.draft.solution or call.draft.code or call.draft.answer):
        raise OperatorError("there is no solution to revise", "nothing_to_revise", "put a solving step before this one")
