"""What runs inside a full-CPython sandbox: reads one request, runs its program, reports on a channel of its own.

This file is handed to the sandboxed interpreter as a script; the package never imports it. It needs only a standard
CPython of 3.8 or later and imports as little as it can, for every run pays for it.

Standard input carries the request (its length in eight bytes, then marshal, written by the host, which is trusted
here), and after it what the program reads there. The report leaves by what was standard error, under a new descriptor,
as one frame a line: `ready`; `value`, `return` and `raised` with JSON; and `end STATUS "error"`. One of a pair of
programs (see `flowsteer.sandbox.pair`) has no input; the runner goes on reading there: for the caller answers to its
`ask` frames, for the callee the calls to make, one by one. Once `ready` is out, whatever the channel says is the
program's doing and can only concern its own values: limits, output and exit are watched from outside.
"""

import marshal
import os
import sys
from _json import encode_basestring_ascii as quote  # json itself takes 8 ms to import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ENVIRONMENT = {"HOME": "/tmp", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # noqa: S108
SAFE_INTEGER = 2**53
ERROR_CHARS = 2000
PARTS: "dict[str, Any]" = {}
CONTAINERS: "dict[Any, str]" = {list: "l", tuple: "t", set: "s", frozenset: "f"}
PLAIN = (type(None), bool, int, float, str, dict, *CONTAINERS, bytes, complex)


class Uncrossable(TypeError):
    """A value has no form outside its process."""


class Channel:
    """Where frames go."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def send(self, frame: str) -> None:
        """Write one frame whole."""
        data = (frame + "\n").encode("ascii")
        while data:
            data = data[os.write(self.descriptor, data) :]


def main() -> None:
    """Run one request, and end with it."""
    serve_one()
    os._exit(0)


def serve_one() -> None:
    """Run one request."""
    request = marshal.loads(read(int.from_bytes(read(8), "little")))  # noqa: S302  # written by the host
    source = os.fdopen(os.dup(0), "rb") if request["role"] != "alone" else None
    channel = Channel(os.dup(2))
    restrict(request)
    replace_standard_streams(source is None)
    channel.send("ready")
    try:
        status, error = perform(request, channel, source)
    except MemoryError:
        status, error = "memory", "MemoryError"
    channel.send("end " + status + " " + quote(error))
    os.close(channel.descriptor)


def read(size: int) -> bytes:
    """Read so many bytes from standard input and not one more."""
    data = bytearray()
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            os._exit(1)  # the host is gone
        data += part
    return bytes(data)


def restrict(request: "dict[str, Any]") -> None:
    """Set the resource limits, then leave the superuser for a user nobody else has."""
    import resource

    for name, amount in request["rlimits"].items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (amount, amount))
    user = request["user"]
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def replace_standard_streams(has_input: bool) -> None:
    """Make the program's standard error go nowhere, and its standard input empty if the runner itself reads there."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    if not has_input:
        os.dup2(nowhere, 0)
    os.close(nowhere)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115


def perform(request: "dict[str, Any]", channel: Channel, source: "Any") -> "tuple[str, str]":
    """Run the program, and end as an interpreter ends; give status and error."""
    names = prepare(request["packages"])
    if request["role"] == "alone":
        ended = (
            attempt(lambda: execute(request["code"], names))
            or make_calls(request["calls"], channel, names)
            or (attempt(lambda: send_value(channel, request["result"], names)) if request["result"] else None)
        )
    else:
        ended = attempt(lambda: converse(request, channel, source, names))
    if ended and ended[0] == "memory":
        names.clear()  # room to say so
    finished = attempt(finish)
    return ended or finished or ("ok", "")


def execute(code: str, names: "dict[str, Any]") -> None:
    """Run a module's text."""
    exec(compile(code, "<program>", "exec", dont_inherit=True), names)  # noqa: S102  # this process is the sandbox


def converse(request: "dict[str, Any]", channel: Channel, source: "Any", names: "dict[str, Any]") -> None:
    """Be one program of a pair: the caller runs its program to the end, the callee its own, and answers then."""
    careful = request["role"] == "caller"

    def receive() -> "Any":
        return marshal.load(source)  # noqa: S302  # written by the host

    peer = part("peer").Peer(channel.send, receive, codec, part("standins"), names, careful=careful)
    if careful:
        execute(request["code"], names)
        peer.take_names(request["calls"])
        execute(request["result"], names)
        channel.send("value true")
        return
    names["__name__"] = "solution"
    execute(request["code"], names)
    while True:
        try:
            _, question = receive()
        except EOFError:
            os._exit(0)
        peer.answer(question)


def codec(fallback: "Callable[[Any], str | None]", readers: "dict[str, Any]") -> "Any":
    """The writer and reader of values, with what a pair adds to it."""
    return part("values").Codec(plain, fallback, readers)


def make_calls(calls: "list[Any]", channel: Channel, names: "dict[str, Any]") -> "tuple[str, str] | None":
    """Make the calls in order; only want of memory stops them."""
    for function, args in calls:
        sent: list[bool] = []
        problem = attempt(lambda: sent.append(send_return(channel, function, args, names)))  # noqa: B023
        if problem and problem[0] == "memory":
            return problem
        if not sent:
            channel.send("raised " + quote(problem[1] if problem else "SystemExit"))
    return None


def prepare(packages: "list[str]") -> "dict[str, Any]":
    """Make the module `__main__` as a fresh interpreter would have it, and return its names."""
    os.environ.update(ENVIRONMENT)
    sys.path += [package for package in packages if package not in sys.path]
    sys.argv = ["program.py"]
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    import builtins

    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # what `site` adds, whose import takes longer than the rest
    module.__dict__["__builtins__"] = builtins
    return module.__dict__


def send_value(channel: Channel, expression: str, names: "dict[str, Any]") -> None:
    """Send the value of the program's result."""
    channel.send("value " + written(eval(expression, names)))  # noqa: S307  # this process is the sandbox


def send_return(channel: Channel, function: str, args: "tuple[Any, ...]", names: "dict[str, Any]") -> bool:
    """Make one call and send what it returned."""
    channel.send("return " + written(eval(function, names)(*args)))  # noqa: S307  # this process is the sandbox
    return True


def written(value: "Any") -> str:
    """Tagged JSON of a value; what is not plain takes a file more."""
    try:
        return plain(value)
    except Uncrossable:
        return str(codec(lambda value: None, {}).write(value))


def attempt(action: "Any") -> "tuple[str, str] | None":
    """Do something of the program's; give status and error if it did not end well."""
    try:
        action()
    except SystemExit as leaving:
        if leaving.code in (None, 0):
            return None
        return "error", describe(leaving)
    except MemoryError as error:
        return "memory", describe(error)
    except BaseException as error:  # noqa: BLE001  # whatever an untrusted program raises is its result
        return "error", describe(error)
    return None


def describe(error: BaseException) -> str:
    """Type and message."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001  # a hostile __str__
        message = ""
    name = type(error).__name__
    return (name + ": " + message if message else name)[:ERROR_CHARS]


def finish() -> None:
    """Do what an interpreter does at its end: wait for threads, run exit handlers, flush what was printed."""
    import atexit

    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.__stdout__):
        if stream is not None and not stream.closed:
            stream.flush()


def plain(value: "Any", other: "Callable[[Any], str | None]" = lambda value: None) -> str:
    """Tagged JSON of a plain value (the host's `flowsteer.sandbox.plain` reads it).

    Args:
        value: The value. One of a class made of a plain one is written as that, by what is in it.
        other: Writes what is of another type; None if it cannot.

    Raises:
        Uncrossable: If it is, or holds, anything that cannot be written.
    """
    kind: Any = type(value)
    if kind not in PLAIN:
        found = other(value)
        if found is not None:
            return found
        kind = next((base for base in PLAIN if isinstance(value, base)), kind)
    if value is None or kind is bool:
        return "null" if value is None else "true" if value else "false"
    if kind is str:
        return str(quote(value))
    if kind is int:
        small = -SAFE_INTEGER < value < SAFE_INTEGER
        return int.__repr__(value) if small else '["i","' + int.__format__(value, "x") + '"]'
    if kind is float:
        text = float.__repr__(value)
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)
    if kind is dict:
        pairs = ["[" + plain(key, other) + "," + plain(item, other) + "]" for key, item in dict.items(value)]
        return '["d",[' + ",".join(pairs) + "]]"
    if kind in CONTAINERS:
        items = [plain(item, other) for item in kind.__iter__(value)]
        return '["' + CONTAINERS[kind] + '",[' + ",".join(items) + "]]"
    if kind is bytes:
        return '["b","' + bytes.hex(value) + '"]'
    if kind is complex:
        return '["c",[' + plain(value.real) + "," + plain(value.imag) + "]]"
    raise Uncrossable("a value of type " + kind.__name__ + " cannot cross")


def part(name: str) -> "Any":
    """Another file of this folder, as a module; read only once it is needed, for every run pays for what it reads."""
    if name not in PARTS:
        module = PARTS[name] = type(sys)(name)
        with open(__file__.rpartition("/")[0] + "/" + name + ".py", encoding="utf-8") as file:  # noqa: PTH123  # pathlib takes 10 ms to import
            exec(compile(file.read(), name, "exec"), module.__dict__)  # noqa: S102
    return PARTS[name]


def go_first() -> None:
    """Have the kernel end this process and those it starts, and not the host's, when the machine's memory runs out."""
    with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123  # pathlib takes 10 ms to import
        file.write("1000")


if __name__ == "__main__":
    go_first()
    if sys.argv[1:]:
        for name in ("values", "peer", "standins"):
            part(name)
        part("fork_server").serve(main, serve_one)
    else:
        main()
