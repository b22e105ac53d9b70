"""How fast code is graded, and whether memory stays flat: HumanEval's reference solutions, over and over.

    python benchmarks/code_grading.py [HUMANEVAL.jsonl] [--gradings 2000]

Prints one row a tier: gradings a second, processor time a grading (this process and Monty's workers together, which is
what counts on a machine that does other things too), and the memory of this process before and after. What runs inside
bubblewrap is killed in a process table of its own, so that its processor time is not known here: only the rate is.
"""

import argparse
import asyncio
import itertools
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from flowsteer.datasets.base import Sample
from flowsteer.datasets.local import read_samples
from flowsteer.grading.code import Sandboxes, grade_code
from flowsteer.sandbox.monty import MontySandbox
from flowsteer.sandbox.pair import PairSandbox

ROWS = Path(__file__).parents[2] / "shared" / "data" / "humaneval.jsonl"
"""Real rows where they lie beside the project; `make bench` leaves this table out elsewhere."""
PROCESSORS = len(os.sched_getaffinity(0))


def resident_mib(*processes: int) -> float:
    """Memory held now by these processes."""
    pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_seconds() -> float:
    """Of this process, its ended children, and those that still run (Monty's workers)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    running = 0.0
    for child in children():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        running += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return running + sum(one.ru_utime + one.ru_stime for one in used)


def children() -> list[int]:
    """Processes that this one has started and that still run."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


async def measure(
    name: str, sandboxes: Sandboxes, samples: list[Sample], gradings: int, *, all_seen: bool = False
) -> None:
    """Grade, and print one row."""
    places = asyncio.Semaphore(2 * PROCESSORS)
    right = 0

    async def grade_one(sample: Sample) -> None:
        nonlocal right
        async with places:
            grade = await grade_code(sample, sample.reference.solution, sandboxes)
        right += grade.score == 1.0

    async def grade_many(chosen: Iterator[Sample]) -> None:
        await asyncio.gather(*(grade_one(sample) for sample in chosen))

    await grade_many(iter(samples[:20]))  # warm
    right = 0
    memory, used, started = resident_mib(os.getpid()), processor_seconds(), time.monotonic()
    await grade_many(itertools.islice(itertools.cycle(samples), gradings))
    seconds, used = time.monotonic() - started, processor_seconds() - used
    after, workers = resident_mib(os.getpid()), resident_mib(*children())
    each, idle = (f"{1000 * used / gradings:.2f}", f"{PROCESSORS * gradings / used:.1f}") if all_seen else "--"
    print(
        f"{name:<12}{gradings:>10}{right:>8}{gradings / seconds:>10.1f}{each:>12}{idle:>16}"
        f"{memory:>10.1f}{after:>10.1f}{workers:>10.1f}"
    )
    await sandboxes.aclose()


async def monty() -> PairSandbox:
    """Monty in the place of full Python, whose word grading never takes alone."""
    return MontySandbox()


async def main() -> None:
    """Measure Monty alone, Monty confirmed by CPython (which is what grading does), and CPython alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", type=Path, nargs="?", default=ROWS, help="HumanEval rows; without, those of shared/")
    parser.add_argument("--gradings", type=int, default=2000)
    given = parser.parse_args()
    if given.tasks == ROWS and not ROWS.exists():
        print("code grading: no HumanEval rows here; name a file of them")
        return
    samples = list(read_samples(given.tasks))
    print(f"{PROCESSORS} processors, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'tier':<12}{'gradings':>10}{'right':>8}{'per s':>10}{'cpu ms each':>12}{'per s if idle':>16}"
        f"{'MiB':>10}{'MiB after':>10}{'workers':>10}"
    )
    await measure("monty alone", Sandboxes(None, monty), samples, given.gradings, all_seen=True)
    await measure("confirmed", Sandboxes(MontySandbox()), samples, given.gradings)
    await measure("bubblewrap", Sandboxes(), samples, max(given.gradings // 10, 1))


if __name__ == "__main__":
    asyncio.run(main())
