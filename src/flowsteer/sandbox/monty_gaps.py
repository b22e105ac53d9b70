"""Whether an error in Monty is the program's own or a gap in Monty's Python."""

import builtins
import importlib
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec

PACKAGES = {
    *("matplotlib", "networkx", "numpy", "pandas", "PIL", "regex", "scipy", "seaborn", "sklearn"),
    *("sortedcontainers", "statsmodels", "sympy", "torch"),
}
"""Third-party packages that programs expect; any other counts as well if it is installed here."""

MODULES = {
    *("asyncio", "base64", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal", "functools"),
    *("hashlib", "itertools", "json", "math", "os", "pathlib", "random", "re", "sys", "time", "tomllib", "typing"),
    *("unicodedata", "_io"),
}
"""Modules that Monty has in part and that are safe to import here, to see what CPython has in them."""

Gap = Callable[[re.Match[str]], bool]


def is_gap(error: str) -> bool:
    """Whether CPython would not have raised this error.

    Decided from names that CPython has and Monty has not, and from Monty's own words. An argument that Monty's
    version of a function refuses, or a result it computes otherwise, cannot be told from the program's own fault.

    Args:
        error: Type and message, as Monty shows it.

    >>> is_gap("ModuleNotFoundError: No module named 'heapq'"), is_gap("NameError: name 'total' is not defined")
    (True, False)
    """
    return any((match := pattern.match(error)) and test(match) for pattern, test in _GAPS)


def _module_exists(match: re.Match[str]) -> bool:
    top = match[1].partition(".")[0]
    if top in sys.stdlib_module_names or top in PACKAGES:
        return True
    return top.isidentifier() and top not in sys.modules and find_spec(top) is not None


def _module_has(match: re.Match[str]) -> bool:
    return match["module"] in MODULES and hasattr(importlib.import_module(match["module"]), match["name"])


def _type_has(match: re.Match[str]) -> bool:
    module, _, name = match["type"].rpartition(".")
    if module and module not in MODULES:
        return False
    home = importlib.import_module(module) if module else builtins
    return hasattr(getattr(home, name, None), match["name"])


def _always(_match: re.Match[str]) -> bool:
    return True


_GAPS: tuple[tuple[re.Pattern[str], Gap], ...] = tuple(
    (re.compile(pattern, re.DOTALL), test)
    for pattern, test in (
        (r"ModuleNotFoundError: No module named '([\w.]+)'$", _module_exists),
        (r"ImportError: cannot import name '(?P<name>\w+)' from '(?P<module>\w+)'", _module_has),
        (r"AttributeError: module '(?P<module>\w+)' has no attribute '(?P<name>\w+)'", _module_has),
        (
            r"AttributeError: (?:type object )?'(?P<type>[\w.]+)'(?: object)? has no attribute '(?P<name>\w+)'",
            _type_has,
        ),
        (r"NameError: name '(\w+)' is not defined$", lambda match: hasattr(builtins, match[1])),
        (r"NotImplementedError: (The monty|Wildcard imports)", _always),
        (r"\w+: .*\b(not yet support|not yet supported|in monty\b|by Monty\b)", _always),
        (r"RuntimeError: '[\w.]+' is not supported in this environment", _always),
        (r"PermissionError: Permission denied: ", _always),
        (r"AttributeError: 'module' object has no attribute", _always),
    )
)
