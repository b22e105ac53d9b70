"""LangGraph: what the nodes of an exported graph do; `flowsteer export --to langgraph` writes the graph itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, TypedDict

from flowsteer.draft import EMPTY, Draft
from flowsteer.execution.executor import Walk, branch_start
from flowsteer.runs.events import Emit, ignore
from flowsteer.session import Setup, open_session, roster_of
from flowsteer.task import Task
from flowsteer.workflow.nodes import Loop, NodeId, Parallel, Step, Workflow, walk


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return old | new


class FlowState(TypedDict):
    """What flows along the edges.

    Attributes:
        draft: The draft.
        verdict: What the latest check said: `passed`, `failed`, or `none` where it could not say.
        turns: Iteration of each loop, by its id.
        ends: The draft that left each branch of a parallel, by the parallel's id and the branch's number.
    """

    draft: Draft
    verdict: str
    turns: Annotated[dict[str, int], _merged]
    ends: Annotated[dict[tuple[str, int], Draft], _merged]


START_STATE: FlowState = {"draft": EMPTY, "verdict": "none", "turns": {}, "ends": {}}
LIMITS = {"recursion_limit": 100_000}
"""LangGraph counts every node; how often a loop repeats is bounded by the workflow."""

Update = Callable[[FlowState], Awaitable[dict[str, Any]]]


class GraphNodes:
    """Makes the nodes of one run; each step draws, and is known by the memo, as in FlowSteer's own interpreter."""

    def __init__(self, steps: Walk, workflow: Workflow) -> None:
        self._steps = steps
        self._nodes: dict[NodeId, Any] = {node.id: node for node in walk(workflow.nodes)}

    def step(self, node: str, *loops: str) -> Update:
        """Run a step that stands inside these loops, outermost first."""
        step: Step = self._nodes[NodeId(node)]

        async def run(state: FlowState) -> dict[str, Any]:
            draft, passed = await self._steps.step(step, state["draft"], tuple(state["turns"][loop] for loop in loops))
            return {"draft": draft, "verdict": "none" if passed is None else "passed" if passed else "failed"}

        return run

    def enter(self, loop: str) -> Update:
        """Begin a loop: its first iteration."""
        return _always({"turns": {loop: 0}})

    def again(self, loop: str) -> Update:
        """The body of a loop has ended without a passed check: the next iteration, if there is one."""

        async def run(state: FlowState) -> dict[str, Any]:
            return {"turns": {loop: state["turns"][loop] + 1}}

        return run

    def more(self, loop: str) -> Callable[[FlowState], bool]:
        """Whether a loop goes on."""
        count = self._nodes[NodeId(loop)].count
        return lambda state: state["turns"][loop] < count

    def fork(self) -> Update:
        """Before the branches of a parallel: they all start from the same draft."""
        return _always({})

    def branch(self, parallel: str, number: int, graph: Any) -> Update:
        """Run one branch of a parallel, which is a graph of its own."""

        async def run(state: FlowState) -> dict[str, Any]:
            end = await graph.ainvoke({**state, "draft": branch_start(state["draft"])}, LIMITS)
            return {"ends": {(parallel, number): end["draft"]}}

        return run

    def join(self, parallel: str) -> Update:
        """Behind the branches: their results become candidates."""
        node: Parallel = self._nodes[NodeId(parallel)]
        loops = [
            one.id
            for one in self._nodes.values()
            if isinstance(one, Loop) and any(inner.id == node.id for inner in walk(one.body))
        ]

        async def run(state: FlowState) -> dict[str, Any]:
            ends = [state["ends"][parallel, number] for number in range(len(node.branches))]
            at = tuple(state["turns"][loop] for loop in loops)
            return {"draft": self._steps.joined(state["draft"], node, ends, at)}

        return run


def verdict(state: FlowState) -> str:
    """Which way it goes behind a check."""
    return state["verdict"]


@asynccontextmanager
async def graph_nodes(
    workflow: Workflow, task: Task, setup: Setup, executor: str, emit: Emit = ignore
) -> AsyncIterator[GraphNodes]:
    """Connect what the nodes of one run need; leaving the block closes it."""
    chosen = replace(setup, executor=executor, roster=roster_of(workflow) | dict(setup.roster))
    async with open_session(chosen) as session:
        session.refuse_broken(workflow)
        steps = Walk(session.executor(), workflow, task, emit, 0, set())
        try:
            yield GraphNodes(steps, workflow)
        finally:
            steps.watchdog.stop()


def _always(update: dict[str, Any]) -> Update:
    async def run(state: FlowState) -> dict[str, Any]:
        return update

    return run
