"""The program that an answer to a code task is."""

import re
import textwrap

from flowsteer.datasets.base import ProgramTests, Sample
from flowsteer.operators.answer import without_thinking
from flowsteer.operators.source_code import complete_code, extract_code

MAX_CHARS = 200_000
"""An answer longer than this is no answer."""

_THINKING = re.compile(r"(?:.*</think>|<think>.*)", re.DOTALL)


def solution_source(sample: Sample, answer: str) -> str:
    """The solution in an answer: out of its fence, behind the code that the task began with; empty if there is none.

    A completion of DS-1000 keeps its indentation, for it goes into the middle of a program.
    """
    if len(answer) > MAX_CHARS:
        return ""
    task, text = sample.task, without_thinking(answer.removeprefix("\ufeff"))
    if isinstance(sample.reference.tests, ProgramTests):
        return extract_code(text) if "```" in text else _THINKING.sub("", answer).strip("\n").rstrip()
    code = extract_code(text, task.entry_point)
    if not code and "```" not in text:
        # A completion stripped as a whole has lost the indentation of its first line alone.
        code = extract_code(textwrap.dedent(f"    {text}"), task.entry_point)
    return complete_code(code, task)


def fitted(solution: str, program: str) -> str:
    """A completion indented as its place in the program, the line with `[insert]`, asks for."""
    before = program.partition("[insert]")[0].rstrip()
    inside = before.endswith(":")
    return textwrap.indent(solution, "    ") if inside and not solution.startswith((" ", "\t")) else solution
