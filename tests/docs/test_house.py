"""The house keeps its size: files and functions that can be read, and one name for one thing."""

import ast
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "flowsteer"
FILE_LINES, FUNCTION_LINES = 400, 75
"""Longest file and function; a rule of thumb is 300 and 40."""

OF_THEIR_ROOM = {
    "__init__", "base", "code", "config", "connect", "evaluate", "fork_server", "grade", "models", "public_tests",
    "registry", "settings", "summary",
}  # fmt: skip
"""Names of files that say what they are together with their room."""


def trees():
    for file in sorted(SOURCE.rglob("*.py")):
        yield file, file.read_text(encoding="utf-8")


def test_files_and_functions_can_be_read():
    for file, text in trees():
        assert text.count("\n") <= FILE_LINES, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < FUNCTION_LINES, f"{file}:{node.lineno} {node.name}"


def test_no_two_public_classes_share_a_name():
    named = Counter(
        node.name
        for _, text in trees()
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in named.items() if count > 1] == []


def test_no_two_files_share_a_name_for_different_things():
    named = Counter(file.stem for file, _ in trees())
    assert sorted(name for name, count in named.items() if count > 1 and name not in OF_THEIR_ROOM) == []
