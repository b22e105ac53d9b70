"""The imports that stand above every solution in the runners of APPS: solutions rely on them."""

import ast
import builtins
import importlib
from collections.abc import Iterator
from functools import cache

MODULES = {
    **{name: name for name in ("sys", "time", "itertools", "collections", "math", "fractions", "random", "heapq")},
    **{name: name for name in ("string", "re", "datetime", "bisect", "copy", "statistics", "functools", "operator")},
    "io": "io",
    "json": "json",
    "np": "numpy",
}
"""Modules by the names under which they are imported."""

STARS = (
    *("typing", "collections", "heapq", "bisect", "math", "itertools", "functools", "random", "copy", "operator", "re"),
    *("string", "statistics", "datetime", "json", "io", "sys"),
)
"""Modules of which all names are imported, those that programs mean most often first.

Both as in `testing_util.py` of APPS (hendrycks/apps) and in the runners made of it (LiveCodeBench, TACO).
"""


def with_prelude(solution: str) -> str:
    r"""A solution below those imports of the prelude that it uses and does not make itself.

    The others would change nothing, and some take longer than most solutions.

    >>> with_prelude("print(gcd(4, 6))"), with_prelude("import math\nprint(math.pi)")
    ('from math import gcd\nprint(gcd(4, 6))', 'import math\nprint(math.pi)')
    """
    try:
        nodes = list(ast.walk(ast.parse(solution)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return solution
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = {name.id for name in names if not isinstance(name.ctx, ast.Load)} | set(dir(builtins))
    made.update(name for node in nodes for name in _made(node))
    used = dict.fromkeys(name.id for name in names if name.id not in made)
    imports = [line for name in used if (line := _import(name))]
    future = "from __future__" in solution  # must stay first
    return solution if not imports or future else "\n".join([*imports, solution])


def _made(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in aliases)


@cache
def _import(name: str) -> str:
    """The import that gives a name; empty if the prelude gives none of it."""
    if name in MODULES:
        module = MODULES[name]
        return f"import {module}" if module == name else f"import {module} as {name}"
    for module in STARS:
        if not name.startswith("_") and name in _star(module):
            return f"from {module} import {name}"
    return ""


@cache
def _star(module: str) -> frozenset[str]:
    found = importlib.import_module(module)
    return frozenset(getattr(found, "__all__", None) or dir(found))
