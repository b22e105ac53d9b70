"""What other platforms lack is not needed to import the package, to solve, nor to keep a run.

Windows has no `fcntl`, no `resource` and no SIGHUP; here they are taken away, which is as much as Linux can show.
"""

import subprocess
import sys
from pathlib import Path

WITHOUT = """
import sys, signal
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty"):
    sys.modules[name] = None
for name in ("SIGHUP", "SIGPIPE", "pthread_sigmask", "SIG_BLOCK", "SIG_UNBLOCK"):
    delattr(signal, name)
"""

IMPORT_ALL = """
import importlib, pkgutil, flowsteer
left_out = ("flowsteer.training", "flowsteer.study", "flowsteer.adapters", "flowsteer.__main__",  # other extras
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


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)


def test_every_module_can_be_imported(tmp_path: Path):
    done = run(WITHOUT + IMPORT_ALL, tmp_path)
    assert done.stdout == "True\n", done.stderr


def test_a_question_is_solved_and_its_run_kept(tmp_path: Path):
    done = run(WITHOUT + SOLVE, tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    assert (tmp_path / "r" / "index.jsonl").read_text()


def test_the_package_runs_as_a_module(tmp_path: Path):
    done = subprocess.run([sys.executable, "-m", "flowsteer", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("flowsteer ")
