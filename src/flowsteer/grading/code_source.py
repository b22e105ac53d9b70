"""The program that an answer to a code task is."""

import ast
import re
import textwrap

from flowsteer.datasets.base import ProgramTests, Sample
from flowsteer.operators.answer import without_thinking
from flowsteer.operators.source_code import complete_code, extract_code

MAX_CHARS = 200_000
"""An answer longer than this is no answer."""

_THINKING = re.compile(r"(?:.*</think>|<think>.*)", re.DOTALL)
_LAZY = {"map", "filter", "zip", "enumerate", "reversed"}
_CONSUMERS = {
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "sum",
    "any",
    "all",
    "sorted",
    "max",
    "min",
    "join",
    "Counter",
}


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


def is_lazy(code: str) -> bool:
    r"""Whether code keeps an iterator made by `map` and the like, or asks for its own `__name__`.

    Monty makes lists of such iterators at once, so that comparing one with a list gives another result there.

    >>> is_lazy("def f(x):\n    return list(map(str, x))"), is_lazy("def f(x):\n    return map(str, x)")
    (False, True)
    """
    if "__name__" in code:
        return True
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    consumed = {id(part) for node in nodes for part in _consumed(node)}
    return any(_is_iterator(node) and id(node) not in consumed for node in nodes)


def _is_iterator(node: ast.AST) -> bool:
    match node:
        case ast.GeneratorExp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _LAZY
    return False


def _consumed(node: ast.AST) -> list[ast.expr]:
    """The parts of a node that it uses up at once."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
            return args if name in _CONSUMERS | _LAZY else []
        case ast.For(iter=part) | ast.comprehension(iter=part) | ast.Starred(value=part):
            return [part]
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=part):
            return [part]
    return []
