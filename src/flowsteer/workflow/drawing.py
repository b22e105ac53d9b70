"""Drawings of the tree: as text for a terminal, and as a Mermaid flowchart."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from flowsteer.workflow.echo import kind
from flowsteer.workflow.graph import END, OTHERWISE, START, WHEN_FAILED, Edge, edges
from flowsteer.workflow.laws import DONE
from flowsteer.workflow.nodes import (
    Conditional,
    Loop,
    Node,
    NodeId,
    Parallel,
    Sequence,
    Step,
    Workflow,
    child_sequences,
)

Status = Mapping[NodeId, str]


@dataclass(frozen=True, slots=True)
class TreeLine:
    """A line of the drawing.

    Attributes:
        node: The node it stands for; None for the label of a branch.
        text: The line.
        status: The words to put behind it; may be empty.
    """

    node: NodeId | None
    text: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class _Item:
    """A line without what leads to it, and the items that hang below it."""

    line: TreeLine
    below: tuple["_Item", ...] = ()


def draw_tree(workflow: Workflow, status: Status | None = None) -> str:
    """Draw a workflow as a tree of lines; one for each node.

    Args:
        workflow: The workflow.
        status: A few words to put behind nodes, by id.

    >>> from flowsteer.workflow import parse_dsl
    >>> print(draw_tree(parse_dsl("[A, B -> C] -> (Verify ? Revise : done) * 3"), {"node_3": "ok"}))
    ├─ node_1 parallel
    │  ├─ branch 1: node_2 A
    │  └─ branch 2
    │     ├─ node_3 B  ok
    │     └─ node_4 C
    └─ node_5 loop ×3
       └─ node_6 conditional
          ├─ check: node_7 Verify
          ├─ if it fails: node_8 Revise
          └─ else: done
    """
    lines = tree_lines(workflow, status)
    return "\n".join(f"{line.text}  {line.status}" if line.status else line.text for line in lines)


def tree_lines(workflow: Workflow, status: Status | None = None) -> Iterator[TreeLine]:
    """The lines of `draw_tree`, each with the node it stands for and the words behind it."""
    if not workflow.nodes:
        yield TreeLine(None, "(an empty workflow)")
    yield from _lines(_items(workflow.nodes, status or {}))


def _lines(items: tuple[_Item, ...]) -> Iterator[TreeLine]:
    for item in items:
        last = item is items[-1]
        yield _led("└─ " if last else "├─ ", item.line)
        for line in _lines(item.below):
            yield _led("   " if last else "│  ", line)


def _led(lead: str, line: TreeLine) -> TreeLine:
    return replace(line, text=lead + line.text)


def _items(nodes: Sequence, status: Status) -> tuple[_Item, ...]:
    return tuple(_item(node, status) for node in nodes)


def _item(node: Node, status: Status) -> _Item:
    words = " ".join(status.get(node.id, "").split())
    return _Item(TreeLine(node.id, f"{node.id} {title(node)}", words), _below(node, status))


def title(node: Node) -> str:
    """A node's operator or kind, a loop with its count."""
    return f"loop ×{node.count}" if isinstance(node, Loop) else kind(node)


def _below(node: Node, status: Status) -> tuple[_Item, ...]:
    match node:
        case Step():
            return ()
        case Loop(_, body):
            return _items(body, status)
        case Parallel(_, branches):
            return tuple(_branch(f"branch {number}", branch, status) for number, branch in enumerate(branches, 1))
        case Conditional(_, check, if_fail, if_pass):
            named = (("check", (check,)), (WHEN_FAILED, if_fail), (OTHERWISE, if_pass))
            return tuple(_branch(name, nodes, status) for name, nodes in named)


def _branch(name: str, nodes: Sequence, status: Status) -> _Item:
    """A labelled branch; a single node stands on the label's own line."""
    if not nodes:
        return _Item(TreeLine(None, f"{name}: {DONE}"))
    items = _items(nodes, status)
    if len(items) == 1:
        return replace(items[0], line=_led(f"{name}: ", items[0].line))
    return _Item(TreeLine(None, name), items)


def to_mermaid(workflow: Workflow) -> str:
    """Draw a workflow as a Mermaid flowchart: steps are boxes, checks diamonds, structures frames around them.

    Args:
        workflow: The workflow.
    """
    lines = ["flowchart TD", f'    {START}(["{START}"])']
    lines += (f"    {line}" for line in _frames(workflow.nodes))
    lines.append(f'    {END}(["{END}"])')
    lines += (f"    {_arrow(edge)}" for edge in edges(workflow))
    return "\n".join(lines) + "\n"


def _frames(nodes: Sequence) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Step):
            yield f'{node.id}["{_label(node)}"]'
            continue
        yield f'subgraph {node.id}["{_label(node)}"]'
        if isinstance(node, Conditional):
            yield f'    {node.check.id}{{"{_label(node.check)}"}}'
        for inner in child_sequences(node):
            yield from (f"    {line}" for line in _frames(inner))
        yield "end"


def _label(node: Node) -> str:
    return f"{_escaped(title(node))}<br/>{node.id}"


def _escaped(text: str) -> str:
    """Text in which no character means anything to Mermaid: entities, written its way."""
    return "".join(sign if sign.isalnum() or sign in " _×" else f"#{ord(sign)};" for sign in text)


def _arrow(edge: Edge) -> str:
    line = "-.->" if edge.back else "-->"
    label = f'|"{edge.label}"|' if edge.label else ""
    return f"{edge.source} {line}{label} {edge.target}"
