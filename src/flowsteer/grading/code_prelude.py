"""The imports that stand above every solution in the runner of APPS: solutions rely on them."""

import ast

PRELUDE = """\
import sys
import time
import itertools
from itertools import accumulate, product, permutations, combinations
import collections
from collections import Counter, OrderedDict, deque, defaultdict, ChainMap
from functools import lru_cache
import math
from math import sqrt, sin, cos, tan, ceil, fabs, floor, gcd, exp, log, log2
import fractions
from typing import List, Tuple
import numpy as np
import random
import heapq
from heapq import heappush, heappop, heapify, heapreplace, merge, nlargest, nsmallest, heappushpop
"""
"""Those of `testing_util.py` in APPS (hendrycks/apps); `from heapq import *` is spelled out."""


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
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    made = {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    imports = [line for name, line in _IMPORTS.items() if name in used - made]
    future = "from __future__" in solution
    return solution if not imports or future else "\n".join([*imports, solution])


def _imports() -> dict[str, str]:
    """The import of each name of the prelude."""
    lines: dict[str, str] = {}
    for node in ast.parse(PRELUDE).body:
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            single = (
                ast.ImportFrom(node.module, [alias], 0) if isinstance(node, ast.ImportFrom) else ast.Import([alias])
            )
            lines[alias.asname or alias.name] = ast.unparse(single)
    return lines


_IMPORTS = _imports()
