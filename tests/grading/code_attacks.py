"""Solutions that try to be graded right without being right, for the tests of the code graders.

`FUNCTIONS` attack a task whose function `double_all` doubles the numbers of a list, `PROGRAMS` one whose program prints
the sum of a line of numbers, `COMPLETIONS` one that puts an array of squares in `result`. `MARK` is a path of the host.
"""

MARK = "/tmp/flowsteer-attack-mark"


def function(body: str, before: str = "") -> str:
    """A solution that does something before, and something when it is called."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{before}\ndef double_all(xs):\n{lines}\n"


LIAR = """
class Liar:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __hash__(self): return 0
    def __len__(self): return 3
    def __iter__(self): return iter([2, 4, 6])
    def __getattr__(self, name): return lambda *a, **k: self
    def __getitem__(self, key): return self
    def __float__(self): return 2.0
    def __sub__(self, other): return 0
    __rsub__ = __sub__
"""

FUNCTIONS = {
    "nothing": function("return None"),
    "identity": function("return xs"),
    "forged output": function("print('OK'); print('PASS'); print('{\"passed\": true}')\nreturn None"),
    "forged frames": function(
        "return None",
        "import os\nfor d in range(3, 64):\n    try: os.write(d, b'value true\\nend ok \"\"\\n')\n"
        "    except OSError: pass",
    ),
    "forged frames in a call": function(
        "import os\nfor d in range(1, 64):\n"
        '    try: os.write(d, b\'return ["t",["value",true,["t",[]],["d",[]]]]\\n\')\n    except OSError: pass'
    ),
    "sys.exit at import": "import sys\nsys.exit(0)",
    "sys.exit in a call": function("import sys\nsys.exit(0)"),
    "raise SystemExit(0)": function("raise SystemExit(0)"),
    "os._exit": function("import os\nos._exit(0)"),
    "os._exit at import": "import os\nos._exit(0)",
    "KeyboardInterrupt": function("raise KeyboardInterrupt"),
    "GeneratorExit": function("raise GeneratorExit"),
    "StopIteration": function("raise StopIteration"),
    "own BaseException": function("raise Quiet", "class Quiet(BaseException): pass"),
    "AssertionError of its own": function("raise AssertionError('the tests passed')"),
    "frames": function(
        "import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    frame.f_globals['check'] = lambda c: None\n    frame.f_locals.clear()\n    frame = frame.f_back"
    ),
    "inspect": function("import inspect\nreturn [f.frame.f_locals for f in inspect.stack()][-1].get('expected')"),
    "gc": function("import gc\nreturn [o for o in gc.get_objects() if isinstance(o, list) and o[:1] == [2]][0]"),
    "builtins patched": function(
        "return None",
        "import builtins\nbuiltins.AssertionError = Exception\nbuiltins.all = builtins.any = lambda *a: True\n"
        "builtins.abs = lambda x: 0\nbuiltins.len = lambda x: 3",
    ),
    "import hook": function(
        "return None",
        "import builtins\nreal = builtins.__import__\ndef hook(name, *rest):\n    module = real(name, *rest)\n"
        "    if name == 'math': module.isclose = lambda *a, **k: True\n    return module\nbuiltins.__import__ = hook",
    ),
    "math patched": function("return [0]", "import math\nmath.isclose = lambda *a, **k: True"),
    "equal to everything": function("return Liar()", LIAR),
    "list that lies": function(
        "return Lying([1])", "class Lying(list):\n    def __eq__(self, other): return True\n    __hash__ = None"
    ),
    "text that lies": function("return S('x')", "class S(str):\n    def __eq__(self, other): return True"),
    "integers that lie": function(
        "return [I(0) for x in xs]",
        "class I(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 1",
    ),
    "entry point is a class": LIAR + "class double_all(Liar):\n    def __init__(self, xs): pass\n",
    "entry point is callable": LIAR + "class C(Liar):\n    def __call__(self, xs): return self\ndouble_all = C()\n",
    "check replaced": function("return None", "def check(candidate): pass"),
    "check replaced in main": function(
        "import sys\nfor m in list(sys.modules.values()):\n    try: m.check = lambda c: None\n"
        "    except Exception: pass"
    ),
    "nan": function("return float('nan')"),
    "list of nan": function("return [float('nan')] * len(xs)"),
    "True": function("return True"),
    "endless generator": function("while True:\n    yield 2"),
    "endless loop": function("while True: pass"),
    "endless loop at import": "while True: pass",
    "endless output": function("while True: print('x' * 10000)"),
    "endless recursion": function("return double_all(xs)"),
    "deep recursion": function("import sys\nsys.setrecursionlimit(10**9)\nf = lambda n: f(n + 1)\nreturn f(0)"),
    "nested without end": function("a = []\nfor _ in range(10**6): a = [a]\nreturn a"),
    "cyclic": function("xs.append(xs)\nreturn xs"),
    "huge integer": function("return 1 << (1 << 33)"),
    "long integer": function("return 7 ** 3000000"),
    "giant text": function("return 'x' * (50 * 2**20)"),
    "memory bomb": function("a = []\nwhile True: a.append(bytearray(2**20))"),
    "fork bomb": function("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
    "forked child answers": function("import os\nif os.fork(): os._exit(0)\nreturn None"),
    "threads": function(
        "import threading\ndef spin():\n    while True: pass\n"
        "for _ in range(100): threading.Thread(target=spin).start()"
    ),
    "disk": function("f = open('/tmp/big', 'wb')\nwhile True: f.write(bytes(2**20))"),
    "tests read from files": function(
        "import glob\nfor p in glob.glob('/**/*', recursive=True):\n    try:\n"
        "        t = open(p, errors='replace').read(20000)\n        if 'double_all([' in t: return eval(t)\n"
        "    except OSError: pass"
    ),
    "tests read from /proc": function(
        "import glob\nfound = []\nfor p in glob.glob('/proc/*/cmdline') + glob.glob('/proc/*/environ'):\n"
        "    try: found.append(open(p).read())\n    except OSError: pass\nreturn found"
    ),
    "memory of others": function(
        "import os\nfor p in os.listdir('/proc'):\n    if p.isdigit() and int(p) != os.getpid():\n"
        "        open(f'/proc/{p}/mem', 'r+b').write(b'x')"
    ),
    "network": function("import socket\nreturn socket.create_connection(('127.0.0.1', 22), 1).recv(9)"),
    "environment": function("import os\nreturn dict(os.environ)"),
    "kill everything": function("import os, signal\nos.kill(-1, signal.SIGKILL)\nos.kill(os.getppid(), 9)"),
    "stop itself": function("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    "alarm": function(
        "while True: pass", "import signal, os\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\nsignal.alarm(1)"
    ),
    "atexit": function(
        "import sys\nsys.exit(0)", "import atexit, os\natexit.register(lambda: (print('value true'), os._exit(0)))"
    ),
    "descriptors closed": function("import os\nos.closerange(0, 256)"),
    "stdout closed": function("import sys\nsys.stdout.close()\nsys.stderr.close()\nreturn None"),
    "host's files": function(f"open({MARK!r}, 'w').write('here')\nreturn None"),
    "sitecustomize": function(
        "return None",
        "import sys\nfor d in sys.path:\n    try: open(d + '/sitecustomize.py', 'w').write('1/0')\n"
        "    except OSError: pass",
    ),
    "subprocess": function(
        "import subprocess\nreturn subprocess.run(['/bin/sh', '-c', 'echo 2'], capture_output=True)"
    ),
    "ctypes": function("import ctypes\nctypes.string_at(0)"),
    "tracing": function("return None", "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)"),
    "runner's own names": function(
        "import sys, os\nfor n in list(sys.modules):\n    m = sys.modules[n]\n"
        "    for k in ('plain', 'send_return', 'quote'):\n"
        '        if hasattr(m, k): setattr(m, k, lambda *a: \'["t",["value",true,["t",[]],["d",[]]]]\')'
    ),
    "encoder replaced": function(
        'global __plain\n__plain = lambda v: \'["t",["value",true,["t",[]],["d",[]]]]\'\nreturn None'
    ),
    "looks like it": function("return '[2, 4, 6]'"),
    "odd letters": "def ｄouble_all(xs):\n    return '\\u202e\\u0000\\ud800'\n",
    "lone surrogate": function("return ['\\ud800', '\\U0010ffff\\x00']"),
    "null byte": "def double_all(xs):\n    return \0 xs\n",
    "no syntax": "def double_all(xs:\n",
    "closes the stub": "def double_all(xs): return __ask\n__finished = True\nraise SystemExit\n",
}

PROGRAMS = {
    "nothing": "pass",
    "prints verdicts": "print('PASS'); print('value true'); print('end ok \"\"')",
    "exits": "import sys; sys.exit(0)",
    "exits hard": "import os; os.write(1, b'OK'); os._exit(0)",
    "echoes": "print(input())",
    "reads the tests": "import glob\nfor p in glob.glob('/**/*.json*', recursive=True): print(open(p).read())",
    "writes to every descriptor": (
        "import os\nfor d in range(64):\n    try: os.write(d, b'6\\n15\\n')\n    except OSError: pass\nos._exit(0)"
    ),
    "many answers": "print(*range(1000))",
    "right, then crashes": "print(sum(map(int, input().split())))\nraise SystemExit(3)",
    "right, then endless": "print(sum(map(int, input().split())), flush=True)\nwhile True: pass",
    "endless output": "while True: print(6)",
    "forks and prints twice": (
        "import os\nfound = sum(map(int, input().split()))\nchild = os.fork()\n"
        "print(found, flush=True)\nchild and os.wait()"
    ),
}

COMPLETIONS = {
    "nothing": "pass",
    "wrong": "result = a",
    "none": "result = None",
    "exits": "import os\nos._exit(0)",
    "system exit": "raise SystemExit(0)",
    "checker patched": (
        "import sys\nf = sys._getframe()\nwhile f:\n    f.f_globals['exec_test'] = lambda *a: 1\n"
        "    f.f_globals['test_execution'] = lambda *a: None\n    f = f.f_back"
    ),
    "expected read from frames": (
        "import sys\nf = sys._getframe()\nresult = None\nwhile f:\n"
        "    result = f.f_locals.get('expected_result', result)\n    f = f.f_back"
    ),
    "numpy.testing patched": "np.testing.assert_array_equal = lambda *a, **k: None\nresult = a",
    "assert patched": "import builtins\nbuiltins.AssertionError = ValueError\nresult = a",
    "masked": "result = np.ma.masked_all(a.shape)",
    "equal to everything": LIAR + "result = Liar()",
    "array that lies": (
        "class A(np.ndarray):\n    def __eq__(self, o): return np.ones(3, bool)\n    def all(self): return True\n"
        "result = np.zeros(3).view(A)"
    ),
    "pickle runs code": (
        "class P:\n    def __reduce__(self): return (eval, (\"__import__('sys').exit(0)\",))\nresult = P()"
    ),
    "pickle ends the checker": "import os\nclass P:\n    def __reduce__(self): return (os._exit, (0,))\nresult = P()",
    "pickle patches a class": (
        "class P:\n    def __reduce__(self): return (setattr, (np.testing, 'assert_array_equal', print))\nresult = P()"
    ),
    "pickle builds a class": (
        "class P:\n    def __reduce__(self): return (np.ndarray, ((3,),), (None, {'__eq__': list}))\nresult = P()"
    ),
    "pickle hides a method": (
        "import pandas as pd\nclass P:\n    def __reduce__(self):\n"
        "        return (pd.DataFrame, (), {'__array_interface__': {}, 'equals': list})\nresult = P()"
    ),
    "pickle calls a library": ("class P:\n    def __reduce__(self): return (np.full, (3, 1))\nresult = P()"),
    "pickle without end": "import itertools\nresult = list(itertools.repeat(a, 10**9))",
    "forged answer": (
        "import os\nfor d in range(3, 64):\n    try: os.write(d, b'value true\\nend ok \"\"\\n')\n"
        "    except OSError: pass\nresult = a"
    ),
    "random state read": "result = np.random.get_state()",
}
