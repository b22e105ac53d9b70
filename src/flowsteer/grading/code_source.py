"""The program that an answer to a code task is."""

import textwrap

from flowsteer.answers.code import inserted_code, solution_code
from flowsteer.datasets.base import ProgramTests, Sample


def solution_source(sample: Sample, answer: str) -> str:
    """The solution in an answer: out of its fence, behind the code that the task began with; empty if there is none.

    A completion of DS-1000 keeps its indentation, for it goes into the middle of a program.
    """
    if isinstance(sample.reference.tests, ProgramTests):
        return inserted_code(answer)
    return solution_code(answer, sample.task)


def fitted(solution: str, program: str) -> str:
    """A completion indented as its place in the program, the line with `[insert]`, asks for."""
    before = program.partition("[insert]")[0].rstrip()
    inside = before.endswith(":")
    return textwrap.indent(solution, "    ") if inside and not solution.startswith((" ", "\t")) else solution
