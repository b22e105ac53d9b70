"""One side of a pair of programs: asks the other side, and answers it meanwhile.

`runner.py` executes this file in a program of a pair (`flowsteer.sandbox.pair`). What has a value of its own crosses by
value (`values.py`). Functions, iterators, classes of the program and their objects stay where they are: the other side
gets a stand-in (`standins.py`), which asks back. Objects take what they hold with them, by value.

The caller runs trusted tests beside a solution that may be hostile. It lets the other side call what it was given, use
public attributes of objects of the tests' own classes, and nothing else; and no operator of a stand-in hands a value of
the tests over, so that what is compared with never reaches the solution.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flowsteer.sandbox.guest.values import Codec

UNARY = (
    *(
        "__len__",
        "__iter__",
        "__next__",
        "__getitem__",
        "__setitem__",
        "__delitem__",
        "__str__",
        "__repr__",
        "__bool__",
    ),
    *("__call__", "__enter__", "__exit__", "__neg__", "__abs__", "__int__", "__float__", "__index__", "__reversed__"),
)
"""Methods with a name of their own that an object may have, beside operators and those that compare."""

LENT = {("_io", "StringIO"), ("_io", "BytesIO"), ("re", "Pattern"), ("re", "Match"), ("random", "Random")}
"""Types of Python's own whose objects a careful side lends, beside those of its program's classes."""


class Forged(Exception):
    """What the other side sent makes no sense."""


class Peer:
    """One side.

    Args:
        send: Sends a frame.
        receive: Gives the next message of the host: its kind and a node.
        codec: Makes the codec, from a writer of handles and readers of tags.
        stand_ins: The module `standins.py`.
        names: The names of this side's program.
        careful: Whether the other side may be hostile.
    """

    def __init__(
        self,
        send: "Callable[[str], None]",
        receive: "Callable[[], tuple[str, Any]]",
        codec: "Callable[..., Codec]",
        stand_ins: "Any",
        names: "dict[str, Any]",
        *,
        careful: bool,
    ) -> None:
        self.careful = careful
        self._send = send
        self._receive = receive
        self._names = names
        self._codec = codec(
            self._handle, {"h": self._new, "x": self._known, "y": self._own, "ex": lambda node: exception_type(node[0])}
        )
        self.stand_ins = stand_ins.StandIns(self)
        self._error = stand_ins.error
        self._specials = (*UNARY, *stand_ins.BINARY, *stand_ins.DECIDED_HERE)
        self._given: list[Any] = []  # what the other side has handles of; a handle is an index
        self._handles: dict[int, int] = {}  # by identity
        self._to_describe: list[int] = []  # objects whose state goes with a message
        self._changed: Any = None  # what the answer's call may have changed beside its arguments
        self._failed: dict[int, BaseException] = {}  # of iterators, after the items that came before

    # Asking

    def ask(self, question: str, *parts: "Any") -> "Any":
        """Ask the other side; gives its answer or raises its error."""
        try:
            self._send("ask " + self._write((question, *parts)))
        except TypeError as error:
            self._refuse(error)
        while True:
            kind, node = self._receive()
            if kind == "ask":
                self.answer(node)
            elif kind == "return":
                return self._read(node)
            else:
                raise self._error(*self._read(node))

    def call(self, function: "Any", args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "Any":
        """Have the other side call a function; takes over what that changed in the arguments."""
        value, args_after, kwargs_after = self.ask("call", function, args, kwargs)
        after = [*args_after, *(kwargs_after[key] for key in kwargs)]
        before = [*args, *kwargs.values()]
        if [*map(type, before)] != [*map(type, after)]:
            raise self.forged("arguments have changed their types")
        for old, new in zip(before, after):  # noqa: B905  # of one length
            take_over(old, new)
        return value

    def forged(self, reason: str) -> Forged:
        """What to raise for an answer that makes no sense: a program that is careful ends with it."""
        if self.careful:
            self._send("forged")
            os._exit(0)
        return Forged(reason)

    def _refuse(self, error: BaseException) -> None:
        """End: something cannot cross, and the program is not to take that for an error of its own."""
        self._send("refused " + self._codec.write(str(error)))
        os._exit(0)

    def take_names(self, names: "list[str]") -> None:
        """Put what the other program has under these names into this one: classes, constants, else functions."""
        try:
            found = {name: (kind, value) for name, (kind, value) in self.ask("describe", names).items()}
        except Exception as error:  # noqa: BLE001  # the other program has broken what answers
            raise self.forged(str(error)) from None
        for name in names:
            kind, value = found.get(name, ("function", None))
            if kind == "class":
                self.stand_ins.named.add(value)
            self._names[name] = self.stand_ins.function(name, name) if kind == "function" else value

    # Answering

    def answer(self, node: "Any") -> None:
        """Answer a question."""
        try:
            question, *parts = self._read(node)
            text = self._write(getattr(self, "_on_" + question)(*parts))
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever the program raises is the answer
            if type(error).__name__ == "Uncrossable":
                self._refuse(error)
            self._send("raised " + self._write_error(error))
        else:
            self._send("return " + text)

    def _on_call(self, function: "Any", args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "Any":
        if isinstance(function, str):
            if self.careful or function not in self._names:
                raise NameError("name " + repr(function) + " is not defined")
            function = self._names[function]
        self._changed = getattr(function, "__self__", None)
        return function(*args, **kwargs), args, kwargs

    def _on_method(self, target: "Any", name: str, args: "tuple[Any, ...]") -> "Any":
        self._changed = target
        if name in self._specials:
            method = getattr(type(target), name)
            return method(target, *args)
        self._check_public(target, name)
        return getattr(target, name)(*args)

    def _on_get(self, target: "Any", name: str) -> "Any":
        self._check_public(target, name)
        return getattr(target, name)

    def _on_set(self, target: "Any", name: str, value: "Any") -> None:
        self._check_public(target, name)
        self._changed = target
        setattr(target, name, value)

    def _on_next(self, iterator: "Any", count: int) -> "Any":
        if id(iterator) in self._failed:
            raise self._failed.pop(id(iterator))
        items: list[Any] = []
        try:
            for _ in range(count):
                items.append(next(iterator))  # noqa: PERF401  # what came before an error counts
        except StopIteration:
            return items, True
        except Exception as error:  # comes after the items that there are
            if not items:
                raise
            self._failed[id(iterator)] = error
        return items, False

    def _on_describe(self, names: "list[str]") -> "dict[str, tuple[str, Any]]":
        """What the program has under these names: classes and constants; all else is called."""
        found: dict[str, tuple[str, Any]] = {}
        for name in names:
            value = self._names.get(name)
            if isinstance(value, type) and self._is_own(value):
                found[name] = "class", value
            elif isinstance(value, (bool, int, float, str, list, tuple, dict, set, frozenset)):
                found[name] = "value", value
        return found

    def _check_public(self, target: "Any", name: str) -> None:
        """Whether the other side may use an attribute: any, unless this one is careful.

        Raises:
            AttributeError: It may not.
        """
        kind = target if isinstance(target, type) else type(target)
        if self.careful and (name.startswith("_") or not self._lends(kind)):
            raise AttributeError("this attribute stays with the tests")

    def _lends(self, kind: type) -> bool:
        """Whether objects of a type cross as such."""
        return self._is_own(kind) or (self.careful and (kind.__module__, kind.__name__) in LENT)

    def _is_own(self, kind: type) -> bool:
        return bool(kind.__module__ == self._names["__name__"])

    # Messages: a value, and what the objects in it hold

    def _write(self, value: "Any") -> str:
        known = len(self._given)
        self._to_describe = []
        try:
            text = self._codec.write(value)
            if id(self._changed) in self._handles and self._lends(type(self._changed)):
                self._codec.write(self._changed)  # for what it holds
            states = {}
            for index in self._to_describe:  # grows meanwhile
                if index not in states and not self.careful:
                    states[index] = self._codec.write(self._state(self._given[index]))
        except BaseException:
            for forgotten in self._given[known:]:
                del self._handles[id(forgotten)]
            del self._given[known:]
            raise
        return "[" + text + ",[" + ",".join(["[" + str(index) + "," + states[index] + "]" for index in states]) + "]]"

    def _read(self, node: "Any") -> "Any":
        try:
            value, states = node
            found = self._codec.build(value)
            for index, state in states:
                self.stand_ins.hold(index, self._codec.build(state))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  # anything may be in it
            raise self.forged(str(error)) from None
        return found

    def _state(self, thing: "Any") -> "dict[str, Any]":
        """What an object holds; what cannot cross in it is left out."""
        if is_member(thing):
            return {"name": thing._name_, "value": thing._value_}
        state = dict(getattr(thing, "__dict__", {}))
        for kind in type(thing).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(thing, name):
                    state[name] = getattr(thing, name)
        return {key: item for key, item in state.items() if isinstance(key, str) and self._crosses(item)}

    def _crosses(self, item: object) -> bool:
        try:
            self._codec.write(item)
        except TypeError:
            return False
        return True

    def _write_error(self, error: BaseException) -> str:
        kind = type(error)
        builtin = next((base for base in kind.__mro__ if is_builtin_exception(base)), Exception)
        try:
            args = tuple(error.args) if all(map(self._crosses, error.args)) else (str(error),)
            return self._write((builtin, kind.__name__, args, kind if self._is_own(kind) else None))
        except BaseException:  # noqa: BLE001  # a hostile __str__, a name that is no text
            return self._write((builtin, "Exception", (), None))

    # Handles

    def _handle(self, value: "Any") -> "str | None":
        """What is written for something that stays here; None for what is a plain value after all."""
        kind = type(value)
        known = self.stand_ins.handle(value)
        if known is not None:
            return '["y",' + str(known) + "]"
        if isinstance(value, type):
            if is_builtin_exception(value):
                return self._codec.tag("ex", value.__name__)
            lent = self._lends(value)
            return self._give(value, "class", self._class_record(value)) if lent else self._function(value)
        if isinstance(value, (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)):
            return None
        if hasattr(kind, "__next__"):
            return self._give(value, "iterator", None)
        if self._lends(kind):
            return self._give(value, "object", kind)
        return self._function(value)

    def _function(self, value: "Any") -> "str | None":
        return self._give(value, "function", getattr(value, "__name__", "")) if callable(value) else None

    def _give(self, value: "Any", kind: str, record: "Any") -> str:
        index = self._handles.get(id(value))
        if index is not None:
            if kind == "object":
                self._to_describe.append(index)
            return '["x",' + str(index) + "]"
        written = self._codec.write(record)  # first, for it may hold new handles itself
        index = self._handles[id(value)] = len(self._given)
        self._given.append(value)
        if kind == "object":
            self._to_describe.append(index)
        return '["h",[' + str(index) + ',"' + kind + '",' + written + "]]"

    def _class_record(self, kind: type) -> "dict[str, Any]":
        bases = [base for base in kind.__bases__ if self._is_own(base) or is_builtin_exception(base)]
        own = [vars(base) for base in kind.__mro__ if self._is_own(base) or base is kind]
        specials = [name for name in self._specials if any(name in members for members in own)]
        return {"name": kind.__name__, "bases": bases, "specials": specials}

    def _new(self, node: "Any") -> "Any":
        index, kind, record = node
        return self.stand_ins.make(int(index), str(kind), self._codec.build(record))

    def _known(self, index: int) -> "Any":
        return self.stand_ins.made[index]

    def _own(self, index: int) -> "Any":
        if index < 0:
            raise ValueError("not a handle")
        return self._given[index]


def take_over(old: "Any", new: "Any") -> None:
    """Make a changeable value what it has become on the other side."""
    kind = type(old)
    if kind.__module__ == "numpy":
        if kind.__name__ == "ndarray" and old.shape == new.shape and old.size:
            old[...] = new
    elif isinstance(old, (list, bytearray)):
        if old != new:
            old[:] = new
    elif isinstance(old, (dict, set)):
        if old != new or (isinstance(old, dict) and list(old) != list(new)):
            old.clear()
            old.update(new)
    elif kind.__name__ == "deque" and kind.__module__ == "collections" and old != new:
        old.clear()
        old.extend(new)


def is_member(value: object) -> bool:
    """Whether something is a member of an enumeration."""
    return "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum)


def is_builtin_exception(kind: object) -> bool:
    """Whether a class is one of the built-in exceptions that a program goes on after."""
    return isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == "builtins"


def exception_type(name: str) -> "type[Exception]":
    """A built-in exception by name; `Exception` for any other name."""
    import builtins

    kind = getattr(builtins, name, None)
    return kind if is_builtin_exception(kind) else Exception  # type: ignore[return-value]
