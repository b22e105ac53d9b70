"""Python code inside a reply: taken out of its fences and made complete. It is parsed here, never run."""

import ast
import re
import textwrap
from functools import lru_cache

from flowsteer.answers.thinking import without_thinking
from flowsteer.task import Task

MAX_CHARS = 200_000
"""A text longer than this holds no code."""

_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_THINKING = re.compile(r"(?:.*</think>|<think>.*)", re.DOTALL)


@lru_cache(maxsize=256)
def syntax_error(code: str) -> str:
    """What is wrong with the code's syntax; empty if it parses.

    >>> syntax_error("x = 1"), syntax_error("x =")
    ('', 'SyntaxError: invalid syntax (line 1)')
    """
    try:
        ast.parse(code)
    except SyntaxError as error:
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def defined_names(code: str) -> frozenset[str]:
    """Names of the functions and classes at the top level of code that parses; else none."""
    if syntax_error(code):
        return frozenset()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.parse(code).body if isinstance(node, kinds))


def callable_without_arguments(code: str, name: str) -> bool:
    """Whether the code defines this function at the top level and it can be called with no argument."""
    if name not in defined_names(code):
        return False
    found = [n for n in ast.parse(code).body if isinstance(n, ast.FunctionDef) and n.name == name]
    return bool(found) and len(found[-1].args.posonlyargs + found[-1].args.args) == len(found[-1].args.defaults)


def solution_code(text: str, task: Task) -> str:
    """The program that a text answers a code task with, completed to a whole module; empty if there is none.

    Args:
        text: A reply, or an answer: fenced or bare, whole or a completion of the code that the task began with.
        task: Its entry point and the code that it began with decide what is taken.
    """
    if len(text) > MAX_CHARS:
        return ""
    text = without_thinking(text.removeprefix("\ufeff"))
    code = extract_code(text, task.entry_point)
    if not code and "```" not in text:
        # A completion stripped as a whole has lost the indentation of its first line alone.
        code = extract_code(textwrap.dedent(f"    {text}"), task.entry_point)
    return complete_code(code, task)


def inserted_code(text: str) -> str:
    """The code that a text puts into the middle of a program (DS-1000), indentation kept; empty if there is none."""
    if len(text) > MAX_CHARS:
        return ""
    text = text.removeprefix("\ufeff")
    return extract_code(text) if "```" in text else _THINKING.sub("", text).strip("\n").rstrip()


def extract_code(text: str, entry_point: str | None = None) -> str:
    r"""The Python code in a reply; empty if there is none.

    The fenced block that defines the entry point, else the longest Python block; without a fence the whole
    reply, if it is Python that does something. A fence left open runs to the end.

    >>> extract_code("Here:\n```python\ndef f():\n    return 1\n```\nTry it.")
    'def f():\n    return 1'
    >>> extract_code("I cannot write code.")
    ''
    """
    text = without_thinking(text)
    blocks = [(language.lower(), textwrap.dedent(body).strip("\n").rstrip()) for language, body in _FENCE.findall(text)]
    blocks = [(language, body) for language, body in blocks if body and language in ("", "python", "python3", "py")]
    if blocks:
        defining = [body for _, body in blocks if entry_point and entry_point in defined_names(body)]
        return defining[0] if defining else max((body for _, body in blocks), key=len)
    if "```" in text or not _is_code(text):
        return ""
    return text.strip("\n").rstrip()


def _is_code(text: str) -> bool:
    """Whether unfenced text is code: it parses, and is more than a lone word, number or string."""
    body = textwrap.dedent(text)
    if syntax_error(body):
        return False
    return any(not isinstance(node, ast.Expr | ast.AnnAssign) or _is_call(node) for node in ast.parse(body).body)


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _is_body(code: str) -> bool:
    """Whether code returns from a function that it does not define: the inside of a function."""
    body = textwrap.dedent(code)
    if syntax_error(body):
        return False
    waiting: list[ast.AST] = list(ast.parse(body).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return | ast.Yield):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def complete_code(code: str, task: Task) -> str:
    r"""The code as a whole module, where the task gave its beginning (`prompt_code`, as in HumanEval).

    Code that defines the entry point gets the imports and helpers of that beginning; anything else is taken as
    the body that continues it. Code that already stands alone, or that fits neither, comes back unchanged.

    >>> task = Task("Add.", "code", entry_point="add", prompt_code="import math\ndef add(a, b):\n")
    >>> complete_code("return a + b", task)
    'import math\ndef add(a, b):\n    return a + b'
    >>> complete_code("def add(a, b):\n    return b + a", task)
    'import math\n\ndef add(a, b):\n    return b + a'
    """
    if not task.prompt_code or not task.entry_point:
        return code
    if task.entry_point in defined_names(code):
        start = re.search(rf"^(?:async )?def {re.escape(task.entry_point)}\b", task.prompt_code, re.MULTILINE)
        prelude = task.prompt_code[: start.start()].strip() if start else ""
        return code if not prelude or prelude in code else f"{prelude}\n\n{code}"
    if not _is_body(code):
        return code
    whole = f"{task.prompt_code.rstrip()}\n{textwrap.indent(textwrap.dedent(code), '    ')}"
    return whole if task.entry_point in defined_names(whole) else code


def canonical(code: str) -> str:
    """One spelling for programs that differ in layout and comments alone.

    >>> canonical("x=1  # one") == canonical("x = 1")
    True
    """
    try:
        return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code.strip()
