"""What other platforms lack is not needed to import the package, to solve, nor to keep a run.

Windows has no `fcntl`, no `os.fork` and no SIGHUP, macOS no `os.sched_getaffinity`. Here all of these are taken away,
once what needs them on Linux has been imported; that is as much as Linux can show.
"""

import json
import subprocess
import sys
from pathlib import Path

WITHOUT = """
import asyncio, ctypes, multiprocessing, os, platform, platformdirs, signal, socket, subprocess, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline"):
    sys.modules[name] = None
for name in ("SIGHUP", "SIGPIPE", "SIGKILL", "SIGXCPU", "SIGUSR1", "SIGALRM", "alarm", "setitimer",
             "pthread_sigmask", "SIG_BLOCK", "SIG_UNBLOCK"):
    delattr(signal, name)
for name in ("fork", "forkpty", "geteuid", "getuid", "getgid", "getegid", "setsid", "killpg", "getpgid", "sysconf",
             "sched_getaffinity", "sched_setaffinity", "pread", "pwrite", "getloadavg", "nice", "statvfs", "mkfifo",
             "openpty", "ttyname", "wait", "chown", "memfd_create", "pidfd_open"):
    delattr(os, name)
os.process_cpu_count = os.cpu_count  # of Python 3.13; where processors cannot be asked for, they are the same
for name in ("send_fds", "recv_fds", "SOCK_SEQPACKET"):
    delattr(socket, name)
platform.system = lambda: "Windows"
"""

IMPORT_ALL = """
import importlib, pkgutil, flowsteer
left_out = ("flowsteer.training", "flowsteer.study", "flowsteer.adapters", "flowsteer.__main__",  # other extras
            "flowsteer.pretrained.pack",
            "flowsteer.sandbox.guest", "flowsteer.grading.science_c", "flowsteer.grading.code_prelude")  # run elsewhere
seen = 0
for module in pkgutil.walk_packages(flowsteer.__path__, "flowsteer."):
    if not module.name.startswith(left_out):
        importlib.import_module(module.name)
        seen += 1
print(seen > 150)
"""

SOLVE = """
sys.argv = ["flowsteer", "solve", "6*7?", "--type", "math", "--executor", "simulated:", "--run", "r", "--quiet",
            "--director", "dsl:Plan -> Programmer -> Verify ? Revise : done -> Format"]
from flowsteer.cli.main import main
main()
"""


EVALUATE = """
sys.argv = ["flowsteer", "eval", "simulated", "--limit", "3", "--executor", "simulated:", "--run", "r", "--quiet",
            "--system", "direct", "--system", "director:simulated:", "--max-turns", "4", "--sandbox", "monty"]
from flowsteer.cli.main import main
main()
"""

FULL_PYTHON = """
from flowsteer.sandbox.base import Program
from flowsteer.sandbox.connect import connect_sandbox
async def both():
    sandbox = connect_sandbox("auto")
    small, full = [await sandbox.run(Program(code, result="x")) for code in ("x = 6 * 7", "import heapq\\nx = 1")]
    await sandbox.aclose()
    print(small.value, full.status, " ".join(full.error.split()))
for name in ("Darwin", "Windows"):
    platform.system = lambda: name
    asyncio.run(both())
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)


def test_every_module_can_be_imported(tmp_path: Path):
    done = run(WITHOUT + IMPORT_ALL, tmp_path)
    assert done.stdout == "True\n", done.stderr


def test_a_question_is_solved_and_its_run_kept(tmp_path: Path):
    done = run(WITHOUT + SOLVE, tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    assert (tmp_path / "r" / "index.jsonl").read_text()


def index(folder: Path) -> list[str]:
    return [json.loads(line)["episode"] for line in (folder / "r" / "index.jsonl").read_text().splitlines()]


def test_an_evaluation_that_was_torn_off_goes_on(tmp_path: Path):
    done = run(WITHOUT + EVALUATE, tmp_path)
    assert done.returncode == 0, done.stderr
    whole = index(tmp_path)
    for name in ("index.jsonl", "episodes.jsonl"):
        file = tmp_path / "r" / name
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-2]))
    done = run(WITHOUT + EVALUATE, tmp_path)
    assert (done.returncode, sorted(index(tmp_path))) == (0, sorted(whole)), done.stderr


def test_what_needs_full_python_says_where_it_can_run(tmp_path: Path):
    done = run(WITHOUT + FULL_PYTHON, tmp_path)
    mac, windows = done.stdout.splitlines()
    assert mac.startswith("42 unsupported "), done.stderr
    assert "bubblewrap is for Linux only, and this is Darwin" in mac
    assert "containers are started from Linux and macOS only" in windows
    assert "use --sandbox monty" in windows


def test_the_package_runs_as_a_module(tmp_path: Path):
    done = subprocess.run([sys.executable, "-m", "flowsteer", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("flowsteer ")
