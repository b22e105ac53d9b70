"""Programs that compute nothing: the number they give was worked out elsewhere, such as in a comment."""

import ast

_COMPUTING = (ast.BinOp, ast.AugAssign, ast.For, ast.While, ast.comprehension, ast.Import, ast.ImportFrom)
_SAYING = ("print", "solve", "str", "int", "float", "round")


def gives_a_number_uncomputed(code: str) -> bool:
    r"""Whether a program that parses holds a number, and neither an operation nor a loop nor a call of any use.

    >>> gives_a_number_uncomputed("def solve():\n    # 6 * 7\n    return 42"), gives_a_number_uncomputed("print(6 * 7)")
    (True, False)
    """
    nodes = list(ast.walk(ast.parse(code)))
    numbers = any(isinstance(node, ast.Constant) and isinstance(node.value, int | float) for node in nodes)
    return numbers and not any(isinstance(node, _COMPUTING) or _useful_call(node) for node in nodes)


def _useful_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _SAYING)
