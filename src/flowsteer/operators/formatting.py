"""Formatting: the answer as the grader wants to read it."""

from flowsteer.draft import Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.prompting import ask_messages
from flowsteer.operators.reply import ask_record, record, text_field
from flowsteer.operators.solution import read_code, read_short


@operator(category="formatting", reads=("solution", "code", "output", "answer"), writes=("answer",), name="Format")
async def format_answer(call: OperatorCall) -> Draft:
    """Reduce the answer to the form that is graded.

    Code is taken out of the draft without asking. Else the LLM is always asked, even where the answer is short
    already: the form may differ (an option letter for a value), and the Director's instruction must reach it.

    Raises:
        OperatorError: `nothing_to_format`; `no_code` if a code task's draft holds no code that parses;
            `bad_reply` or `cut_reply` if the LLM gives no answer.
    """
    draft = call.draft
    if not (draft.solution or draft.code or draft.answer):
        raise OperatorError("there is no answer to format", "nothing_to_format", "put a solving step before this one")
    if call.task.type == "code":
        return Draft(answer=_code(call))
    fields = await ask_record(call, ask_messages(call, "format"), record(answer=text_field(call, 0.8)), read_short)
    return Draft(answer=fields["answer"])


def _code(call: OperatorCall) -> str:
    """The first code that parses among code, answer and solution."""
    texts = [text for text in (call.draft.code, call.draft.answer, call.draft.solution) if text]
    for text in texts[:-1]:
        try:
            return read_code(call, text)
        except OperatorError:
            continue  # the next field may hold the code; the last one's error is raised
    return read_code(call, texts[-1])
