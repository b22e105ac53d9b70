"""Public tests out of what a task shows anyway: docstring examples, the first assert, the sample cases.

They are what operators and Director may run. Everything here reads the task's own text only, or picks from the
hidden tests those cases that the text already shows.
"""

import ast
import builtins
import doctest
import re
from collections.abc import Iterator

MAX_CASES = 10
"""Most public cases of one task."""

MAX_LINES_BETWEEN = 2
"""Lines, such as a heading, that may stand between a sample's input and its output."""

_QUOTES = re.compile("\"\"\"|'''")
_ARROW = re.compile(r"^[ \t]*(?:For example,?\s+)?(?P<call>\w+\(.*\))\s*(?:==|=>|->|➞|returns|=)\s*(?P<value>\S.*)$")


def docstring_examples(prompt_code: str, entry_point: str) -> str:
    r"""The examples in a function's docstring, as assert statements; empty if there are none that can be read.

    Understood are doctests and lines such as `f(1) == 2`, `f(1) ➞ 2` and `f(1) => 2`, where the value is a literal.

    >>> docstring_examples("def f(n):\n    '''Double n.\n    >>> f(2)\n    4\n\n    f(3) => 6\n    '''\n", "f")
    'assert f(2) == 4\nassert f(3) == 6'
    """
    text = _QUOTES.sub("\n", prompt_code)
    cases = dict.fromkeys((*_doctests(text, entry_point), *_arrows(text, entry_point)))
    return "\n".join(f"assert {call} == {value}" for call, value in list(cases)[:MAX_CASES])


def first_assert(tests: list[str]) -> str:
    """The first assert statement of a list of them: it fixes name and signature, as MBPP's prompts do."""
    return next((test.strip() + "\n" for test in tests if test.strip().startswith("assert")), "")


def shown_cases(question: str, inputs: list[str], outputs: list[str]) -> list[int]:
    r"""Indexes of the sample cases: those whose input stands in the question with their output right behind it.

    >>> shown_cases("Sample Input\n4 3\n\nSample Output\n3", ["4 3", "5 2"], ["3", "2"])
    [0]
    """
    text = _lines(question)
    pairs = enumerate(zip(inputs, outputs, strict=True))
    found = [index for index, (given, expected) in pairs if _shows(text, _lines(given), _lines(expected))]
    return found[:MAX_CASES]


def _shows(text: str, given: str, expected: str) -> bool:
    if not given.strip() or not expected.strip():
        return False
    start = text.find(given)
    while start != -1:
        behind = "\n" + text[start + len(given) :]
        before = behind.partition(expected)[0]
        if before != behind and before.count("\n") <= MAX_LINES_BETWEEN:
            return True
        start = text.find(given, start + 1)
    return False


def _lines(text: str) -> str:
    """The text with one spelling for spaces, without empty lines, a line break around every line."""
    return "\n" + "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip()) + "\n"


def _doctests(text: str, name: str) -> Iterator[tuple[str, str]]:
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:  # An example without the blank that the format asks for: no doctest.
        return
    for example in examples:
        call, value = _call(example.source, name), _literal(example.want)
        if call and value:
            yield call, value


def _arrows(text: str, name: str) -> Iterator[tuple[str, str]]:
    for part in text.splitlines():
        if found := _ARROW.match(part):
            call, value = _call(found["call"], name), _literal(found["value"])
            if call and value:
                yield call, value


def _call(source: str, name: str) -> str:
    """The source in one spelling, if it is an expression that calls this function on literals only; else empty."""
    try:
        node = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return ast.unparse(node) if name in names and names <= {name, *dir(builtins)} else ""


def _literal(text: str) -> str:
    """The text in one spelling, if it is a Python literal; else empty."""
    try:
        return repr(ast.literal_eval(text.strip()))
    except (SyntaxError, ValueError):
        return ""
