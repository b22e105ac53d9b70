"""Values beyond the plain ones, by value: how they are written as tagged JSON, and built again from it.

`runner.py` executes this file where such values may cross. What is written is read by the host
(`flowsteer.sandbox.plain`, which lists the tags) or, in a pair of programs, by the other side. What is read may be
hostile: nothing is called here but constructors of Python's own types and of numpy's arrays. Modules that no program
has imported are not imported for a look at what it returns.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_EQUAL_HASHES = 64
ARRAY_KINDS = "biufcSUmMO"
_TYPES: "tuple[type, ...]" = (
    *(type(None), type(Ellipsis), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset),
    *(range, slice, object, type),
)
TYPES = {kind.__name__: kind for kind in _TYPES}


class Codec:
    """Writes and builds values.

    Args:
        plain: Writes what is plain, and hands anything else to its second argument.
        fallback: Writes what is neither plain nor known here; None if it cannot.
        readers: Builders of further tags.
    """

    def __init__(
        self,
        plain: "Callable[[Any, Any], str]",
        fallback: "Callable[[Any], str | None]" = lambda value: None,
        readers: "dict[str, Callable[[Any], Any]] | None" = None,
    ) -> None:
        self._plain = plain
        self._fallback = fallback
        self._readers: dict[str, Callable[[Any], Any]] = {**self._own_readers(), **(readers or {})}

    def write(self, value: "Any") -> str:
        """The tagged JSON of a value.

        Raises:
            TypeError: If it, or something in it, cannot cross.
        """
        return self._plain(value, self._other)

    def build(self, node: "Any") -> "Any":
        """The value of a node of parsed JSON.

        Raises:
            ValueError: If it is no value.
        """
        if not isinstance(node, (list, dict)):
            return node
        if isinstance(node, list) and len(node) == 2 and isinstance(node[0], str) and node[0] in self._readers:
            return self._readers[node[0]](node[1])
        raise ValueError("not a value")

    def items(self, nodes: "Any") -> "list[Any]":
        """The values of a list of nodes."""
        if not isinstance(nodes, list):
            raise ValueError("not a value")
        return [node if type(node) not in (list, dict) else self.build(node) for node in nodes]

    def _other(self, value: "Any") -> "str | None":
        found = self._written(value)
        return found if found is not None else self._fallback(value)

    def tag(self, tag: str, *parts: "Any") -> str:
        """A tag with its parts written."""
        return '["' + tag + '",[' + ",".join([self.write(part) for part in parts]) + "]]"

    def _written(self, value: "Any") -> "str | None":
        kind = type(value)
        name = kind.__name__
        if kind is range:
            return self.tag("r", value.start, value.stop, value.step)
        if kind is slice:
            return self.tag("sl", value.start, value.stop, value.step)
        if kind is bytearray:
            return self.tag("ba", bytes(value))
        if kind in (type({}.keys()), type({}.values()), type({}.items())):
            return self.tag({"dict_keys": "dk", "dict_values": "dv", "dict_items": "di"}[name], list(value))
        if kind is type and TYPES.get(named := getattr(value, "__name__", "")) is value:
            return self.tag("ty", named)
        if value is Ellipsis:
            return self.tag("el")
        for module, write in _WRITERS.items():
            found = write(self, value) if module in sys.modules else None
            if found is not None:
                return found
        return None

    def _own_readers(self) -> "dict[str, Callable[[Any], Any]]":
        items = self.items

        def parts(build: "Callable[..., Any]", count: "int | None" = None) -> "Callable[[Any], Any]":
            def read(node: "Any") -> "Any":
                found = items(node)
                if count is not None and len(found) != count:
                    raise ValueError("not a value")
                return build(*found)

            return read

        return {
            "l": items,
            "t": lambda node: tuple(items(node)),
            "s": lambda node: set(_keys(items(node))),
            "f": lambda node: frozenset(_keys(items(node))),
            "d": lambda node: dict(zip(_keys(items([key for key, _ in node])), items([item for _, item in node]))),  # noqa: B905
            "b": bytes.fromhex,
            "c": lambda node: complex(*node),
            "i": lambda node: int(node, 16),
            "r": parts(range, 3),
            "sl": parts(slice, 3),
            "ba": parts(bytearray, 1),
            "dk": parts(lambda keys: dict.fromkeys(_keys(keys)).keys(), 1),
            "dv": parts(lambda values: dict(enumerate(values)).values(), 1),
            "di": parts(lambda pairs: _from_pairs(pairs).items(), 1),
            "ty": parts(TYPES.__getitem__, 1),
            "el": parts(lambda: Ellipsis, 0),
            **{tag: parts(build) for tag, build in _BUILDERS.items()},
        }


def _keys(keys: "list[Any]") -> "list[Any]":
    """Keys for a set or dict, unless they were made to be slow to insert (see `flowsteer.sandbox.plain`)."""
    if len(keys) > MAX_EQUAL_HASHES:
        counts: dict[int, int] = {}
        for key in keys:
            counts[hash(key)] = counts.get(hash(key), 0) + 1
        if max(counts.values()) > MAX_EQUAL_HASHES:
            raise ValueError("the value has too many keys with one hash")
    return keys


def _from_pairs(pairs: "list[tuple[Any, Any]]") -> "dict[Any, Any]":
    _keys([key for key, _ in pairs])
    return dict(pairs)


def _collections(codec: Codec, value: "Any") -> "str | None":
    import collections

    kind = type(value)
    if kind is collections.deque:
        return codec.tag("q", list(value), value.maxlen)
    if kind is collections.Counter:
        return codec.tag("C", dict(value))
    if kind is collections.OrderedDict:
        return codec.tag("od", list(value.items()))
    if kind is collections.defaultdict:
        factory = value.default_factory
        return codec.tag("dd", factory if factory in TYPES.values() else None, list(value.items()))
    if isinstance(value, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        return codec.tag("nt", kind.__name__, list(kind._fields), list(tuple.__iter__(value)))
    return None


def _fractions(codec: Codec, value: "Any") -> "str | None":
    import fractions

    return codec.tag("F", value.numerator, value.denominator) if type(value) is fractions.Fraction else None


def _decimal(codec: Codec, value: "Any") -> "str | None":
    import decimal

    return codec.tag("D", str(value)) if type(value) is decimal.Decimal else None


def _datetime(codec: Codec, value: "Any") -> "str | None":
    import datetime

    kind = type(value)
    if kind is datetime.timedelta:
        return codec.tag("td", value.days, value.seconds, value.microseconds)
    if kind is datetime.timezone:
        return codec.tag("tz", *value.__getinitargs__())
    if kind is datetime.date:
        return codec.tag("da", value.year, value.month, value.day)
    if kind is datetime.time:
        return codec.tag("ti", value.hour, value.minute, value.second, value.microsecond, value.tzinfo, value.fold)
    if kind is datetime.datetime:
        date = value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
        return codec.tag("dt", *date, value.tzinfo, value.fold)
    if kind.__name__ == "ZoneInfo" and kind.__module__ == "zoneinfo" and value.key:
        return codec.tag("zi", value.key)
    return None


def _numpy(codec: Codec, value: "Any") -> "str | None":
    import numpy

    if not isinstance(value, (numpy.ndarray, numpy.generic)):
        return None
    array = numpy.asarray(value).view(numpy.ndarray)  # without a mask, and without what a subclass makes of it
    if array.dtype.kind not in ARRAY_KINDS:
        raise TypeError("a numpy value of type " + str(array.dtype) + " cannot cross")
    numbers = array.view("i8") if array.dtype.kind in "mM" else array
    shape = None if isinstance(value, numpy.generic) else list(array.shape)
    return codec.tag("np", array.dtype.str, shape, numbers.ravel().tolist())


_WRITERS = {
    "collections": _collections,
    "fractions": _fractions,
    "decimal": _decimal,
    "datetime": _datetime,
    "numpy": _numpy,
}


def _named_tuple(name: str, fields: "list[str]", items: "list[Any]") -> object:
    import collections

    kind: Any = collections.namedtuple(name, fields)  # type: ignore[misc]
    return kind(*items)


def _datetimes(kind: str) -> "Callable[..., Any]":
    def build(*parts: "Any") -> "Any":
        import datetime

        if kind in ("time", "datetime"):
            *parts, zone, fold = parts  # type: ignore[assignment]
            return getattr(datetime, kind)(*parts, tzinfo=zone, fold=fold)
        return getattr(datetime, kind)(*parts)

    return build


def _zone_info(key: str) -> object:
    import zoneinfo

    return zoneinfo.ZoneInfo(key)


def _made_by(module: str, kind: str) -> "Callable[..., Any]":
    return lambda *parts: getattr(__import__(module), kind)(*parts)


def _array(dtype: str, shape: "list[int] | None", items: "list[Any]") -> object:
    import numpy

    kind = numpy.dtype(dtype)
    if kind.kind not in ARRAY_KINDS:
        raise ValueError("not an array")
    if kind.kind in "mM":
        array = numpy.array(items, "i8").view(kind)
    elif kind.kind == "O":
        array = numpy.empty(len(items), object)
        for index, item in enumerate(items):
            array[index] = item
    else:
        array = numpy.array(items, kind)
    return array[0] if shape is None else array.reshape(shape)


_BUILDERS: "dict[str, Callable[..., Any]]" = {
    "q": lambda items, longest: _made_by("collections", "deque")(items, longest),
    "C": _made_by("collections", "Counter"),
    "od": lambda pairs: _made_by("collections", "OrderedDict")(_from_pairs(pairs)),
    "dd": lambda factory, pairs: _made_by("collections", "defaultdict")(factory, _from_pairs(pairs)),
    "nt": _named_tuple,
    "F": _made_by("fractions", "Fraction"),
    "D": _made_by("decimal", "Decimal"),
    "td": _datetimes("timedelta"),
    "tz": _datetimes("timezone"),
    "da": _datetimes("date"),
    "ti": _datetimes("time"),
    "dt": _datetimes("datetime"),
    "zi": _zone_info,
    "np": _array,
}
