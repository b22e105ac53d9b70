"""What a pickle of a DS-1000 result may hold, and what it may not."""

import datetime
import io
import os
import pickle
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from pathlib import Path

import pytest

import flowsteer.grading

np = pytest.importorskip("numpy", reason="DS-1000 needs the extra datascience")
pd = pytest.importorskip("pandas", reason="DS-1000 needs the extra datascience")
sklearn = pytest.importorskip("sklearn.linear_model", reason="DS-1000 needs the extra datascience")
expr = pytest.importorskip("pandas.core.computation.expr", reason="DS-1000 needs the extra datascience")
integrate = pytest.importorskip("scipy.integrate", reason="DS-1000 needs the extra datascience")
interpolate = pytest.importorskip("scipy.interpolate", reason="DS-1000 needs the extra datascience")
stats = pytest.importorskip("scipy.stats", reason="DS-1000 needs the extra datascience")

GRADING = Path(flowsteer.grading.__file__).parent
CALLER = GRADING / "science_caller.py"


@pytest.fixture(scope="module")
def read():
    """The reader, as it stands in the sandbox, but for its keeping pyarrow from being imported there."""
    names = {}
    exec((GRADING / "science_names.py").read_text(), names)
    before = list(sys.meta_path)
    exec(compile(CALLER.read_text(), str(CALLER), "exec"), names)
    sys.meta_path[:] = before
    with pd.option_context("mode.string_storage", "python"):
        yield lambda data: names["_Reader"](io.BytesIO(data)).load()


def results():
    from scipy import optimize, sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    x = np.random.default_rng(0).random((20, 2))
    y = (x[:, 0] > 0.5).astype(int)
    yield from (1, 1.5, "a", b"b", None, True, 1j, [1], (2,), {3}, {"a": [1]}, range(3), slice(2), Decimal("1.1"))
    yield from (Counter("aab"), OrderedDict(a=1), deque([1]), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    yield from (x, np.float64(1), np.int64(2), np.bool_(True), np.datetime64("2020"), np.dtype("f8"))
    yield from (np.array([1, "a", None], dtype=object), np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]))
    yield from (pd.Timestamp("2020", tz="Europe/Berlin"), pd.Timedelta(3), pd.Period("2020"), pd.NaT, pd.NA)
    yield from (pd.RangeIndex(3), pd.date_range("2020", periods=3), pd.interval_range(0, 3), pd.to_timedelta([1, 2]))
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.Categorical(["u", "v"]), "d": pd.array([1, None])})
    yield from (frame, frame.a, frame.set_index(["a", "b"]), frame.groupby("a"), frame.T)
    yield from (sparse.csr_matrix(x), sparse.coo_array(x), sparse.dok_matrix(x), sparse.lil_matrix(x))
    yield from (stats.gaussian_kde(x[:, 0]), optimize.OptimizeResult(x=1), defaultdict(list, a=[1]), np.poly1d([1, 2]))
    yield from (
        stats.kstest(x[:, 0], "norm"),
        stats.describe(x),
        stats.linregress(x[:, 0], x[:, 1]),
        stats.mannwhitneyu(x[0], x[1]),
    )
    yield from (LinearRegression().fit(x, y), DecisionTreeClassifier().fit(x, y), FunctionTransformer())
    yield from (make_pipeline(StandardScaler(), SVC()).fit(x, y), GridSearchCV(SVC(), {"C": [1, 2]}).fit(x, y))
    yield TfidfVectorizer().fit(["a few words", "a few more"])


def test_results_of_the_libraries_come_through(read):
    kinds = [type(read(pickle.dumps(result, 5))) is type(result) for result in results()]
    assert all(kinds)
    assert len(kinds) > 40


def test_a_frame_comes_through_equal(read):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.date_range("2020", periods=2, tz="UTC")})
    pd.testing.assert_frame_equal(read(pickle.dumps(frame, 5)), frame)


def test_masks_are_dropped(read):
    masked = np.ma.masked_all(3)
    masked.data[:] = [1, 2, 3]
    assert read(pickle.dumps(masked, 5)).tolist() == [1, 2, 3]


class Reduced:
    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


class Own:
    pass


@pytest.mark.parametrize(
    "hostile",
    [
        Reduced(os.system, ("true",)),
        Reduced(eval, ("1",)),
        Reduced(exec, ("1",)),
        Reduced(getattr, (np.ndarray, "sum")),
        Reduced(setattr, (np.ndarray, "all", list)),
        Reduced(__import__, ("os",)),
        Reduced(np.load, ("/etc/passwd",)),
        Reduced(pd.read_pickle, ("/etc/passwd",)),
        Reduced(np.full, (3, 1)),
        Reduced(sklearn.LinearRegression, (), {"predict": list}),
        Reduced(sklearn.LinearRegression, (), {"__array_interface__": {"data": (4096, False)}}),
        Reduced(type, ("Liar", (), {})),
        Reduced(np.vectorize, (len,)),
        Reduced(expr.Expr, ("1", "python", "pandas")),
        Reduced(np.ndarray, ((3,),)),
        Reduced(pd.DataFrame, ([1],)),
        Reduced(sklearn.LinearRegression, ()),
        Reduced(integrate.RK45, (np.add, 0.0, [1.0], 1.0)),
        stats.norm(0, 1),
        interpolate.interp1d([1, 2, 3], [1, 2, 3]),
        np.add,
        len,
        np.testing.assert_equal,
        np.ma.masked,
        np.lib.stride_tricks.as_strided,
        Own(),
        Own,
    ],
    ids=lambda hostile: getattr(hostile, "__name__", type(hostile).__name__),
)
def test_anything_else_is_refused(read, hostile):
    with pytest.raises(pickle.UnpicklingError, match="a result may not"):
        read(pickle.dumps(hostile, 5))


def test_a_module_is_refused(read):
    with pytest.raises(pickle.UnpicklingError, match=r"a result may not hold pandas\.io"):
        read(b"\x80\x05\x8c\x06pandas\x8c\x02io\x93.")


def test_a_type_cannot_be_given_a_state(read):
    data = b"\x80\x05\x8c\x05numpy\x8c\x07ndarray\x93N}\x8c\x06__eq__\x8c\x08builtins\x8c\x04list\x93s\x86b."
    with pytest.raises(pickle.UnpicklingError, match="may not change a type"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"(cnumpy\nvectorize\no.",
        b"(S'1'\niscipy.integrate\nRK45\n.",
        b"(lp0\n(S'1'\nibuiltins\nlist\n.",
        b"\x80\x02cbuiltins\nobject\n(K\x01e.",
        b"\x80\x05\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x85RK\x00K\x01s.",
        b"\x80\x02cpandas.core.computation.expr\nExpr\n)\x81.",
        b"\x80\x02cbuiltins\nobject\n)\x81.",
        b"\x80\x02cnumpy\nndarray\nK\x03\x85\x81.",
        b"P1\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x05\x97.",
    ],
)
def test_no_other_step_builds_or_fills(read, data):
    with pytest.raises((pickle.UnpicklingError, KeyError)):
        read(data)


def test_slots_are_not_set(read):
    data = b"\x80\x05\x8c\x05numpy\x8c\x06poly1d\x93)\x81N}\x8c\x09__class__\x8c\x08builtins\x8c\x04list\x93s\x86b."
    with pytest.raises(pickle.UnpicklingError, match="may not set attributes"):
        read(data)
