"""What an episode costs at scale: run, write, read back, report; here, and on two Ray nodes of which one is lost.

The executor is simulated, so what is left is what this package costs. "This process" is the one that writes: what it
takes itself for each episode says how many workers it can keep at work.

    python benchmarks/fleet.py [EPISODES]
"""

import asyncio
import os
import resource
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from flowsteer.evaluation.evaluate import evaluate
from flowsteer.evaluation.evaluation_config import make_config
from flowsteer.evaluation.ray_worker import BATCH
from flowsteer.reporting.report import write_figures
from flowsteer.runs.event_json import event_line
from flowsteer.runs.folder import RunFolder

SYSTEM = "fixed:Programmer -> [Custom, AnswerGenerate] -> ScEnsemble -> Verify ? Revise : done -> Format"
TASKS = 500
WRITTEN = 10_000


def config(episodes, **more):
    """So many episodes of one workflow of seven operators."""
    plain = {
        "datasets": ["simulated:math"],
        "systems": [SYSTEM],
        "executor": "simulated:",
        "sandbox": "monty",
        "limit": min(TASKS, episodes),
        "epochs": -(-episodes // TASKS),
        "concurrency": 16,
    }
    return make_config(plain | more)


class Evaluated:
    """An evaluation: its seconds, those of this process's processor, and its memory at a quarter and the end, in MB."""

    def __init__(self, settings, folder, halfway=lambda: None):
        self.memory, self._halfway = {}, halfway
        started, busy = time.perf_counter(), time.process_time()
        self.progress = asyncio.run(evaluate(settings, folder, self._look))
        self.seconds, self.busy = time.perf_counter() - started, time.process_time() - busy

    def _look(self, progress):
        done = progress.done / progress.total
        if done >= 0.25:
            self.memory.setdefault("quarter", megabytes())
        if done >= 0.5 and self._halfway:
            halfway, self._halfway = self._halfway, None
            halfway()
        self.memory["end"] = megabytes()


def megabytes():
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def timed(work):
    """Seconds that something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def written_again(source, target, batch):
    """Append the first episodes of one folder to another, so many at once; seconds for all of them."""
    old = RunFolder.read(source)
    some = list(old.entries.items())[:WRITTEN]
    ready = [(name, entry.summary, [event_line(event) for event in old.events(name)]) for name, entry in some]
    with RunFolder.create(target, {}) as new:
        seconds = timed(lambda: [new.append_all(ready[at : at + batch]) for at in range(0, len(ready), batch)])
    return seconds * len(old.entries) / len(ready)


@contextmanager
def two_nodes():
    """A cluster on this machine; yields what kills its second node."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield lambda: cluster.remove_node(second, allow_graceful=False)
    finally:
        del os.environ["RAY_ADDRESS"]
        cluster.shutdown()


def main():
    """Print the table."""
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    table = Table("what", "whole", "an episode", "note", title=f"{episodes:,} episodes of seven operators")

    def row(what, seconds, note=""):
        table.add_row(what, f"{seconds:.1f} s", f"{1e3 * seconds / episodes:.2f} ms", note)

    with TemporaryDirectory() as place:
        here = Path(place, "local")
        local = Evaluated(config(episodes), here)
        row("run and grade, one process", local.seconds, memory(local))
        size = sum(file.stat().st_size for file in here.glob("episodes.jsonl"))
        row("write", written_again(here, Path(place, "single"), 1), f"{size / episodes / 1e3:.1f} kB each")
        row(f"write, {BATCH} at once", written_again(here, Path(place, "batched"), BATCH))
        row("read the index", timed(lambda: RunFolder.read(here)))
        row("report", timed(lambda: write_figures(RunFolder.read(here), Path(place, "report"))))
        with two_nodes() as kill:
            whole = Evaluated(config(episodes, engine="ray"), Path(place, "ray"))
            row("run and grade, two Ray nodes", whole.seconds, memory(whole))
            cut = Evaluated(config(episodes, engine="ray"), Path(place, "cut"), halfway=kill)
            row("the same, one node killed halfway", cut.seconds, f"{cut.progress.errors} lost; {memory(cut)}")
    Console().print(table)


def memory(done):
    """What the writer took, in words."""
    quarter, end, busy = done.memory["quarter"], done.memory["end"], 1e3 * done.busy / done.progress.total
    return f"this process {quarter:.0f} MB at a quarter, {end:.0f} MB at the end, {busy:.2f} ms each"


if __name__ == "__main__":
    main()
