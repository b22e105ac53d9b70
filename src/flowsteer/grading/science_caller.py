"""What stands above a DS-1000 test program: its `exec`, which has the solution executed in another process.

This file is handed to a sandbox as text, behind `science_names.py`, `__wanted` (the names that the tests read) and the
stub of `execute_here` (`science_callee.py`); the package never imports it. A pickle from there is hostile. It may name
what is listed by module and name, call what is listed as called, make what is listed as made (each compared by
identity), and fill lists, dicts and sets: nothing else that pickles can do, no change to a class, no attribute that
hides a method or speaks for an object, no mask on an array.
"""

import collections as _collections
import importlib as _importlib
import io as _io
import pickle as _pickle
import sys as _sys
import types as _types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar

    from flowsteer.grading.science_names import CALLED, MADE, NAMED

    __wanted: list[str] = []

    def execute_here(request: bytes) -> bytes:  # noqa: D103  # the stub
        ...


class _Refused(_pickle.UnpicklingError):
    """A result is not what it may be."""


def _places(listed: "dict[str, str]") -> "dict[str, list[str]]":
    """The modules under each name of a list."""
    places: dict[str, list[str]] = {}
    for module, names in listed.items():
        for name in names.split():
            places.setdefault(name, []).append(module)
    return places


_CALLED, _MADE, _NAMED = _places(CALLED), _places(MADE), _places(NAMED)


def _listed(name: str, *lists: "dict[str, list[str]]") -> "Iterator[tuple[str, Any]]":
    """The objects that are listed under a name, each with its module; only modules of the lists are ever imported."""
    for places in lists:
        for module in places.get(name, ()):
            try:
                yield module, getattr(_importlib.import_module(module), name)
            except (ImportError, AttributeError):  # this version of the library has no such thing
                continue


def _find(module: str, name: str) -> "Any":
    """What is listed under the name, if the pickle calls it as the list does, or as it calls itself."""
    for place, found in _listed(name, _CALLED, _MADE, _NAMED):
        if module in (place, getattr(found, "__module__", place)):
            return found
    raise _Refused(f"a result may not hold {module}.{name}")


def _is_listed(found: object, *lists: "dict[str, list[str]]") -> bool:
    """Whether an object is itself in one of the lists."""
    return any(listed is found for _, listed in _listed(getattr(found, "__name__", ""), *lists))


def _zone(owner: "Any", name: str) -> "Any":
    """The one use of `getattr` in pickles of data: how time zones name their constructor."""
    from zoneinfo import ZoneInfo

    if name == "_unpickle" and owner is ZoneInfo:
        return _zone_info
    raise _Refused("a result may not hold an attribute")


def _zone_info(key: str, _cached: bool) -> object:
    """A time zone, by its name."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


def _encode(text: str, encoding: str) -> bytes:
    """How old pickles spell bytes."""
    return text.encode(encoding)


def _rebuild(kind: "Any", base: "Any", state: object) -> object:
    """How old pickles build an object."""
    if not _is_listed(kind, _MADE, _NAMED, _CALLED):
        raise _Refused("a result may not be built so")
    if base is object:
        return object.__new__(kind)
    if base not in (dict, list, set, tuple, int, float, str):
        raise _Refused("a result may not be built so")
    built = base.__new__(kind, state)
    base.__init__(built, state)
    return built


def _unmasked(*_: object) -> object:
    """What a masked array becomes: the array without its mask, since masked items count as equal to anything."""
    import numpy

    class Unmasked(numpy.ndarray):  # type: ignore[misc, type-arg, unused-ignore]
        def __setstate__(self, state: "tuple[Any, ...]") -> None:  # type: ignore[override, unused-ignore]
            super().__setstate__(state[:5])

    return numpy.ndarray.__new__(Unmasked, (0,))


_OWN = {
    ("builtins", "getattr"): _zone,
    ("_codecs", "encode"): _encode,
    ("copyreg", "_reconstructor"): _rebuild,
    ("numpy.ma.core", "_mareconstruct"): _unmasked,
    ("numpy.ma", "MaskedArray"): object,
    ("numpy.ma.core", "MaskedArray"): object,
}
"""What stands in for names that pickles of data use and that could do more."""


class _Reader(_pickle._Unpickler):  # type: ignore[name-defined, misc, unused-ignore]
    """Reads a pickle of data. The reader written in Python, for its steps can be replaced."""

    stack: "list[Any]"
    metastack: "list[list[Any]]"
    dispatch: "ClassVar[dict[int, Any]]"

    def find_class(self, module: str, name: str) -> "Any":
        """What a pickle names.

        Raises:
            UnpicklingError: If it may not name this.
        """
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        name = {"xrange": "range"}.get(name, name)
        return _OWN[module, name] if (module, name) in _OWN else _find(module, name)

    def load_reduce(self) -> None:
        """Call what builds an object, and nothing else."""
        function = self.stack[-2]
        if not (any(function is own for own in (_zone_info, *_OWN.values())) or _is_listed(function, _CALLED)):
            raise _Refused(f"a result may not call {getattr(function, '__name__', function)}")
        super().load_reduce()  # type: ignore[misc, unused-ignore]

    def load_newobj(self) -> None:
        """Make an empty object."""
        self._check_made(self.stack[-2])
        super().load_newobj()  # type: ignore[misc, unused-ignore]

    def load_newobj_ex(self) -> None:
        """Make an empty object."""
        self._check_made(self.stack[-3])
        super().load_newobj_ex()  # type: ignore[misc, unused-ignore]

    def _check_made(self, kind: object) -> None:
        if not _is_listed(kind, _MADE):
            raise _Refused(f"a result may not make {getattr(kind, '__name__', kind)}")

    def load_build(self) -> None:
        """Give an object its state, unless that changes a type or a function, or hides a method."""
        state, built = self.stack[-1], self.stack[-2]
        if isinstance(built, (type, _types.FunctionType, _types.BuiltinFunctionType)):
            raise _Refused("a result may not change a type or a function")
        if not hasattr(built, "__setstate__") and not isinstance(state, dict):
            raise _Refused(f"a result may not set attributes of {type(built).__name__}")
        super().load_build()  # type: ignore[misc, unused-ignore]
        for key in getattr(built, "__dict__", ()):
            if key.startswith("__array") or callable(getattr(type(built), key, None)):
                raise _Refused(f"a result may not replace {type(built).__name__}.{key}")


_CONTAINERS = (
    list,
    dict,
    set,
    _collections.deque,
    _collections.OrderedDict,
    _collections.Counter,
    _collections.defaultdict,
)


def _filling(step: "Any", place: "Callable[[_Reader], Any]") -> "Any":
    """A step of the reader that fills a container: one of Python's own, or a dict of the lists."""

    def fill(self: _Reader) -> None:
        kind = type(place(self))
        if kind not in _CONTAINERS and not (issubclass(kind, dict) and _is_listed(kind, _MADE)):
            raise _Refused(f"a result may not fill {kind.__name__}")
        step(self)

    return fill


def _steps() -> "dict[int, Any]":
    """The steps of the reader: without those that call (INST, OBJ) or look up (EXT, PERSID, BUFFER) by other ways."""
    steps: dict[int, Any] = {**_pickle._Unpickler.dispatch}  # type: ignore[attr-defined, unused-ignore]
    for code in b"PQio\x82\x83\x84\x97\x98":
        del steps[code]
    steps[_pickle.REDUCE[0]] = _Reader.load_reduce
    steps[_pickle.NEWOBJ[0]] = _Reader.load_newobj
    steps[_pickle.NEWOBJ_EX[0]] = _Reader.load_newobj_ex
    steps[_pickle.BUILD[0]] = _Reader.load_build
    for one, depth in ((_pickle.APPEND, 2), (_pickle.SETITEM, 3)):
        steps[one[0]] = _filling(steps[one[0]], lambda self, depth=depth: self.stack[-depth])  # type: ignore[misc]
    for many in (_pickle.APPENDS, _pickle.SETITEMS, _pickle.ADDITEMS):
        steps[many[0]] = _filling(steps[many[0]], lambda self: self.metastack[-1][-1])
    return steps


_Reader.dispatch = _steps()


class _NoArrow:
    """Keeps pyarrow away, so that pandas holds texts as Python's own."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse one module, leave others to others."""
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name=name)


_sys.meta_path.insert(0, _NoArrow())


def exec(code: str, environment: "dict[str, Any]") -> None:  # noqa: A001  # the tests call it by this name
    """Have code executed in the other process, and take over the variables that the tests read."""
    import random

    import numpy

    visible = {key: value for key, value in environment.items() if key != "__builtins__"}
    request = _pickle.dumps((code, visible, __wanted, random.getstate(), numpy.random.get_state()), 5)
    environment.update(_Reader(_io.BytesIO(execute_here(request))).load())
