"""What stands above a DS-1000 test program: its `exec`, which has the solution executed in another process.

This file is handed to a sandbox as text, behind `__wanted`, the names that the tests read, and the stub of
`execute_here` (`science_callee.py`); the package never imports it. A pickle from there is hostile. It may hold data
types of the libraries and of Python itself, built in the way that those pickle themselves, and name functions of the
libraries without calling any: no change to a class, no attribute that hides a method or speaks for an object, no mask
on an array.
"""

import io as _io
import pickle as _pickle
import sys as _sys
import types as _types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    __wanted: list[str] = []

    def execute_here(request: bytes) -> bytes:  # noqa: D103  # the stub
        ...


_LIBRARIES = {
    *("numpy", "pandas", "scipy", "sklearn"),
    *("collections", "datetime", "dateutil", "decimal", "fractions", "pytz", "uuid", "zoneinfo"),
}
_EXCLUDED = {
    *("ma", "tests", "testing", "_testing", "_mocking", "conftest", "memmap"),
    *("ctypeslib", "_internal", "_stride_tricks_impl", "stride_tricks", "_ccallback"),
}
"""Parts of the libraries that fake, mask or reach into memory."""

_BUILTINS = {
    *("object", "bool", "int", "float", "complex", "str", "bytes", "bytearray", "slice", "range"),
    *("list", "tuple", "dict", "set", "frozenset"),
}
_SINGLETONS = {"NA", "NaT"}
_CONSTRUCTORS = {
    *("_reconstruct", "scalar", "_frombuffer", "_unpickle_block", "_new_Index", "_new_DatetimeIndex", "_nat_unpickle"),
    *("_new_IntervalIndex", "_new_PeriodIndex", "_new_TimedeltaIndex", "_unpickle_timestamp", "_timedelta_unpickle"),
    *("_unpickle_freq", "_period_unpickle", "newObj", "__bit_generator_ctor", "__generator_ctor"),
    *("__randomstate_ctor", "_ufunc_reconstruct", "_UTC", "_p", "gettz", "tzutc"),
}
"""Functions by which the libraries' objects pickle themselves, beside their types."""


class _Refused(_pickle.UnpicklingError):
    """A result is not what it may be."""


def _is_data(module: str, name: str, found: "Any") -> bool:
    """Whether what a pickle names is a type, function or singleton of a library."""
    if isinstance(found, _types.ModuleType):
        return False
    if not callable(found):
        return name in _SINGLETONS
    home = getattr(found, "__module__", None) or module
    parts = {*module.split("."), *name.split("."), *home.split(".")}
    return module.partition(".")[0] in _LIBRARIES and home.partition(".")[0] in _LIBRARIES and not parts & _EXCLUDED


def _zone(owner: "Any", name: str) -> "Any":
    """The one use of `getattr` in pickles of data: how time zones name their constructor."""
    from zoneinfo import ZoneInfo

    if name == "_unpickle" and owner is ZoneInfo:
        return getattr(owner, name)
    raise _Refused("a result may not hold an attribute")


def _encode(text: str, encoding: str) -> bytes:
    """How old pickles spell bytes."""
    return text.encode(encoding)


def _rebuild(kind: "Any", base: "Any", state: object) -> object:
    """How old pickles build an object."""
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
    dispatch: "ClassVar[dict[int, Any]]" = {**_pickle._Unpickler.dispatch}  # type: ignore[attr-defined, unused-ignore]  # noqa: RUF012

    def find_class(self, module: str, name: str) -> "Any":
        """What a pickle names.

        Raises:
            UnpicklingError: If it may not name this.
        """
        if (module, name) in _OWN:
            return _OWN[module, name]
        if module == "builtins" and name in _BUILTINS:
            return super().find_class(module, name)
        if module.partition(".")[0] in _LIBRARIES and _is_data(module, name, found := super().find_class(module, name)):
            return found
        raise _Refused(f"a result may not hold {module}.{name}")

    def load_reduce(self) -> None:
        """Call what builds an object, and nothing else."""
        function = self.stack[-2]
        name = getattr(function, "__name__", "")
        known = isinstance(function, type) or function in _OWN.values() or name in _CONSTRUCTORS
        if not (known or name.startswith("__pyx_unpickle_") or name == "_unpickle"):
            raise _Refused(f"a result may not call {name}")
        super().load_reduce()  # type: ignore[misc, unused-ignore]

    def load_build(self) -> None:
        """Give an object its state, unless that changes a type or a function, or hides a method."""
        if isinstance(self.stack[-2], (type, _types.FunctionType, _types.BuiltinFunctionType)):
            raise _Refused("a result may not change a type or a function")
        super().load_build()  # type: ignore[misc, unused-ignore]
        built = self.stack[-1]
        for key in getattr(built, "__dict__", ()):
            if key.startswith("__array") or callable(getattr(type(built), key, None)):
                raise _Refused(f"a result may not replace {type(built).__name__}.{key}")

    dispatch[_pickle.REDUCE[0]] = load_reduce
    dispatch[_pickle.BUILD[0]] = load_build


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
