"""Where a reply may hold a program: between fences, before a stray one, or among lines of prose.

Every step is linear in the length of the reply: lines are read once, and what is parsed is parsed a bounded number of
times.
"""

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

PYTHON = ("", "python", "python3", "py", "py3", "ipython", "pycon")
"""Languages of fences whose block may be the program; an empty one says nothing."""

MAX_BLOCKS = 64
"""Most fences that are looked at."""

ATTEMPTS = 8
"""How many places of a reply are tried as the beginning, or the end, of code."""

MAX_LINES = 1000
"""Longest program that is looked for among prose: each attempt parses so many lines, not all that follow."""

_LANGUAGE = re.compile(r"[\w+#.-]*")
_STARTS = re.compile(
    r"(?:from\s+[\w.]+\s+import\b|import\s+\w|(?:async\s+)?def\s+\w|class\s+\w|@\w|if\s.*:|for\s.*:|while\s.*:|with\s.*:|try:"
    r"|print\(|[A-Za-z_][\w.\[\], ]*(?:[-+*/%&|^]|//|\*\*|>>|<<)?=[^=]|[A-Za-z_][\w.]*\()"
)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A piece of a reply.

    Attributes:
        body: Its text, without indentation that all lines share.
        fenced: Whether it stands between fences.
        language: What its fence names, in small letters.
    """

    body: str
    fenced: bool
    language: str = ""

    @property
    def is_python(self) -> bool:
        """Whether it may be a program."""
        return self.language in PYTHON


@lru_cache(maxsize=32)
def parsed(code: str) -> ast.Module | str:
    """The tree of a module, not to be changed; or what is wrong with its syntax."""
    try:
        return _tree(code)
    except SyntaxError as error:
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"


def syntax_error(code: str) -> str:
    """What is wrong with the code's syntax; empty if it parses.

    >>> syntax_error("x = 1"), syntax_error("x =")
    ('', 'SyntaxError: invalid syntax (line 1)')
    """
    found = parsed(code)
    return found if isinstance(found, str) else ""


def statements(code: str) -> list[ast.stmt]:
    """What stands at the top level of code; nothing if it does not parse."""
    found = parsed(code)
    return [] if isinstance(found, str) else found.body


def is_code(text: str) -> bool:
    """Whether text is code: it parses, and is more than a lone word, number or string."""
    return any(not isinstance(node, ast.Expr | ast.AnnAssign) or _is_call(node) for node in statements(dedented(text)))


@lru_cache(maxsize=32)
def dedented(text: str) -> str:
    """A text without the indentation that all its lines share."""
    return textwrap.dedent(text)


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


@dataclass(frozen=True, slots=True)
class _Fence:
    """A line that opens a block.

    Attributes:
        marks: What closes the block, or more of it.
        language: What is named, in small letters.
        rest: What else stands in the line.
        closed: Whether the line closes the block as well.
    """

    marks: str
    language: str
    rest: str
    closed: bool


def _fence(line: str) -> _Fence | None:
    stripped = line.strip(" \t\r")
    mark = stripped[:1]
    body = stripped.lstrip(mark)
    marks = stripped[: len(stripped) - len(body)]
    if mark not in ("`", "~") or len(marks) < 3:
        return None
    inner = body.rstrip(mark)
    closed = bool(inner) and len(body) - len(inner) >= len(marks)
    words = (inner if closed else body).strip()
    if mark in words:
        return None  # code within a line of prose
    language, _, rest = words.partition(" ")
    if not _LANGUAGE.fullmatch(language):
        language, rest = "", words
    return _Fence(marks, language.lower(), rest.strip(), closed)


def fenced_blocks(text: str) -> Iterator[CodeBlock]:
    """The pieces between fences and around them, in order; a fence left open runs to the end."""
    lines = text.split("\n")
    at, outside = 0, 0
    blocks = 0
    while at < len(lines) and blocks < MAX_BLOCKS:
        fence = _fence(lines[at])
        at += 1
        if not fence:
            continue
        blocks += 1
        yield from _piece(lines[outside : at - 1], fenced=False)
        body: list[str] = []
        if not fence.closed:
            body, at = _until_closed(lines, at, fence.marks)
        first = [fence.rest] if is_code(fence.rest) else []
        yield from _piece([*first, *body], fenced=True, language=fence.language)
        outside = at
    yield from _piece(lines[outside:], fenced=False)


def _until_closed(lines: list[str], start: int, fence: str) -> tuple[list[str], int]:
    """The lines up to the closing fence, and where what follows it begins.

    A fence inside a string of the code does not close it: where the code does not parse yet, the next one may.
    """
    closed: tuple[list[str], int] | None = None
    attempts = 0
    for index in range(start, len(lines)):
        ending = _closing(lines[index], fence)
        if ending is None:
            continue
        body = [*lines[start:index], *([ending] if ending else [])]
        closed = closed or (body, index + 1)
        attempts += 1
        if not syntax_error(dedented("\n".join(body))):
            return body, index + 1
        if attempts == ATTEMPTS or ('"""' not in "\n".join(body) and "'''" not in "\n".join(body)):
            break
    return closed or (lines[start:], len(lines))


def _closing(line: str, fence: str) -> str | None:
    """What a line holds before the fence that closes a block; None if it closes none."""
    if not line.rstrip().endswith(fence):
        return None
    before = line.rstrip().rstrip(fence[0])
    return before if before.strip() or not line.strip().strip(fence[0]) else None


def _piece(lines: list[str], *, fenced: bool, language: str = "") -> Iterator[CodeBlock]:
    body = dedented("\n".join(lines)).strip("\n").rstrip()
    if body.strip():
        yield CodeBlock(body, fenced, language)


def code_among_prose(text: str) -> Iterator[str]:
    r"""The stretches of a text that are code, in order.

    >>> list(code_among_prose("The program:\nx = int(input())\nprint(x)\nIt prints what it reads."))
    ['x = int(input())\nprint(x)']
    """
    lines = text.split("\n")
    at = attempts = 0
    while at < len(lines) and attempts < ATTEMPTS:
        if not _STARTS.match(lines[at]):
            at += 1
            continue
        attempts += 1
        code = _parsing_prefix(lines[at : at + MAX_LINES])
        if code and is_code("\n".join(code)):
            yield "\n".join(code).rstrip()
        at += max(len(code), 1)


def _parsing_prefix(lines: list[str]) -> list[str]:
    """The lines up to the first that makes them no code."""
    for _ in range(ATTEMPTS):
        try:
            _tree("\n".join(lines))
        except SyntaxError as error:
            lines = lines[: min(error.lineno or 1, len(lines)) - 1]
        except (ValueError, RecursionError, MemoryError):
            return []
        else:
            return lines
    return []


def _tree(code: str) -> ast.Module:
    """The tree, without what Python warns of: the text is a model's, and nobody here can mend it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)
