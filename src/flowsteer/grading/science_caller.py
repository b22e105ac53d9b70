"""What stands above a DS-1000 test program: its `exec`, which has the solution executed in another process.

This file is handed to a sandbox as text, behind `__wanted`, the names that the tests read, and the stub of
`execute_here` (`science_callee.py`); the package never imports it. A pickle from there is hostile. It may only build
objects of data types of the libraries and of Python itself, and only in the way those pickle themselves: no function
but their own constructors, no change to a class, no attribute that hides a method, no masked arrays (which compare as
equal to everything).
"""

import io as _io
import pickle as _pickle

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
_EXCLUDED = {"ma", "tests", "testing", "_testing", "_mocking", "mock", "conftest", "memmap", "MaskedArray"}
_BUILTINS = {
    *("object", "bool", "int", "float", "complex", "str", "bytes", "bytearray", "slice", "range"),
    *("list", "tuple", "dict", "set", "frozenset"),
}
_CONSTRUCTORS = {
    *("_reconstruct", "scalar", "_frombuffer", "_unpickle_block", "_new_Index", "_new_DatetimeIndex", "_nat_unpickle"),
    *("_unpickle_timestamp", "_timedelta_unpickle", "_unpickle_freq", "__newobj__", "newObj", "__bit_generator_ctor"),
    *("__generator_ctor", "__randomstate_ctor", "period_array", "_unpickle_offset", "_period_unpickle", "_tzinfo"),
    *("_reconstructor", "_convert_to_ufunc", "_ufunc_reconstruct", "_unpickle_array", "_UTC", "_p", "gettz", "tzutc"),
}


class _Reader(_pickle._Unpickler):  # type: ignore[name-defined, misc, unused-ignore]
    """Reads a pickle of data types only. The one written in Python, for its steps can be replaced."""

    dispatch: "ClassVar[dict[int, Any]]" = dict(_pickle._Unpickler.dispatch)  # type: ignore[attr-defined, unused-ignore]

    def find_class(self, module: str, name: str) -> "Any":
        """A type or constructor that a pickle names.

        Raises:
            UnpicklingError: If it may not name this.
        """
        parts = [*module.split("."), *name.split(".")]
        if module == "builtins":
            allowed = name in _BUILTINS
        elif module in ("copyreg", "_codecs"):
            allowed = name in ("_reconstructor", "__newobj__", "encode")
        else:
            allowed = parts[0] in _LIBRARIES and not _EXCLUDED & set(parts)
        if not allowed:
            raise _pickle.UnpicklingError(f"a result may not hold {module}.{name}")
        found = super().find_class(module, name)
        generated = name.startswith("__pyx_unpickle_")
        if not (isinstance(found, type) or module == "_codecs" or parts[-1] in _CONSTRUCTORS or generated):
            raise _pickle.UnpicklingError(f"a result may not call {module}.{name}")
        return found

    def load_build(self) -> None:
        """Give an object its state, unless that changes a class or a function or hides a method."""
        target = self.stack[-2]
        if isinstance(target, type) or type(target).__name__ in ("function", "builtin_function_or_method", "module"):
            raise _pickle.UnpicklingError("a result may not change a type or a function")
        super().load_build()
        own = self.stack[-1]
        for key in getattr(own, "__dict__", ()):
            if callable(getattr(type(own), key, None)):
                raise _pickle.UnpicklingError(f"a result may not replace {type(own).__name__}.{key}")

    dispatch[_pickle.BUILD[0]] = load_build


def exec(code: str, environment: "dict[str, Any]") -> None:  # noqa: A001  # the tests call it by this name
    """Have code executed in the other process, and take over the variables that the tests read."""
    import random

    import numpy

    visible = {key: value for key, value in environment.items() if key != "__builtins__"}
    request = _pickle.dumps((code, visible, __wanted, random.getstate(), numpy.random.get_state()), 5)
    environment.update(_Reader(_io.BytesIO(execute_here(request))).load())
