"""A workflow as a Python program with a LangGraph graph, whose nodes and edges stand in the text."""

from collections.abc import Mapping

from flowsteer.exporting.python_program import BODY, HEAD, program_values
from flowsteer.exporting.reproduction import Reproduction
from flowsteer.operators.registry import load_library
from flowsteer.workflow.nodes import Category, Conditional, Loop, Node, Parallel, Sequence, Step

PROGRAM = (
    HEAD
    + """
import asyncio
import os
import sys
from dataclasses import replace

from langgraph.graph import END, START, StateGraph

import flowsteer
from flowsteer.adapters.langgraph import LIMITS, START_STATE, FlowState, GraphNodes, graph_nodes, verdict
from flowsteer.task import task_from_json
"""
    + BODY
    + '''
def build(nodes: GraphNodes):
    """The graph: a node for each step, an edge wherever the draft can go; each branch of a parallel is a graph too."""
{graph}
    return graph.compile()


async def arun(question: str | None = None, context: str | None = None, executor: str | None = None):
    """Run the graph; what comes back is its last state, whose draft holds the answer."""
    async with graph_nodes(WORKFLOW, asked(question, context), SETUP, executor_named(executor)) as nodes:
        return await build(nodes).ainvoke(START_STATE, LIMITS)


def answer(question: str | None = None, context: str | None = None, executor: str | None = None) -> str:
    """The answer of the graph."""
    return asyncio.run(arun(question, context, executor))["draft"].answer


if __name__ == "__main__":
    print(answer(*sys.argv[1:2]))
'''
)

_END = "END"


def langgraph_program(reproduced: Reproduction) -> str:
    """The text of the program.

    Args:
        reproduced: What it is to run.

    Raises:
        RunError: It has a flaw.
    """
    reproduced.refuse_flaw()
    writer = _GraphWriter("graph", load_library(reproduced.setup.library).categories)
    lines = writer.written(reproduced.workflow.nodes, ())
    return PROGRAM.format(graph="\n".join(f"    {line}" for line in lines), **program_values(reproduced))


class _GraphWriter:
    """Writes one graph; a name stands in it as Python source.

    Where a draft goes next, `after`, and where it goes once a check in the innermost loop has passed, `leave`, are
    names, too; outside of loops there is nothing to leave.
    """

    def __init__(self, graph: str, categories: Mapping[str, Category]) -> None:
        self._graph = graph
        self._categories = categories
        self._inner: list[str] = []
        self._lines = [f"{graph} = StateGraph(FlowState)"]

    def written(self, nodes: Sequence, loops: tuple[str, ...]) -> list[str]:
        """Its lines, those of the graphs inside before them."""
        self._edge("START", _first(nodes, _END))
        self._sequence(nodes, loops, _END, None)
        return [*self._inner, *self._lines]

    def _sequence(self, nodes: Sequence, loops: tuple[str, ...], after: str, leave: str | None) -> None:
        for place, node in enumerate(nodes):
            self._node(node, loops, _first(nodes[place + 1 :], after), leave)

    def _node(self, node: Node, loops: tuple[str, ...], after: str, leave: str | None) -> None:
        match node:
            case Step():
                self._step(node, loops)
                if leave is not None and self._categories[node.operator] == "verification":
                    self._ways(node, leave, after, after)
                else:
                    self._edge(_name(node), after)
            case Conditional(_, check, if_fail, if_pass):
                passed = after if leave is None else leave
                self._step(check, loops)
                self._ways(check, _first(if_pass, passed), _first(if_fail, after), after)
                self._sequence(if_pass, loops, passed, leave)
                self._sequence(if_fail, loops, after, leave)
            case Loop(loop, body, _):
                again, start = repr(f"{loop} again"), _first(body, after)
                self._add(f"add_node({_name(node)}, nodes.enter({loop!r}))")
                self._edge(_name(node), start)
                self._sequence(body, (*loops, loop), again, after)
                self._add(f"add_node({again}, nodes.again({loop!r}))")
                self._add(f"add_conditional_edges({again}, nodes.more({loop!r}), {{True: {start}, False: {after}}})")
            case Parallel(parallel, branches):
                self._parallel(parallel, _name(node), branches, loops, after)

    def _parallel(
        self, parallel: str, fork: str, branches: tuple[Sequence, ...], loops: tuple[str, ...], after: str
    ) -> None:
        join = repr(f"{parallel} join")
        ends = [repr(f"{parallel} branch {number + 1}") for number in range(len(branches))]
        self._add(f"add_node({fork}, nodes.fork())")
        for number, branch in enumerate(branches):
            inner = f"{parallel}_branch_{number + 1}"
            self._inner += _GraphWriter(inner, self._categories).written(branch, loops)
            self._add(f"add_node({ends[number]}, nodes.branch({parallel!r}, {number}, {inner}.compile()))")
            self._edge(fork, ends[number])
        self._add(f"add_node({join}, nodes.join({parallel!r}))")
        self._edge(f"[{', '.join(ends)}]", join)
        self._edge(join, after)

    def _step(self, step: Step, loops: tuple[str, ...]) -> None:
        inside = ", ".join(map(repr, (str(step.id), *map(str, loops))))
        self._add(f"add_node({_name(step)}, nodes.step({inside}))")

    def _ways(self, check: Step, passed: str, failed: str, undecided: str) -> None:
        ways = f'{{"passed": {passed}, "failed": {failed}, "none": {undecided}}}'
        self._add(f"add_conditional_edges({_name(check)}, verdict, {ways})")

    def _edge(self, source: str, target: str) -> None:
        self._add(f"add_edge({source}, {target})")

    def _add(self, call: str) -> None:
        self._lines.append(f"{self._graph}.{call}")


def _first(nodes: Sequence, otherwise: str) -> str:
    """The name that leads into a sequence; an empty one leads to what comes after it."""
    return _name(nodes[0]) if nodes else otherwise


def _name(node: Node) -> str:
    match node:
        case Step(ident, operator):
            return repr(f"{ident} {operator}")
        case Conditional(_, check):
            return _name(check)
        case Loop(ident):
            return repr(f"{ident} loop")
        case Parallel(ident):
            return repr(f"{ident} fork")
