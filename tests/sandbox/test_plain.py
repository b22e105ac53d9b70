import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsteer.sandbox.guest.runner import plain
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


@pytest.mark.parametrize("kind", ["s", "f", "d"])
def test_keys_that_share_a_hash_are_refused_before_they_cost_time(kind):
    keys = [str(i * (2**61 - 1)) if i < 2 else f'["i","{i * (2**61 - 1):x}"]' for i in range(100_000)]
    items = [f"[{key},0]" for key in keys] if kind == "d" else keys
    with pytest.raises(ValueError, match="one hash"):
        decode(f'["{kind}",[{",".join(items)}]]')
