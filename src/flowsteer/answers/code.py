"""Python code inside a reply: taken out of its fences and made complete. It is parsed here, never run."""

import ast
import re
import textwrap

from flowsteer.answers.code_blocks import code_among_prose, dedented, fenced_blocks, is_code, statements, syntax_error
from flowsteer.answers.thinking import beyond_thinking, without_thinking
from flowsteer.task import Task

MAX_CHARS = 200_000
"""A text longer than this holds no code."""

_READS = re.compile(r"\binput\(|\bstdin\b|\bopen\(0|\bfileinput\b")


def defined_names(code: str) -> frozenset[str]:
    """Names of the functions and classes at the top level of code that parses; else none."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in statements(code) if isinstance(node, kinds))


def callable_without_arguments(code: str, name: str) -> bool:
    """Whether the code defines this function at the top level and it can be called with no argument."""
    if name not in defined_names(code):
        return False
    found = [n for n in statements(code) if isinstance(n, ast.FunctionDef) and n.name == name]
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
    if syntax_error(dedented(text)) and is_code(whole := dedented(f"    {text}")):
        text = whole  # a completion stripped as a whole has lost the indentation of its first line alone
    code = extract_code(text, task.entry_point)
    return complete_code(code, task)


def inserted_code(text: str) -> str:
    """The code that a text puts into the middle of a program (DS-1000), indentation kept; empty if there is none."""
    if len(text) > MAX_CHARS:
        return ""
    text = text.removeprefix("\ufeff")
    return extract_code(text) if "```" in text else beyond_thinking(text).strip("\n").rstrip()


def extract_code(text: str, entry_point: str | None = None) -> str:
    r"""The Python code in a reply; empty if there is none.

    Of several pieces the last that defines the entry point, for a later one corrects an earlier; where none does, the
    last that reads input, else the longest. What stands between fences goes before what does not.

    >>> extract_code("Here:\n```python\ndef f():\n    return 1\n```\nTry it.")
    'def f():\n    return 1'
    >>> extract_code("I cannot write code.")
    ''
    """
    text = without_thinking(text)
    if not syntax_error(dedented(text)):
        return text.strip("\n").rstrip() if is_code(text) else ""
    blocks = list(fenced_blocks(text))
    fenced = [block.body for block in blocks if block.fenced and block.is_python]
    found = _chosen([body for body in fenced if not syntax_error(body)], entry_point)
    if found and (not entry_point or _defines(found, entry_point) or len(fenced) == len(blocks)):
        return found
    around = [code for block in blocks if not block.fenced for code in _codes(block.body)]
    other = _chosen(around, entry_point)
    if other and (not found or (entry_point and _defines(other, entry_point))):
        return other
    return found or max(fenced, key=len, default="")


def _codes(text: str) -> list[str]:
    return [text] if is_code(text) else list(code_among_prose(text))


def _chosen(codes: list[str], entry_point: str | None) -> str:
    """The piece of code that is meant; empty if there is none."""
    defining = [code for code in codes if entry_point and _defines(code, entry_point)]
    reading = [code for code in codes if _READS.search(code)] if not entry_point else []
    return (defining or reading or [max(codes, key=len, default="")])[-1]


def _defines(code: str, entry_point: str) -> bool:
    """Whether code that parses has this name at the top level, or as a method of `Solution`, not as a mere stub."""
    for node in statements(code):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name == entry_point:
                if not _is_stub(node):
                    return True
            case ast.ClassDef(name="Solution", body=body) if any(
                isinstance(part, ast.FunctionDef) and part.name == entry_point for part in body
            ):
                return True
            case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]) if name == entry_point:
                return True
    return False


def _is_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function does nothing: a docstring, `...` or `pass`."""
    return all(
        isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def _is_body(code: str) -> bool:
    """Whether code returns from a function that it does not define: the inside of a function."""
    waiting: list[ast.AST] = [*statements(dedented(code))]
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
    whole = f"{task.prompt_code.rstrip()}\n{textwrap.indent(dedented(code), '    ')}"
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
