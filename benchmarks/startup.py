"""CPU time of `flowsteer --help`, against that of importing the two libraries the command line is made of.

Each command runs in a process of its own, the two taking turns, so that a busy machine slows both alike. User and
system time count; waiting does not.
"""

import os
import statistics
import subprocess
import sys

REPEATS = 10
TARGET = 3.0
FLOOR = "python -c 'import typer, rich'"
COMMANDS = {
    FLOOR: ("-c", "import typer, rich"),
    "python -c 'import flowsteer'": ("-c", "import flowsteer"),
    "flowsteer --help": ("-m", "flowsteer.cli.main", "--help"),
}


def cpu_seconds(arguments: tuple[str, ...]) -> float:
    """User and system time of one run of Python, in seconds."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"python {' '.join(arguments)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def measure(repeats: int = REPEATS) -> dict[str, float]:
    """Median CPU seconds of every command; the first round only warms the disk cache and is not counted."""
    rounds = [{name: cpu_seconds(arguments) for name, arguments in COMMANDS.items()} for _ in range(repeats + 1)]
    return {name: statistics.median(times[name] for times in rounds[1:]) for name in COMMANDS}


def main() -> None:
    """Print the table."""
    medians = measure()
    print(f"Start-up, median CPU of {REPEATS} runs in turn (target: flowsteer --help at most {TARGET:g}×)\n")
    print(f"{'command':32} {'CPU ms':>8} {'ratio':>7}")
    for name, seconds in medians.items():
        print(f"{name:32} {1000 * seconds:8.0f} {seconds / medians[FLOOR]:6.2f}×")


if __name__ == "__main__":
    main()
