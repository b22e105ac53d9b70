import contextlib
import datetime
import json
from collections import Counter, OrderedDict, defaultdict, deque
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.sandbox.guest.runner import Uncrossable, plain
from flowsteer.sandbox.guest.values import Codec
from flowsteer.sandbox.plain import decode

SCALARS = st.none() | st.booleans() | st.integers() | st.integers(2**52, 2**90) | st.floats(allow_nan=False) | st.text()
KEYS = SCALARS | st.tuples(SCALARS, SCALARS) | st.frozensets(SCALARS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.sets(KEYS) | st.frozensets(KEYS) | st.dictionaries(KEYS, inner)
    ),
    max_leaves=12,
)


WEST = datetime.timezone(datetime.timedelta(hours=-3))
ZONES = st.none() | st.sampled_from([datetime.UTC, WEST, ZoneInfo("Asia/Tokyo")])
HASHABLE = (
    SCALARS
    | st.fractions()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.timedeltas()
    | st.times(timezones=ZONES)
    | st.datetimes(timezones=ZONES)
    | st.sampled_from([range(3), range(9, 0, -2), int, type(None), ..., slice(1, None)])
    | st.tuples(SCALARS, st.fractions())
)
RICH_KEYS = HASHABLE.filter(lambda key: not isinstance(key, slice))
RICH = st.recursive(
    HASHABLE | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.sets(RICH_KEYS)
        | st.dictionaries(RICH_KEYS, inner)
        | st.lists(inner).map(deque)
        | st.lists(inner, max_size=2).map(lambda items: deque(items, 2))
        | st.lists(RICH_KEYS).map(Counter)
        | st.dictionaries(RICH_KEYS, inner).map(OrderedDict)
        | st.dictionaries(RICH_KEYS, inner).map(lambda items: defaultdict(list, items))
        | st.dictionaries(RICH_KEYS, inner).map(lambda items: items.keys())
        | st.dictionaries(RICH_KEYS, RICH_KEYS).map(lambda items: items.items())
    ),
    max_leaves=12,
)


def crossed(value):
    """The value as the other program of a pair has it."""
    codec = Codec(plain)
    return codec.build(json.loads(codec.write(value)))


@given(RICH)
def test_what_one_program_writes_the_other_has(value):
    other = crossed(value)
    assert other == value
    assert type(other) is type(value)
    if "{" not in repr(value):  # sets have no order
        assert repr(other) == repr(value)  # types within, longest length, time zones


@given(RICH)
def test_the_host_reads_it_or_says_that_it_cannot(value):
    with contextlib.suppress(ValueError):
        decode(Codec(plain).write(value))


TAGS = st.sampled_from(["l", "t", "s", "d", "i", "q", "C", "od", "nt", "F", "D", "dt", "td", "tz", "np", "h", "y"])
NODES = st.recursive(
    st.none() | st.integers() | st.floats() | TAGS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(TAGS, st.lists(inner, max_size=4)).map(list),
    max_leaves=20,
)


@given(NODES)
def test_nothing_but_a_value_is_built(node):
    for read in (Codec(plain).build, lambda node: decode(json.dumps(node))):
        with contextlib.suppress(ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
            read(node)


def test_arrays_cross_with_their_types():
    np = pytest.importorskip("numpy", reason="needs the extra datascience")
    arrays = (
        *(np.arange(6.0).reshape(2, 3), np.array(["a", "bc"]), np.array(["2020"], "M8[D]"), np.zeros((0, 3))),
        *(np.array([1 + 2j], "c8"), np.array([1, "a", [2]], dtype=object), np.array(5), np.ones((2, 2), "?")),
    )
    for array in arrays:
        other = crossed(array)
        assert (other.dtype, other.shape) == (array.dtype, array.shape)
        assert other.tolist() == array.tolist() == decode(Codec(plain).write(array)) or array.dtype.kind == "M"
    for scalar in (np.float32(1.5), np.int8(3), np.bool_(True), np.str_("a"), np.datetime64("2020")):
        assert crossed(scalar) == scalar
        assert type(crossed(scalar)) is type(scalar)
    masked = np.ma.masked_all(3)
    assert type(crossed(masked)) is np.ndarray
    with pytest.raises(TypeError, match="cannot cross"):
        crossed(np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]))


class Text(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


class Items(list):
    def __iter__(self):
        return iter([7])


def test_of_a_class_made_of_a_plain_one_that_crosses():
    assert shape(crossed(Text("x"))) == ("str", "x")
    assert shape(crossed(Items([1]))) == ("list", ("int", 1))
    with pytest.raises(Uncrossable, match="object cannot cross"):
        crossed([object()])


def shape(value):
    """The value with the type of everything in it, for `1 == True == 1.0`."""
    if isinstance(value, dict):
        return ("dict", frozenset((shape(key), shape(item)) for key, item in value.items()))
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, frozenset(map(shape, value)))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *map(shape, value))
    return (type(value).__name__, value)


@given(VALUES)
def test_what_a_sandbox_writes_the_host_reads(value):
    assert shape(decode(plain(value))) == shape(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '["x",[]]',
        '["l",3]',
        '["l"]',
        '["d",[[1]]]',
        '["d",3]',
        '["s",[["l",[]]]]',
        '["i",7]',
        '["i","xyz"]',
        '{"l":[]}',
        "9" * 5000,
        "[" * 100_000,
        '["l",[' * 50_000,
    ],
)
def test_hostile_text_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  # each says it in other words
        decode(text)


@pytest.mark.parametrize(
    "text",
    [
        '["ba",[30000000]]',
        '["q",[["r",[0,3000000]]]]',
        '["q",[["r",[0,3000000]],0]]',
        '["dk",[["r",[0,3000000]]]]',
        '["dv",[["r",[0,3000000]]]]',
        '["nt",["x",["l",[]],["r",[0,3000000]]]]',
        '["C",[["l",[{}]]]]'.format(",".join(f'["t",[["i","{i * (2**61 - 1):x}"],0]]' for i in range(1000))),
        '["D",[["i","%s"]]]' % ("f" * 100_000),
        '["np",["x",["l",[%s]],["l",[%s]]]]' % (("1," * 1000 + "1",) * 2),
        '["np",["x",["l",[%s]],["l",[1]]]]' % ("1," * 10_000 + "1"),
        '["np",["x",["l",[1000,1,1,1]],["l",[%s]]]]' % ("1," * 999 + "1"),
        '["np",["x",["l",[2,-1]],["l",[1,2]]]]',
        '["np",["x",["l",[2]],["r",[0,2]]]]',
    ],
    ids=lambda text: text[:24],
)
def test_what_would_grow_far_beyond_its_text_is_refused(text):
    with pytest.raises(ValueError, match="not a plain value"):
        decode(text)


@pytest.mark.parametrize("kind", ["s", "f", "d"])
def test_keys_that_share_a_hash_are_refused_before_they_cost_time(kind):
    keys = [str(i * (2**61 - 1)) if i < 2 else f'["i","{i * (2**61 - 1):x}"]' for i in range(100_000)]
    items = [f"[{key},0]" for key in keys] if kind == "d" else keys
    with pytest.raises(ValueError, match="one hash"):
        decode(f'["{kind}",[{",".join(items)}]]')
