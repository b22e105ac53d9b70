"""Two programs in two processes: one calls functions of the other, and only values cross.

The caller, which is trusted, calls a function of the callee by name as if it were its own. A stub asks the host; the
host has the callee make the call; what it returned, or the error it raised, goes back the same way, and so do the
arguments, for a function may change a list it was given. Caller and callee share no memory, no descriptor, no folder
and no user: nothing that the callee does to its own process reaches the caller, and no object of its own making either.

In Monty plain values cross. Full Python knows many more, and has stand-ins for what stays where it is: functions,
iterators, objects (`guest/peer.py`).
"""

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from symtable import SymbolTable, symtable
from typing import Any, Literal, Protocol

from flowsteer.sandbox.base import Program, Sandbox, SandboxLimits, Status, Tier

Side = Literal["caller", "callee"]
Answer = tuple[Literal["returned", "raised"], Any, str]
"""`("returned", (kind, value, args, kwargs), "")`, or `("raised", name of the type, message)`."""

FINISHED = "__finished"
"""What the caller sets last: only a program that ran to its end has it."""

ENDED_EARLY = "the program ended before it was done"
"""Why a program that left of its own accord, as by `sys.exit(0)`, is at fault: nobody could call it any more."""

_STUBS = """
def __changed(before, after):
    if before == after:
        return
    if isinstance(before, list):
        before[:] = after
    elif isinstance(before, dict) or isinstance(before, set):
        before.clear()
        before.update(after)

def __call(name, args, kwargs):
    try:
        text = __plain((args, kwargs))
    except TypeError as error:
        __refuse(str(error))
    kind, value, args_after, kwargs_after = __ask(name, text)
    for before, after in zip(args, args_after):
        __changed(before, after)
    for key in kwargs:
        __changed(kwargs[key], kwargs_after[key])
    return iter(value) if kind == 'iterator' else value
"""

_STUB = """
def {name}(*args, **kwargs):
    return __call({name!r}, args, kwargs)
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """A program in which some names are those of the other one.

    Attributes:
        names: Functions, classes and constants of the callee.
        before: Code above them; they replace what it defines under their names.
        after: Code below them.
    """

    names: tuple[str, ...]
    before: str
    after: str

    def program(self) -> Program:
        """It as one program, where all names are functions.

        `__plain` writes the arguments of a call, `__ask` makes it, and `__refuse` ends the program where they cannot
        cross.
        """
        stubs = _STUBS + "".join(_STUB.format(name=name) for name in self.names)
        return Program(f"{self.before}\n{stubs}\n{self.after}\n{FINISHED} = True\n", result=FINISHED)


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """What a pair did.

    Attributes:
        status: `ok` if the caller ran to its end; else what stopped the first program that stopped.
        side: Which program that was.
        error: Type and message of the exception, or the reason; empty when ok.
        calls: How many calls were answered.
        tier: Where it ran.
        seconds: Wall time.
    """

    status: Status
    side: Side = "caller"
    error: str = ""
    calls: int = 0
    tier: Tier = "monty"
    seconds: float = 0.0


class PairSandbox(Sandbox, Protocol):
    """A sandbox that runs pairs as well. Calls may be concurrent."""

    async def run_pair(self, caller: Caller, callee: Program, limits: SandboxLimits = ...) -> PairOutcome:
        """Run a caller and a callee, each within these limits; the time is that of both together.

        Neither has a standard input.

        Raises:
            SandboxError: The sandbox itself is missing or broke.
        """
        ...


def free_names(code: str) -> frozenset[str]:
    r"""The names that code takes from elsewhere; built-in ones among them.

    Raises:
        SyntaxError: It is not Python, which a compiler may say also of what parses.
        ValueError: Likewise.

    >>> sorted(free_names("import math\nassert math.isclose(area(2), sum(half(x) for x in [8]))"))
    ['area', 'half', 'sum']
    """
    module = symtable(code, "<tests>", "exec")
    names = [name for table in _tables(module) for name in table.get_symbols() if table is module or name.is_global()]
    given = {name.get_name() for name in names if name.is_assigned() or name.is_imported()}
    return frozenset(name.get_name() for name in names if name.is_referenced()) - given


def _tables(table: SymbolTable) -> Iterator[SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def call_expression(name: str) -> str:
    """The function that the callee evaluates: calls, and gives kind and value and the arguments as they are then.

    An iterator crosses as one, with all its items.
    """
    return (
        "(lambda *a, **k: (lambda v: ('iterator', [*v], a, k) if hasattr(type(v), '__next__') else ('value', v, a, k))"
        f"(({name})(*a, **k)))"
    )


def raised(error: str) -> Answer:
    """The answer that carries an error, as `Type: message`, across."""
    name, _, message = error.partition(": ")
    return "raised", name, message


def exception(answer: Answer) -> Exception:
    """The exception to raise in the caller for an answer: a built-in one or, for any other type, a plain one.

    What is no `Exception`, such as `SystemExit`, would end the caller early, so it never crosses as itself.
    """
    _, name, message = answer
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except TypeError:  # such as UnicodeDecodeError, which wants more than a message
            pass
    return Exception(f"{name}: {message}")


def is_answer(value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether what the callee gave is kind, value and arguments, these of the same types as were sent."""
    match value:
        case ("iterator", list(), tuple(after), dict(named)) | ("value", _, tuple(after), dict(named)):
            same = [*map(type, args)] == [*map(type, after)]
            return same and {key: type(kwargs[key]) for key in kwargs} == {key: type(named[key]) for key in named}
    return False
