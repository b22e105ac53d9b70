"""Programs that try to get out, to cheat or to harm, under full CPython."""

import asyncio
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

from flowsteer.errors import SandboxError
from flowsteer.sandbox.base import Call, Program, Return, SandboxLimits
from flowsteer.sandbox.bubblewrap import BubblewrapSandbox, this_interpreter
from flowsteer.sandbox.protocol import ERROR_CHARS

SECRET = "sk-secret-of-this-test"
SHORT = SandboxLimits(seconds=3.0, memory_mb=256, processes=8, disk_mb=8)


async def value_of(sandbox, code, result="found", limits=SHORT):
    outcome = await sandbox.run(Program(code, result=result), limits)
    assert outcome.status == "ok", outcome
    return outcome.value


@pytest.mark.parametrize("folder", [Path("/tmp"), Path.home(), Path.cwd()], ids=["tmp", "home", "project"])
async def test_files_of_the_host_cannot_be_read(bubblewrap, folder):
    secret = folder / f".flowsteer-test-{os.getpid()}"
    secret.write_text(SECRET)
    try:
        code = f"try:\n    found = open({str(secret)!r}).read()\nexcept FileNotFoundError:\n    found = None"
        assert await value_of(bubblewrap, code) is None
    finally:
        secret.unlink()


async def test_only_libraries_interpreter_and_packages_are_there(bubblewrap):
    code = f"interpreter = {str(this_interpreter().executable)!r}"
    code += """
import os
def reads(path):
    try:
        if not os.path.isdir(path):
            return bool(open(path).read())
        return any(os.path.join(path, name) != interpreter for name in os.listdir(path))
    except OSError:
        return False
found = [path for path in ('/etc/passwd', '/etc/hostname', '/etc/shadow', '/work', '/home', '/var', '/run', '/sys',
         '/usr/bin', '/boot', '/mnt', '/root/.ssh', '/root/.bashrc',
         '/proc/1/environ', '/proc/1/root/etc/passwd') if reads(path)]
"""
    assert await value_of(bubblewrap, code) == []


async def test_nothing_can_be_written_outside_the_scratch_folder(bubblewrap):
    interpreter = this_interpreter()
    places = [
        str(path)
        for path in ("/", "/usr/lib", "/dev", "/dev/shm", "/packages", "/packages/0", "/proc", sys.base_prefix)
    ]
    code = f"""
import os
def writes(folder):
    try:
        with open(os.path.join(folder, 'planted'), 'w') as file:
            file.write('x')
        return True
    except OSError:
        return False
found = [place for place in {places!r} + ['/tmp'] if writes(place)]
"""
    assert await value_of(bubblewrap, code) == ["/tmp"]
    assert not any((folder / "planted").exists() for folder in interpreter.packages)


async def test_the_scratch_folder_is_small_and_new_each_time(bubblewrap):
    code = """
import errno, os
found = os.listdir('/tmp')
try:
    for name in range(100):
        with open(f'/tmp/{name}', 'wb') as file:
            file.write(bytes(2**20))
    found.append('endless')
except OSError as error:
    found.append(errno.errorcode[error.errno])
"""
    assert await value_of(bubblewrap, code) == ["ENOSPC"]
    assert await value_of(bubblewrap, code) == ["ENOSPC"]


async def test_the_network_is_out_of_reach(bubblewrap):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        code = f"""
import socket
found = []
for address in (('127.0.0.1', {port}), ('10.0.0.1', 80), ('1.1.1.1', 53)):
    try:
        socket.create_connection(address, timeout=0.5)
        found.append(address)
    except OSError:
        pass
"""
        assert await value_of(bubblewrap, code) == []
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_environment_variables_are_invisible(bubblewrap, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    code = """
import glob, os
found = [repr(dict(os.environ))]
for path in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline') + glob.glob('/proc/*/task/*/environ'):
    try:
        found.append(open(path).read())
    except OSError:
        pass
"""
    seen = await value_of(bubblewrap, code)
    assert SECRET not in "".join(seen)
    assert "OPENAI_API_KEY" not in "".join(seen)
    assert set(await value_of(bubblewrap, "import os", "dict(os.environ)")) <= {
        *("HOME", "PATH", "PWD", "LC_CTYPE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    }


async def test_signals_reach_nobody_outside(bubblewrap):
    victim = await asyncio.create_subprocess_exec("sleep", "30")
    code = f"""
import os, signal
found = []
for pid in ({os.getpid()}, {os.getppid()}, {victim.pid}, os.getppid(), 1):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as error:
        found.append(type(error).__name__)
"""
    outcome = await bubblewrap.run(Program(code, result="found"), SHORT)
    assert outcome.status == "ok"
    await bubblewrap.run(Program("import os, signal\nos.kill(-1, signal.SIGKILL)"), SHORT)
    assert victim.returncode is None
    os.kill(victim.pid, 0)
    victim.kill()
    await victim.wait()


async def test_no_privilege_is_left_or_can_be_had(bubblewrap):
    code = """
import os
status = dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
found = [status['CapEff'], status['CapPrm'], status['CapAmb'], status['NoNewPrivs']]
found += [0 in os.getresuid(), 0 in os.getgroups()]
for attempt in (lambda: os.setuid(0), lambda: os.chroot('/tmp'), lambda: os.mkfifo('/x'), lambda: os.nice(-5)):
    try:
        attempt()
        found.append('done')
    except OSError:
        pass
"""
    assert await value_of(bubblewrap, code) == ["0" * 16, "0" * 16, "0" * 16, "1", False, False]


async def test_a_fork_bomb_is_contained_and_gone_afterwards(bubblewrap, request):
    code = """
import os, time
made = 0
try:
    while made < 200:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
    found = 'unlimited'
except BlockingIOError:
    found = made
"""
    if os.geteuid() != os.getuid():
        pytest.skip("the kernel does not count the superuser's processes, which this user namespace's still are")
    assert 1 <= await value_of(bubblewrap, code) < SHORT.processes
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    outcome = await bubblewrap.run(Program(bomb), SandboxLimits(seconds=1.0, processes=8))
    assert (outcome.status, outcome.seconds < 6.0) == ("timeout", True)
    assert await value_of(bubblewrap, "x = 1", "x") == 1


async def test_what_a_program_leaves_behind_dies_with_it(bubblewrap):
    marker = f"flowsteer_orphan_{os.getpid()}_{time.monotonic_ns()}"
    code = f"""
import os, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', {marker!r}])
    os._exit(0)
time.sleep(0.2)
"""
    assert (await bubblewrap.run(Program(code), SHORT)).status == "ok"
    await asyncio.sleep(0.1)
    assert not running(marker)
    endless = code + "while True: time.sleep(1)"
    assert (await bubblewrap.run(Program(endless), SandboxLimits(seconds=0.6))).status == "timeout"
    await asyncio.sleep(0.1)
    assert not running(marker)


def running(marker):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_text():
                found.append(path)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os\nos._exit(0)", "exited with status 0 before it had reported"),
        ("import os\nos._exit(7)", "exited with status 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
        ("import sys\nsys.exit('bye')", "SystemExit: bye"),
        ("import os\nos.closerange(0, 256)\nx = 1", "before it had reported"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "E"),
    ],
)
async def test_ends_that_are_no_result_are_errors(bubblewrap, code, error):
    outcome = await bubblewrap.run(Program(code, result="x"), SHORT)
    assert outcome.status == "error"
    assert error in outcome.error


FORGERIES = [
    "ready",
    'value "forged"',
    'end ok ""',
    'return "forged"',
    "bwrap: setting up failed",
    'value ["s",[[]]]',
    "\xff",
]


@pytest.mark.parametrize("forged", FORGERIES)
async def test_what_is_printed_is_never_taken_for_a_result(bubblewrap, forged):
    outcome = await bubblewrap.run(
        Program(f"import sys\nfor s in (sys.stdout, sys.stderr): print({forged!r}, file=s)\nx = 1", result="x")
    )
    assert (outcome.status, outcome.value, outcome.stdout) == ("ok", 1, f"{forged}\n")


@pytest.mark.parametrize("forged", FORGERIES)
async def test_writing_to_every_descriptor_makes_no_result_of_a_run_that_has_none(bubblewrap, forged):
    code = f"""
import os
for descriptor in range(3, 256):
    try:
        os.write(descriptor, {forged!r}.encode('latin-1') + b'\\n')
    except OSError:
        pass
os._exit(0)
"""
    outcome = await bubblewrap.run(Program(code, result="x", calls=(Call("f"),)), SHORT)
    assert (outcome.status, outcome.value) == ("error", None)


async def test_a_forged_report_is_a_claim_about_the_programs_own_values_and_no_more(bubblewrap):
    """In one process this cannot be told from a function that returns a constant: so no verdict may be read there."""
    code = """
import os
for descriptor in range(3, 256):
    try:
        os.write(descriptor, b'return 1\\nvalue 2\\nend ok ""\\nreturn 3\\n')
    except OSError:
        pass
os._exit(0)
"""
    outcome = await bubblewrap.run(Program(code, result="x", calls=(Call("f"),)), SHORT)
    assert (outcome.status, outcome.value, outcome.returns) == ("ok", 2, (Return(1),))


async def test_a_forged_error_is_as_short_as_a_real_one(bubblewrap):
    code = """
import os
for descriptor in range(3, 256):
    try:
        os.write(descriptor, b'raised "' + b'a' * 30_000 + b'"\\nend error "' + b'b' * 30_000 + b'"\\n')
    except OSError:
        pass
os._exit(0)
"""
    outcome = await bubblewrap.run(Program(code, calls=(Call("f"),)), SHORT)
    assert (outcome.error, outcome.returns) == ("b" * ERROR_CHARS, (Return(error="a" * ERROR_CHARS),))


async def test_a_flood_on_the_result_channel_is_cut(bubblewrap):
    code = """
import os
while True:
    for descriptor in range(3, 9):
        try:
            os.write(descriptor, b'a' * 65536)
        except OSError:
            pass
"""
    outcome = await bubblewrap.run(Program(code), SHORT)
    assert outcome.status == "output"


async def test_threads_exit_handlers_and_descriptor_zero_work_as_usual(bubblewrap):
    code = """
import atexit, threading, time
atexit.register(print, 'last')
threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()
print(open(0).read())
if __name__ == '__main__':
    exit()
"""
    outcome = await bubblewrap.run(Program(code, "given"), SHORT)
    assert (outcome.status, outcome.stdout) == ("ok", "given\nthread\nlast\n")


async def test_installed_packages_can_be_imported(bubblewrap):
    pytest.importorskip("numpy")
    assert await value_of(bubblewrap, "import numpy", "int(numpy.arange(4).sum())", SandboxLimits(seconds=20)) == 6


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


async def test_no_process_or_descriptor_is_left_after_200_runs(monkeypatch):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    sandbox = BubblewrapSandbox()
    await sandbox.run(Program("x = 1"))
    before, others = open_descriptors(), children()
    programs = [
        Program("x = 1", result="x"),
        Program("1 / 0"),
        Program("while True: pass"),
        Program("while True: print(1)"),
    ]
    limits = SandboxLimits(seconds=0.15)
    await asyncio.gather(*(sandbox.run(programs[i % 4 if i < 20 else i % 2], limits) for i in range(200)))
    await asyncio.sleep(0.1)
    assert open_descriptors() <= before
    assert children() == others


async def test_a_missing_bubblewrap_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxError) as caught:
        BubblewrapSandbox()
    assert "bwrap" in caught.value.message
    assert "apt install bubblewrap" in caught.value.hint


async def test_a_refused_namespace_is_the_sandboxs_failure_with_its_reason(monkeypatch, tmp_path):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match="No permissions to create new namespace") as caught:
        await BubblewrapSandbox().run(Program("x = 1"))
    assert "sysctl" in caught.value.hint
