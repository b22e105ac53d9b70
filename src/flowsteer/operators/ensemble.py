"""Ensemble: one result out of several."""

from collections import Counter
from string import ascii_uppercase

from flowsteer.answers.agreement import normalised
from flowsteer.answers.code import canonical
from flowsteer.draft import Candidate, Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.prompting import ask_messages
from flowsteer.operators.reply import ask_record, record
from flowsteer.operators.solution import NEW_SOLUTION, write_solution


@operator(category="ensemble", reads=("candidates",), writes=NEW_SOLUTION)
async def sc_ensemble(call: OperatorCall) -> Draft:
    """Choose the answer most branches agree on.

    An answer that more than half of the candidates give is chosen without asking; else the LLM names the
    candidate that agrees best.

    Raises:
        OperatorError: `no_candidates`; `bad_reply` or `cut_reply` if the LLM names none.
    """
    candidates = given_candidates(call)
    winner, votes = ballot(candidates)[0]
    if 2 * votes > len(candidates):
        return chosen(winner)
    letters = ascii_uppercase[: len(candidates)]
    messages = ask_messages(call, "sc_ensemble", letters=letters)
    fields = await ask_record(call, messages, record(choice={"type": "string", "enum": list(letters)}))
    return chosen(candidates[letters.index(fields["choice"])])


@operator(
    category="ensemble",
    reads=("plan", "subproblems", "candidates", "solution", "code", "output", "answer"),
    writes=NEW_SOLUTION,
    version=2,
)
async def aggregate(call: OperatorCall) -> Draft:
    """Merge branches or sub-answers into one.

    Raises:
        OperatorError: `nothing_to_merge`; `no_code`, `bad_reply` or `cut_reply` if the LLM gives no solution.
    """
    draft = call.draft
    if not (draft.candidates or draft.solution or draft.code or draft.answer):
        raise OperatorError(
            "there is nothing to merge: no candidates and no solution",
            "nothing_to_merge",
            "put solving steps or a parallel before this step",
        )
    return await write_solution(call, "aggregate")


def given_candidates(call: OperatorCall) -> tuple[Candidate, ...]:
    """The candidates that hold anything.

    Raises:
        OperatorError: `no_candidates` if there are none, or more than there are letters.
    """
    candidates = tuple(c for c in call.draft.candidates if c.answer or c.solution or c.code)
    if not candidates:
        raise OperatorError(
            "there are no candidates to choose from", "no_candidates", "put a parallel right before this step"
        )
    if len(candidates) > len(ascii_uppercase):
        raise OperatorError(f"{len(candidates)} candidates are more than {len(ascii_uppercase)}", "too_many_candidates")
    return candidates


def ballot(candidates: tuple[Candidate, ...]) -> list[tuple[Candidate, int]]:
    """The first candidate of each distinct result with its votes, most votes first, then in the order given.

    >>> [(c.source, votes) for c, votes in ballot((Candidate("a", "2"), Candidate("b", "3"), Candidate("c", "3.0")))]
    [('b', 2), ('a', 1)]
    """
    keys = [_spelling(candidate) for candidate in candidates]
    first = dict(reversed(list(zip(keys, candidates, strict=True))))
    return [(first[key], votes) for key, votes in Counter(keys).most_common()]


def _spelling(candidate: Candidate) -> str:
    """What candidates must share to agree: the program where that is the answer, else the answer."""
    if candidate.code and candidate.answer in ("", candidate.code):
        return canonical(candidate.code)
    return normalised(candidate.answer or candidate.solution)


def chosen(candidate: Candidate) -> Draft:
    """The draft that a chosen candidate becomes."""
    return Draft(solution=candidate.solution, code=candidate.code, answer=candidate.answer)
