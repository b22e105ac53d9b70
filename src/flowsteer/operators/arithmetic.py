"""Arithmetic as text: checked against a whitelist here, computed in the sandbox."""

import ast
import re

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd)
FUNCTIONS = ("abs", "max", "min", "round", "sqrt", "sin", "cos", "tan", "log", "exp", "factorial", "gcd", "comb")
CONSTANTS = ("pi", "e")
MAX_CHARS = 400
"""An expression longer than this is refused: a deep one would exhaust the stack of whoever walks it."""

PRELUDE = "from math import sqrt, sin, cos, tan, log, exp, factorial, gcd, comb, pi, e\n"
"""What an expression may name, imported."""

_SIGNS = str.maketrans({"^": "**", "×": "*", "·": "*", "÷": "/", "−": "-", "$": ""})

_SOLVER = """
def difference({unknown}):
    return ({left}) - ({right})

def solve():
    at = [difference(x) for x in (0.0, 1.0, 2.0)] if {linear} else None
    if at and at[0] != at[1]:
        return [-at[0] / (at[1] - at[0])]
    roots = []
    low = below = None
    for high in range(-1000, 1001):
        above = value(high)
        if above == 0:
            roots.append(float(high))
        elif below is not None and above is not None and below * above < 0:
            roots += root_between(low, high, below, above)
        low, below = high, above
    return roots

def value(x):
    try:
        at = difference(x)
        return at if -1e300 < at < 1e300 else None
    except (ArithmeticError, ValueError, TypeError):
        return None

def root_between(low, high, below, above):
    small = max(abs(below), abs(above)) / 1000000
    for _ in range(100):
        middle = (low + high) / 2
        at = value(middle)
        if at is None:
            return []
        if below * at > 0:
            low, below = middle, at
        else:
            high, above = middle, at
    return [low] if min(abs(below), abs(above)) <= small else []
"""
"""A complex number has no order, so it is no value; where the sign changes at a pole or a jump, nothing shrinks."""


def check_expression(text: str, unknown: str = "") -> str:
    """An arithmetic expression in Python's spelling.

    Args:
        text: Numbers, `+ - * / // % **` (also `^ × ÷`), brackets, and the functions of `FUNCTIONS`.
        unknown: A name that may occur in it.

    Raises:
        ValueError: If it is anything else.

    >>> check_expression("2^10 × (3 − 1)")
    '2 ** 10 * (3 - 1)'
    >>> check_expression("open('f')")
    Traceback (most recent call last):
    ValueError: only arithmetic is allowed, not "open"
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"an arithmetic expression of {len(text)} characters is too long")
    try:
        return _checked(ast.parse(text.translate(_SIGNS).strip(), mode="eval").body, unknown)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(f'"{text}" is not an arithmetic expression, or too deep a one') from None


def _checked(tree: ast.expr, unknown: str) -> str:
    """The expression in Python's spelling; a deep one takes more stack than there may be."""
    known = (*FUNCTIONS, *CONSTANTS, unknown)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        fits = (
            isinstance(node, (ast.BinOp, ast.UnaryOp, ast.expr_context, *OPERATORS))
            or (isinstance(node, ast.Constant) and type(node.value) in (int, float))
            or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords)
            or (isinstance(node, ast.Name) and node.id in known and (node.id in FUNCTIONS) == (id(node) in called))
        )
        if not fits:
            raise ValueError(f'only arithmetic is allowed, not "{ast.unparse(node)}"')
    return ast.unparse(tree)


def equation_program(equation: str) -> str:
    """A program whose `solve()` lists the solutions of an equation in one unknown.

    Linear equations are solved directly. Of all others it finds the roots in [-1000, 1000] that are integers or
    lie where the sign changes between two integers that have a value, so a double root that is no integer is missed.

    Args:
        equation: Two expressions with one `=` between them; the one name in them that is no function or constant
            is the unknown.

    Raises:
        ValueError: If it is no such equation.
    """
    left, equals, right = equation.replace("==", "=").partition("=")
    if not equals or "=" in right:
        raise ValueError(f'"{equation}" is not one equation')
    names = set(re.findall(r"[A-Za-z_]\w*", equation)) - {*FUNCTIONS, *CONSTANTS}
    if len(names) != 1:
        raise ValueError(f'"{equation}" must hold one unknown, not {len(names)}')
    (unknown,) = names
    sides = [check_expression(side, unknown) for side in (left, right)]
    linear = all(_degree(ast.parse(side, mode="eval").body, unknown) <= 1 for side in sides)
    return PRELUDE + _SOLVER.format(unknown=unknown, left=sides[0], right=sides[1], linear=linear)


def _degree(node: ast.expr, unknown: str) -> int:
    """The degree of a polynomial in the unknown; 2 stands for anything that is not plainly linear."""
    match node:
        case ast.Name(id=name):
            return int(name == unknown)
        case ast.UnaryOp(operand=operand):
            return _degree(operand, unknown)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return max(_degree(left, unknown), _degree(right, unknown))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _degree(left, unknown) + _degree(right, unknown)
        case ast.BinOp(left=left, op=ast.Div(), right=right) if not _degree(right, unknown):
            return _degree(left, unknown)
    return 2 if any(isinstance(part, ast.Name) and part.id == unknown for part in ast.walk(node)) else 0
