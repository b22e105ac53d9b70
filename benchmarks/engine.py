"""The engine against hand-written asyncio and LangGraph: seven nodes of no-op work, interleaved in one process.

Workflow: Plan -> Decompose -> [Programmer, Custom] -> Aggregate -> Verify ? Revise : done -> Format, Verify passing.
Every repetition is another task, so the memo cannot collapse them; events and the budget are on.

    python benchmarks/engine.py
"""

import asyncio
import gc
import resource
import statistics
import time
from operator import add
from pathlib import Path
from typing import Annotated, TypedDict

from rich.console import Console
from rich.table import Table

from flowsteer.backends.base import Features
from flowsteer.backends.budget import Budget, Caps
from flowsteer.cli.collector import calm
from flowsteer.draft import Draft, Verdict
from flowsteer.execution.executor import Executor
from flowsteer.execution.memo import Memo
from flowsteer.operators.base import operator
from flowsteer.operators.registry import Library
from flowsteer.runs.events import Event
from flowsteer.task import Task
from flowsteer.workflow.dsl import parse_dsl

REPETITIONS = 20
EPISODES = 50
CONCURRENT = 1000
NODE_SECONDS = 0.02
DSL = "Plan -> Decompose -> [Programmer, Custom] -> Aggregate -> Verify ? Revise : done -> Format"


class NoBackend:
    """The operators here ask nobody."""

    spec = "none:"
    features = Features()


def library(work):
    """The seven operators, each awaiting `work`."""

    def make(name, category, field, value):
        async def run(call):
            """Do nothing."""
            await work()
            return Draft(**{field: value(call)})

        return operator(category=category, reads=("plan", "answer", "candidates"), writes=(field,), name=name)(run)

    answer = ("answer", lambda call: call.task.question)
    return Library.of(
        "noop",
        (
            make("Plan", "planning", "plan", lambda call: "plan"),
            make("Decompose", "planning", "subproblems", lambda call: ("a", "b")),
            make("Programmer", "solving", *answer),
            make("Custom", "solving", *answer),
            make("Aggregate", "ensemble", *answer),
            make("Verify", "verification", "verdict", lambda call: Verdict(True)),
            make("Revise", "revision", *answer),
            make("Format", "formatting", *answer),
        ),
    )


def flowsteer_runner(work):
    """A run of FlowSteer's interpreter: fresh memo, event list and budget for each run."""
    operators, workflow, backend, budget = library(work), parse_dsl(DSL), NoBackend(), Budget(Caps(seconds=3600))

    async def run(question):
        events: list[Event] = []
        executor = Executor(operators, backend, None, Memo(), {}, budget=budget)
        execution = await executor.run(workflow, Task(question), events.append)
        assert len(events) == 7
        return execution.draft.answer

    return run


def asyncio_runner(work):
    """The same by hand: the floor."""

    async def node(value):
        await work()
        return value

    async def run(question):
        await node("plan")
        await node(("a", "b"))
        candidates = await asyncio.gather(node(question), node(question))
        answer = await node(candidates[0])
        if not await node(True):
            answer = await node(answer)
        return await node(answer)

    return run


def langgraph_runner(work):
    """The same as a compiled LangGraph."""
    from langgraph.graph import END, START, StateGraph

    class State(TypedDict, total=False):
        question: str
        plan: str
        answer: str
        passed: bool
        candidates: Annotated[list[str], add]

    def node(**values):
        async def run(state):
            await work()
            return values or {"answer": state["question"]}

        return run

    graph = StateGraph(State)
    for name, values in (
        ("plan", {"plan": "plan"}),
        ("decompose", {"plan": "parts"}),
        ("programmer", {"candidates": ["x"]}),
        ("custom", {"candidates": ["x"]}),
        ("aggregate", {}),
        ("verify", {"passed": True}),
        ("revise", {}),
        ("format", {}),
    ):
        graph.add_node(name, node(**values))
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "decompose")
    graph.add_edge("decompose", "programmer")
    graph.add_edge("decompose", "custom")
    graph.add_edge(["programmer", "custom"], "aggregate")
    graph.add_edge("aggregate", "verify")
    graph.add_conditional_edges("verify", lambda state: "format" if state["passed"] else "revise", ["format", "revise"])
    graph.add_edge("revise", "format")
    graph.add_edge("format", END)
    compiled = graph.compile()

    async def run(question):
        return (await compiled.ainvoke({"question": question, "candidates": []}))["answer"]

    return run


async def no_work():
    """Nothing but one turn of the event loop, which any call of a model takes at least."""
    await asyncio.sleep(0)


async def short_work():
    """What a fast LLM call would look like to the event loop."""
    await asyncio.sleep(NODE_SECONDS)


async def microseconds_a_run(run, tag, episodes):
    """Mean wall time of one run, in microseconds."""
    started = time.perf_counter()
    for number in range(episodes):
        await run(f"{tag}/{number}")
    return (time.perf_counter() - started) / episodes * 1e6


async def overhead():
    """One run after another, the three interleaved."""
    runners = {"asyncio": asyncio_runner, "flowsteer": flowsteer_runner, "langgraph": langgraph_runner}
    runs = {name: make(no_work) for name, make in runners.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(REPETITIONS + 1):
        for name, run in runs.items():
            spent = await microseconds_a_run(run, f"{name}/{repetition}", EPISODES)
            if repetition:
                times[name].append(spent)
    table = Table("runner", "median µs a run", "× asyncio", title=f"Seven no-op nodes, {REPETITIONS}×{EPISODES} runs")
    floor = statistics.median(times["asyncio"])
    for name, spent in times.items():
        median = statistics.median(spent)
        table.add_row(name, f"{median:.0f}", f"{median / floor:.1f}")
    Console().print(table)


def resident_mb():
    """Resident memory now, in MiB."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


async def watch_memory(peak):
    """Keep the highest resident memory in `peak[0]`."""
    while True:
        peak[0] = max(peak[0], resident_mb())
        await asyncio.sleep(0.005)


async def concurrent():
    """A thousand runs at once, of nodes that take 20 ms."""
    table = Table("runner", "wall s", "× asyncio", "MiB above idle", title=f"{CONCURRENT} concurrent runs, 20 ms nodes")
    floor = None
    for name, make in (("asyncio", asyncio_runner), ("flowsteer", flowsteer_runner)):
        walls, peaks = [], []
        for repetition in range(5):
            run = make(short_work)
            gc.collect()
            idle = resident_mb()
            peak = [idle]
            watcher = asyncio.create_task(watch_memory(peak))
            started = time.perf_counter()
            await asyncio.gather(*(run(f"{repetition}/{number}") for number in range(CONCURRENT)))
            walls.append(time.perf_counter() - started)
            watcher.cancel()
            peaks.append(peak[0] - idle)
        wall = statistics.median(walls)
        floor = floor or wall
        table.add_row(name, f"{wall:.3f}", f"{wall / floor:.2f}", f"{max(peaks):.0f}")
    Console().print(table)


if __name__ == "__main__":
    calm()  # as the command line does
    # First, while LangGraph is not loaded: its many objects would slow every garbage collection of the others.
    asyncio.run(concurrent())
    asyncio.run(overhead())
