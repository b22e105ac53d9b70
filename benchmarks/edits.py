"""The canvas: edits, execution and feedback of a nine-operator workflow with an instant LLM, edit by edit.

python benchmarks/edits.py
"""

import asyncio
import statistics
import sys
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from canvas.instant import InstantLLM, InstantSandbox
from flowsteer.canvas.canvas import Canvas, rules_for
from flowsteer.canvas.director import Turn
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.operators.registry import load_library
from flowsteer.task import Task
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.edits import AddStep, AddStructure
from flowsteer.workflow.nodes import Step

EPISODES = 200
PLAIN = "Plan -> Decompose -> [Programmer, Custom] -> Aggregate -> Verify ? Revise : done -> Review -> Format"
LOOP = PLAIN.replace("-> Review", "-> (Review -> Revise) * 2")


async def episode(dsl, fails):
    """Build a workflow edit by edit; the seconds each edit took, and the calls made."""
    library, llm = load_library(), InstantLLM(fails)
    task = Task("What is 6 times 7?", "math")
    canvas = Canvas(task, Executor(library, llm, InstantSandbox(), Memo(), {}), rules_for(task, library))
    seconds = []
    for node in parse_dsl(dsl).nodes:
        edit = AddStep(node.operator) if isinstance(node, Step) else AddStructure(node)
        started = perf_counter()
        await canvas.step(Turn("", edit))
        seconds.append(perf_counter() - started)
    return seconds, len(llm.calls)


async def main():
    """Print the table."""
    table = Table("workflow", "checks", "calls", "median ms an edit", "slowest ms", title=f"{EPISODES} episodes each")
    for name, dsl, fails in (
        ("plain", PLAIN, ()),
        ("plain", PLAIN, ("Verify",)),
        ("with (Review -> Revise) * 2", LOOP, ("Verify", "Review")),
    ):
        await episode(dsl, fails)
        runs = [await episode(dsl, fails) for _ in range(EPISODES)]
        times = [1000 * second for seconds, _ in runs for second in seconds]
        checks = f"{' and '.join(fails)} failing" if fails else "passing"
        table.add_row(name, checks, str(runs[0][1]), f"{statistics.median(times):.2f}", f"{max(times):.1f}")
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
