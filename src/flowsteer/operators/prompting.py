"""From a template and a call to the messages an LLM gets.

Every prompt is one user message that starts with the task (context, then question), letter for letter the same
for all operators, so that a server's prefix cache serves every node of a workflow. What the operator reads of
the draft comes next, then what to do, the Director's instruction, and the form of the reply. The layout is
`prompts/_layout.jinja`; a field that is empty leaves no heading.
"""

import ast
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from flowsteer.answers.code_blocks import syntax_error
from flowsteer.backends.base import Message
from flowsteer.draft import Draft
from flowsteer.operators.base import OperatorCall
from flowsteer.task import AssertTests, CallTests, StdioTests, Task

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MAX_EXAMPLES = 3
"""Most public tests shown as examples."""

MAX_EXAMPLE_CHARS = 600
"""A public test longer than this is not shown: it would push the question out of a small model's sight."""

CACHED = 128
"""How many tasks' public tests are kept as they were read: every operator of a task's workflows shows them."""

_FORMS = {"math": "the number or expression alone", "qa": "a few words, no sentence", "code": "Python code"}


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(  # noqa: S701 (prompts are plain text, not HTML)
        loader=PackageLoader("flowsteer.operators", "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _template(name: str) -> "Template":
    return _environment().get_template(f"{name}.jinja")


def render(template: str, **fields: object) -> str:
    """Fill a template of `operators/prompts/`. Values are data: template syntax inside them is left as it is.

    Args:
        template: File name without its ending.
        **fields: What the template names; a missing one is an error, not an empty string.

    Raises:
        jinja2.UndefinedError: If the template names a field that is not given.
    """
    return _template(template).render(fields).rstrip()


def ask_messages(
    call: OperatorCall, template: str, draft: Draft | None = None, **fields: object
) -> tuple[Message, ...]:
    """The opening message of an operator: task, draft, order, the Director's instruction, form of the reply.

    Args:
        call: The call; its task, draft and instruction are given to the template.
        template: File name without its ending.
        draft: Shown in place of the call's draft.
        **fields: What this very template names besides.
    """
    text = render(
        template,
        task=call.task,
        draft=call.draft if draft is None else draft,
        instruction=call.prompt.strip(),
        examples=examples(call.task),
        answer_form=answer_form(call.task),
        stdio=isinstance(call.task.public_tests, StdioTests),
        **fields,
    )
    return (Message("user", text),)


def follow_up(messages: tuple[Message, ...], reply: str, remark: str) -> tuple[Message, ...]:
    """The conversation with the model's reply and a remark on it added at the end."""
    return (*messages, Message("assistant", reply), Message("user", remark))


def answer_form(task: Task) -> str:
    """How the final answer must look, in words: the task's own, else its type's."""
    return task.answer_form or _FORMS[task.type]


def examples(task: Task) -> str:
    r"""Public tests as text, at most three, without those that the question already shows.

    >>> examples(Task("Double x.", "code", public_tests=AssertTests("assert f(2) == 4")))
    'assert f(2) == 4'
    >>> examples(Task(">>> f(2)\n4", "code", public_tests=AssertTests("assert f(2) == 4")))
    ''
    """
    match task.public_tests:
        case None:
            shown = []
        case AssertTests(code=code):
            shown = [text for text, compared in _asserts(code) if compared not in task.question]
        case StdioTests(inputs=inputs, outputs=outputs):
            shown = [
                f"Input:\n{given.strip()}\nOutput:\n{expected.strip()}"
                for given, expected in zip(inputs, outputs, strict=True)
                if given.strip() not in task.question
            ]
        case CallTests(entry_point=name, inputs=inputs, outputs=outputs):
            shown = [f"{name}(*{given}) == {expected}" for given, expected in zip(inputs, outputs, strict=True)]
    return "\n".join([text for text in shown if len(text) <= MAX_EXAMPLE_CHARS][:MAX_EXAMPLES])


@lru_cache(maxsize=CACHED)
def _asserts(code: str) -> Sequence[tuple[str, str]]:
    """Each assert statement with the expression it compares; none of a text that is not Python."""
    if syntax_error(code):
        return []
    found = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assert):
            compared = node.test.left if isinstance(node.test, ast.Compare) else node.test
            found.append((ast.get_source_segment(code, node) or "", ast.get_source_segment(code, compared) or ""))
    return found
