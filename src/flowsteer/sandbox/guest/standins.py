"""Stand-ins for what stays on the other side of a pair: functions, iterators, classes and their objects.

`runner.py` executes this file in a program of a pair. See `peer.py`, which asks and answers.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from flowsteer.sandbox.guest.peer import Peer

BINARY = (
    *(
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__add__",
        "__sub__",
        "__mul__",
        "__truediv__",
        "__floordiv__",
        "__mod__",
    ),
    *("__pow__", "__and__", "__or__", "__xor__", "__matmul__"),
)
"""Operators that hand over the other operand."""

DECIDED_HERE = ("__eq__", "__hash__", "__contains__")
"""What a careful side never asks for: it compares what the objects hold."""

COMPARING = ("startswith", "endswith", "issubset", "issuperset", "isdisjoint", "equals", "count", "index")
"""Methods by which values of Python's own compare what they hold; a careful side asks no object for them."""

MAX_NEXT = 256
"""Most items of an iterator that are asked for at once."""


class StandIns:
    """All stand-ins of one side.

    Attributes:
        made: Those made so far, by the other side's handle.
        named: Classes that a careful side's program names: their objects have methods and operators here. Of others it
            has only what they hold.
    """

    def __init__(self, peer: "Peer") -> None:
        self.made: dict[int, Any] = {}
        self.named: set[type] = set()
        self._peer = peer
        self._handles: dict[int, int] = {}  # by identity
        self._kind = _kind_of_kinds(self)

    def handle(self, value: object) -> "int | None":
        """The other side's handle of a stand-in; None if it is none."""
        return self._handles.get(id(value))

    def make(self, index: int, kind: str, record: "Any") -> "Any":
        """Make the stand-in of something new."""
        made: Any
        if kind == "class":
            made = self._class(record["name"], record["bases"], record["specials"])
        elif kind == "object":
            made = record.__new__(record)
        elif kind == "iterator":
            made = _Iterator(self._peer)
        else:
            made = self.function(record, None)
        self.made[index] = made
        self._handles[id(made)] = index
        return made

    def hold(self, index: int, state: "dict[str, Any]") -> None:
        """Note what an object holds now."""
        held = vars(self.made[index])
        held.clear()
        held.update(state)

    def function(self, name: str, target: "str | None") -> "Callable[..., Any]":
        """A function of the other side: one with a handle or, with a target, what has that name there when called."""

        def function(*args: "Any", **kwargs: "Any") -> "Any":
            return self._peer.call(target or function, args, kwargs)

        function.__name__ = function.__qualname__ = name
        return function

    def is_open(self, kind: type) -> bool:
        """Whether objects of a class, or the class itself, may be asked for more than they hold."""
        return not self._peer.careful or any(base in self.named for base in kind.__mro__)

    def ask(self, question: str, target: "Any", *parts: "Any") -> "Any":
        """Ask about an object or a class."""
        kind = target if isinstance(target, type) else type(target)
        if not self.is_open(kind):
            raise TypeError("an object of type " + kind.__name__ + " is here only with what it holds")
        return self._peer.ask(question, target, *parts)

    def _class(self, name: str, bases: "list[type]", specials: "list[str]") -> type:
        careful = self._peer.careful
        members: dict[str, Any] = {
            "__module__": "__other__",
            "__getattr__": lambda target, name: self._get(target, name),
            "__setattr__": lambda target, name, value: self._set(target, name, value),
        }
        for special in specials:
            if not careful or special not in DECIDED_HERE:
                members[special] = self._special(special)
        if careful and "__eq__" in specials:
            members.update({"__eq__": _equal, "__hash__": lambda self: hash(type(self).__name__)})
        made: type = self._kind(name, tuple(bases) or (object,), members)
        return made

    def _special(self, name: str) -> "Callable[..., Any]":
        def method(target: "Any", *args: "Any") -> "Any":
            foreign = not all(isinstance(type(arg), self._kind) for arg in args)
            if self._peer.careful and name in BINARY and foreign:
                return NotImplemented
            return self.ask("method", target, name, args)

        return method

    def _get(self, target: "Any", name: str) -> "Any":
        compares = self._peer.careful and name in COMPARING
        if name.startswith("_") or compares or not self.is_open(type(target)):
            raise AttributeError(type(target).__name__ + " has no attribute " + repr(name) + " here")
        return self.ask("get", target, name)

    def _set(self, target: "Any", name: str, value: "Any") -> None:
        self.ask("set", target, name, value)
        if self._peer.careful:
            vars(target)[name] = value


def _kind_of_kinds(owner: StandIns) -> "Any":
    """The type of the stand-ins of classes."""

    class Kind(type):
        def __call__(cls, *args: "Any", **kwargs: "Any") -> "Any":
            return owner._peer.call(cls, args, kwargs)

        def __getattr__(cls, name: str) -> "Any":
            if name.startswith("_") or not owner.is_open(cls):
                raise AttributeError(cls.__name__ + " has no attribute " + repr(name) + " here")
            return owner.ask("get", cls, name)

        def __getitem__(cls, key: "Any") -> "Any":
            return owner.ask("method", cls, "__getitem__", (key,))

        def __iter__(cls) -> "Iterator[Any]":
            return iter(owner.ask("method", cls, "__iter__", ()))

        def __len__(cls) -> int:
            return int(owner.ask("method", cls, "__len__", ()))

        def __bool__(cls) -> bool:
            return True

    return Kind


def _equal(one: "Any", other: "Any") -> "Any":
    """Whether two objects hold the same; those that hold nothing are equal only if they are one."""
    if type(one) is not type(other):
        return NotImplemented
    return one is other or (bool(vars(one)) and vars(one) == vars(other))


class _Iterator:
    """The stand-in of an iterator; a careful side asks for more and more items at once."""

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer
        self._items: list[Any] = []
        self._done = False
        self._count = 1

    def __iter__(self) -> "_Iterator":
        return self

    def __next__(self) -> "Any":
        if not self._items:
            if self._done:
                raise StopIteration
            items, self._done = self._peer.ask("next", self, self._count)
            self._items = items[::-1]
            if self._peer.careful:
                self._count = min(2 * self._count, MAX_NEXT)
            if not items:
                raise StopIteration
        return self._items.pop()


def error(builtin: "type[Exception]", name: str, args: "tuple[Any, ...]", kind: "type | None") -> Exception:
    """The exception that stands for one of the other side: of its class's stand-in, or of its nearest built-in type."""
    if kind is not None and issubclass(kind, Exception):
        return BaseException.__new__(kind, *args)  # `args` and all
    if builtin is Exception:
        return Exception(*args) if name == "Exception" else Exception(name + ": " + ", ".join(map(str, args)))
    try:
        return builtin(*args)
    except Exception:  # noqa: BLE001  # it wants other arguments
        return Exception(name + ": " + ", ".join(map(str, args)))
