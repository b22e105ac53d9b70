# ruff: noqa: E501  # the programs read best unbroken
"""Values that cross between tests and solution: right solutions are right, whatever they take and return."""

import shutil

import pytest
import pytest_asyncio

from flowsteer.datasets.rows import sample_from_row
from flowsteer.grading.code import Sandboxes, grade_code
from flowsteer.sandbox.monty import MontySandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["monty first", "bubblewrap"])
async def sandboxes(request):
    both = Sandboxes(MontySandbox() if request.param == "monty first" else None)
    yield both
    await both.aclose()


def task(tests, before=None):
    row = {"id": "1", "type": "code", "dataset": "mbpp", "question": "?", "tests": tests, "entry_point": "f"}
    return sample_from_row(row | ({"prompt_code": before} if before else {}))


BY_VALUE = {
    "fraction": (
        "from fractions import Fraction\nassert f(Fraction(1, 3)) == Fraction(2, 3)",
        "def f(x): return 2 * x",
    ),
    "fraction made": (
        "from fractions import Fraction\nassert f(3) == Fraction(1, 3) and type(f(3)) is Fraction",
        "from fractions import Fraction\ndef f(n): return Fraction(1, n)",
    ),
    "decimal": (
        "from decimal import Decimal\nassert f(Decimal('0.1')) == Decimal('0.2')\nassert str(f(Decimal('1.10'))) == '2.20'",
        "def f(x): return x + x",
    ),
    "dates": (
        "import datetime\nd = datetime.datetime(2020, 2, 28, 3, 4, 5, 6, datetime.timezone.utc)\n"
        "assert f(d) == d + datetime.timedelta(days=1) and f(d).tzinfo is not None\n"
        "assert f(datetime.date(2020, 2, 28)) == datetime.date(2020, 2, 29)",
        "import datetime\ndef f(d): return d + datetime.timedelta(days=1)",
    ),
    "time": (
        "import datetime\nassert f(1) == [datetime.time(1, 2)]",
        "from datetime import time\ndef f(h): return [time(h, 2)]",
    ),
    "deque": (
        "from collections import deque\nd = deque([1, 2], 3)\nassert f(d) == deque([2, 1])\nassert f(d).maxlen == 3 and list(d) == [1, 2, 9]",
        "def f(d):\n    r = d.copy()\n    r.reverse()\n    d.append(9) if 9 not in d else None\n    return r",
    ),
    "counter": (
        "from collections import Counter\nassert f('aab') == Counter('aab')\nassert f('aab').most_common(1) == [('a', 2)]",
        "from collections import Counter\ndef f(s): return Counter(s)",
    ),
    "ordered": (
        "from collections import OrderedDict\nassert f([2, 1]) == OrderedDict([(2, 0), (1, 0)])\n"
        "assert f([2, 1]) != OrderedDict([(1, 0), (2, 0)])",
        "from collections import OrderedDict\ndef f(xs): return OrderedDict((x, 0) for x in xs)",
    ),
    "defaultdict": (
        "r = f('ab')\nassert r == {'a': [0], 'b': [1]} and r['c'] == []",
        "from collections import defaultdict\ndef f(s):\n    d = defaultdict(list)\n    for i, c in enumerate(s): d[c].append(i)\n    return d",
    ),
    "range": ("assert f(3) == range(3) and f(3) != [0, 1, 2]", "def f(n): return range(n)"),
    "views": (
        "assert f({'a': 1}) == ({'a'}, [1], {('a', 1)})\nassert set(f({})[0]) == set()",
        "def f(d): return d.keys(), list(d.values()), d.items()",
    ),
    "bytearray": ("b = bytearray(b'ab')\nf(b)\nassert b == b'abc'", "def f(b): b.append(99)"),
    "types": ("assert f(1) is int and f('') is str and f(...) is type(...)", "def f(x): return type(x)"),
    "named tuple": (
        "assert f(1) == (1, 2) and f(1).x == 1 and f(1)._fields == ('x', 'y')",
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(x): return P(x, 2)",
    ),
    "nested": (
        "from fractions import Fraction\nfrom collections import deque\n"
        "assert f([Fraction(1)]) == {'a': (deque([Fraction(1)]), {Fraction(1): range(2)})}",
        "from collections import deque\ndef f(x): return {'a': (deque(x), {x[0]: range(2)})}",
    ),
}

NUMPY = {
    "array": (
        "import numpy as np\nassert np.array_equal(f(np.array([1, 2])), np.array([2, 4]))",
        "def f(a): return a * 2",
    ),
    "scalar": (
        "import numpy as np\nassert f([1, 2]) == 3 and isinstance(f([1]), np.integer)",
        "import numpy as np\ndef f(a): return np.sum(a)",
    ),
    "bool": ("assert f([1]) == True and not f([0])", "import numpy as np\ndef f(a): return np.all(a)"),
    "in place": (
        "import numpy as np\na = np.array([[3, 1], [2, 4]])\nf(a)\nassert a.tolist() == [[1, 3], [2, 4]]",
        "def f(a): a.sort()",
    ),
    "kinds": (
        "import numpy as np\n"
        "for a in (np.array(['a', 'bc']), np.array([1.5, np.nan], 'f4'), np.array([1j]), np.array(['2020'], 'M8[D]'),"
        " np.array([True]), np.array([], 'u1'), np.zeros((2, 0)), np.array([1, 'a', None], object), np.array(7)):\n"
        "    b = f(a)\n    assert b.dtype == a.dtype and b.shape == a.shape\n    np.testing.assert_array_equal(a, b)",
        "def f(a): return a.copy()",
    ),
    "in containers": (
        "import numpy as np\nassert f(3) == [0, 1, 2]",
        "import numpy as np\ndef f(n): return list(np.arange(n))",
    ),
}

CLASSES = {
    "dataclass": (
        "assert f(1) == Point(1, 2)\nassert f(1) != Point(2, 2)\nassert f(1).x == 1 and repr(f(1)) == 'Point(x=1, y=2)'",
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\ndef f(x): return Point(x, 2)",
    ),
    "as argument": (
        "assert f([Pair(5, 24), Pair(39, 60), Pair(15, 28)], 3) == 60",
        "class Pair:\n    def __init__(self, a, b):\n        self.a = a\n        self.b = b\ndef f(ps, n): return max(p.b for p in ps[:n])",
    ),
    "order": (
        "assert sorted([V(2), V(1)]) == [V(1), V(2)] and V(1) < V(2)",
        "from dataclasses import dataclass\n@dataclass(order=True)\nclass V:\n    x: int",
    ),
    "methods": (
        "s = Stack()\ns.push(1)\ns.push([2])\nassert len(s) == 2 and s.pop() == [2] and s.items == [1]\nassert list(s) == [1] and s[0] == 1",
        "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
        "    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)\n"
        "    def __iter__(self): return iter(self.items)\n    def __getitem__(self, i): return self.items[i]",
    ),
    "vectors": (
        "assert Vec(1, 2) + Vec(3, 4) == Vec(4, 6) and str(Vec(1, 2)) == '<1, 2>'",
        "class Vec:\n    def __init__(self, x, y): self.x, self.y = x, y\n    def __add__(self, o): return Vec(self.x + o.x, self.y + o.y)\n"
        "    def __eq__(self, o): return (self.x, self.y) == (o.x, o.y)\n    def __str__(self): return f'<{self.x}, {self.y}>'",
    ),
    "linked list": (
        "head = Node(1, Node(2))\nr = f(head)\nassert (r.value, r.next.value, r.next.next) == (2, 1, None)\nassert r.next is head",
        "class Node:\n    def __init__(self, value, next=None):\n        self.value = value\n        self.next = next\n"
        "def f(head):\n    before = None\n    while head: head.next, before, head = before, head, head.next\n    return before",
    ),
    "enum": (
        "assert f(1) is Color.RED and f(1).name == 'RED' and Color(2) == Color['BLUE'] and f(1) != Color.BLUE\n"
        "assert [c.value for c in Color] == [1, 2] and isinstance(f(1), Color)",
        "from enum import Enum\nclass Color(Enum):\n    RED = 1\n    BLUE = 2\ndef f(n): return Color(n)",
    ),
    "int enum": (
        "assert f(1) == 1 and f(1) == Color.RED",
        "from enum import IntEnum\nclass Color(IntEnum):\n    RED = 1\ndef f(n): return Color(n)",
    ),
    "enum alone": (
        "assert f(1).value == 1 and f(1) == f(1) and f(1) != f(2)",
        "from enum import Enum\nclass Color(Enum):\n    RED = 1\n    BLUE = 2\ndef f(n): return Color(n)",
    ),
    "exceptions": (
        "try:\n    f(-1)\nexcept ValueError as e:\n    assert str(e) == 'negative: -1' and e.args == ('negative: -1',)\nelse:\n    assert False",
        "class Negative(ValueError): pass\ndef f(n):\n    raise Negative(f'negative: {n}')",
    ),
    "named exception": (
        "try:\n    f(-1)\nexcept Negative as e:\n    assert e.args == (-1,)\nelse:\n    assert False\ntry:\n    f(2)\nexcept KeyError as e:\n    assert e.args[0] == 2",
        "class Negative(Exception): pass\ndef f(n):\n    if n < 0: raise Negative(n)\n    raise KeyError(n)",
    ),
    "inheritance": (
        "assert isinstance(B(), A) and B().who() == 'b' and A.kind == 'letter'",
        "class A:\n    kind = 'letter'\n    def who(self): return 'a'\nclass B(A):\n    def who(self): return 'b'",
    ),
    "constant": ("assert f(LIMIT) == 11", "LIMIT = 10\ndef f(n): return n + 1"),
}

HANDLES = {
    "function": ("assert f(lambda x: x + 1, [1, 2]) == [2, 3]", "def f(g, xs): return [g(x) for x in xs]"),
    "built-in": (
        "assert f(len, ['a', 'bc']) == [1, 2]\nimport math\nassert f(math.sqrt, [4]) == [2.0]",
        "def f(g, xs): return list(map(g, xs))",
    ),
    "changes": ("seen = []\nf(seen.append)\nassert seen == [1, 2]", "def f(g):\n    g(1)\n    g(2)"),
    "nested": (
        "def g(h, x): return h(x) * 10\nassert f(g, 3) == 40",
        "def f(g, x): return g(lambda y: y + 1, x)",
    ),
    "returned": (
        "assert f(3)(4) == 7\ng = f(1)\nassert g(g(0)) == 2 and callable(g)",
        "def f(n): return lambda x: x + n",
    ),
    "composed": ("assert f(lambda x: x + 1, lambda x: 2 * x)(5) == 11", "def f(g, h): return lambda x: g(h(x))"),
    "same": ("g = lambda: 0\nassert f(g) is g", "def f(g): return g"),
    "iterator": ("it = iter([1, 2, 3])\nassert f(it) == 1 and next(it) == 2", "def f(it): return next(it)"),
    "generator": ("assert f(i * i for i in range(4)) == 14", "def f(it): return sum(it)"),
    "endless": (
        "import itertools\nassert list(itertools.islice(f(2), 3)) == [2, 4, 6]\nassert f(x for x in [7])",
        "import itertools\ndef f(n): return itertools.count(n, n) if isinstance(n, int) else True",
    ),
    "many items": ("assert sum(f(3000)) == 4498500", "def f(n):\n    yield from range(n)"),
    "error within": (
        "got = []\ntry:\n    for x in f(3): got.append(x)\nexcept ValueError: got.append('end')\nassert got == [0, 1, 2, 'end']",
        "def f(n):\n    yield from range(n)\n    raise ValueError",
    ),
    "object": (
        "class Box:\n    def __init__(self, v): self.v = v\n    def double(self): return 2 * self.v\n    def __len__(self): return 5\n"
        "b = Box(4)\nassert f(b) == (8, 5, 4) and b.v == 9 and f(b)[2] == 9",
        "def f(b):\n    r = b.double(), len(b), b.v\n    b.v = 9\n    return r",
    ),
    "object back": (
        "class T:\n    def __init__(self, n, l=None, r=None): self.n, self.l, self.r = n, l, r\n"
        "t = T(1, T(2), T(3))\nassert f(t) is t and (t.l.n, t.r.n) == (3, 2)",
        "def f(t):\n    if t: t.l, t.r = f(t.r), f(t.l)\n    return t",
    ),
    "key": ("assert f([3, -1, 2], abs) == [-1, 2, 3]", "def f(xs, key): return sorted(xs, key=key)"),
    "error of the tests'": (
        "def g(x): raise KeyError(x)\nassert f(g, 1) == 'KeyError(1)'",
        "def f(g, x):\n    try: g(x)\n    except KeyError as e: return repr(e)",
    ),
    "pattern": ("import re\nassert f(re.compile('a+'), 'baac') == 'aa'", "def f(p, s): return p.search(s).group()"),
    "text file": ("import io\nassert f(io.StringIO('a\\nb\\n')) == ['a\\n', 'b\\n']", "def f(file): return list(file)"),
}


@pytest.mark.parametrize("name", [*BY_VALUE, *CLASSES, *HANDLES])
async def test_what_is_right_is_right(name, sandboxes):
    tests, solution = (BY_VALUE | CLASSES | HANDLES)[name]
    grade = await grade_code(task(tests), solution, sandboxes)
    assert grade.score == 1.0, grade


@pytest.mark.parametrize("name", NUMPY)
async def test_numpy_crosses(name, sandboxes):
    pytest.importorskip("numpy", reason="needs the extra datascience")
    tests, solution = NUMPY[name]
    grade = await grade_code(task(tests), solution, sandboxes)
    assert grade.score == 1.0, grade


LIAR = """
class Liar:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __hash__(self): return 0
    def __sub__(self, other): return 0
    def __rsub__(self, other): return 0
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __contains__ = __lt__
    def __len__(self): return 1
    def __getattr__(self, name): return lambda *a, **k: True
"""


@pytest.mark.parametrize(
    "tests",
    [
        "assert f(1) == 2",
        "assert not f(1) != 2",
        "assert abs(f(1) - 2) < 1e-6",
        "assert abs(2 - f(1)) < 1e-6",
        "assert 2 in f(1)",
        "assert f(1) in [2]",
        "assert f(1) < 3 and f(1) > 1",
        "assert f([1]) == [2]",
        "assert f('a').startswith('b')",
        "assert {2: 1}[f(1)] == 1",
        "import math\nassert math.isclose(f(1), 2)",
        "class C: pass\nc = C()\nc.x = 3\nassert f(c) == 3",
        "try:\n    f(1)\n    assert False\nexcept ValueError: pass",
    ],
)
@pytest.mark.parametrize(
    "solution",
    [
        f"{LIAR}\ndef f(x): return Liar()",
        LIAR.replace("Liar", "f").replace("class f:", "class f:\n    def __init__(self, x): pass"),
        f"{LIAR}\nf = Liar()",
        f"{LIAR}\nclass L(list, Liar): pass\ndef f(x): return L([x])",
        "from enum import Enum\nclass E(Enum):\n    A = 1\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(x): return E.A",
        "from unittest.mock import ANY\ndef f(x): return ANY",
        "import os\ndef f(x):\n    for d in range(3, 64):\n        try: os.write(d, b'end ok \"\"\\n')\n        except OSError: pass\n    os._exit(0)",
        "import os\ndef f(x):\n    for d in range(3, 64):\n        try: os.write(d, b'value true\\n')\n        except OSError: pass\n    os._exit(0)",
        "import os\ndef f(x):\n    for d in range(3, 64):\n        try: os.write(d, b'forged\\n')\n        except OSError: pass\n    os._exit(0)",
        'import os\ndef f(x):\n    for d in range(3, 64):\n        try: os.write(d, b\'return [["t",[["x",7],["t",[]],["d",[]]]],[]]\\n\')\n        except OSError: pass\n    os._exit(0)',
        "def f(x):\n    f.__globals__['__builtins__'].isinstance = lambda *a: True\n    return None",
    ],
)
async def test_no_object_speaks_for_itself(tests, solution, sandboxes):
    grade = await grade_code(task(tests), solution, sandboxes)
    assert grade.score == 0.0, grade


@pytest.mark.parametrize(
    "solution",
    [
        "def f(g): return g.__globals__['SECRET']",
        "def f(g): return g.__code__.co_consts",
        "def f(g): return type(g).__subclasses__",
        "def f(g): return g.__self__",
    ],
)
async def test_a_function_of_the_tests_gives_nothing_away(solution, sandboxes):
    tests = "SECRET = 3\nassert f(lambda: SECRET) == 3"
    assert (await grade_code(task(tests), solution, sandboxes)).score == 0.0


async def test_nor_does_an_object_of_the_tests(sandboxes):
    tests = "SECRET = 3\nclass C:\n    def m(self): return SECRET - 3\nassert f(C()) == 3"
    reaches = ["c.m.__globals__['SECRET']", "c.__class__.m.__globals__['SECRET']", "c.m.__func__.__globals__['SECRET']",
               "c.__init__.__globals__['SECRET']", "type(c).__dict__"]  # fmt: skip
    for reach in reaches:
        solution = f"def f(c):\n    try: return {reach}\n    except AttributeError: return None"
        assert (await grade_code(task(tests), solution, sandboxes)).score == 0.0, reach


@pytest.mark.parametrize("returned", ["sys", "sys._getframe()", "threading.Lock()", "object()", "[iter, sys]"])
async def test_what_cannot_cross_is_told_apart(returned, sandboxes):
    grade = await grade_code(task("assert f(1) == 1"), f"import sys, threading\ndef f(x): return {returned}", sandboxes)
    assert (grade.score, grade.metrics["uncrossable"]) == (0.0, 1.0)
    assert "cannot cross" in grade.reason
