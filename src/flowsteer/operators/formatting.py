"""Formatting: the answer as the grader wants to read it."""

from functools import partial

from flowsteer.answers.short_form import has_form, still_says
from flowsteer.draft import Draft
from flowsteer.errors import OperatorError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.prompting import answer_form, ask_messages
from flowsteer.operators.reasoning import read_short
from flowsteer.operators.reply import ask_record, record, text_field
from flowsteer.operators.solution import read_code


@operator(
    category="formatting", reads=("solution", "code", "output", "answer"), writes=("answer",), name="Format", version=3
)
async def format_answer(call: OperatorCall) -> Draft:
    """Reduce the answer to the form that is graded.

    Code is taken out of the draft, and an answer that has the form is passed on, without asking an LLM. What the LLM
    makes of another one is taken only where it can be the same answer: shortened, never solved again.

    Raises:
        OperatorError: `nothing_to_format`; `no_code` if a code task's draft holds no code that parses;
            `bad_reply` or `cut_reply` if the LLM gives no answer.
    """
    draft = call.draft
    if not (draft.solution or draft.code or draft.answer):
        raise OperatorError("there is no answer to format", "nothing_to_format", "put a solving step before this one")
    if call.task.type == "code":
        return Draft(answer=_code(call))
    form = answer_form(call.task)
    if has_form(draft.answer, call.task, form):
        return Draft(answer=draft.answer)
    fields = await ask_record(
        call, ask_messages(call, "format"), record(answer=text_field(call, 0.8)), partial(read_short, call)
    )
    short: str = fields["answer"]
    kept = draft.answer and not still_says(short, draft.answer, call.task, form)
    return Draft(answer=draft.answer if kept else short)


def _code(call: OperatorCall) -> str:
    """The first code that parses among code, answer and solution."""
    texts = [text for text in (call.draft.code, call.draft.answer, call.draft.solution) if text]
    for text in texts[:-1]:
        try:
            return read_code(call, text)
        except OperatorError:
            continue  # the next field may hold the code; the last one's error is raised
    return read_code(call, texts[-1])
