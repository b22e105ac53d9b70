"""Places for the nodes of a workflow on a page: time runs to the right, branches lie below each other."""

from typing import Any

from flowsteer.workflow.drawing import title
from flowsteer.workflow.graph import END, START, edges
from flowsteer.workflow.nodes import Conditional, Node, Sequence, Step, Workflow, child_sequences

STEP = (132, 44)
TERMINAL = (72, 32)
GAP = 40
"""Between nodes that follow each other; all lengths are in pixels."""
LANE_GAP = 16
EMPTY_LANE = (0, 20)
PADDING = 14
HEADER = 24
"""Room for the title at the top of a structure's frame."""

Size = tuple[int, int]
JSON = dict[str, Any]


def to_layout(workflow: Workflow) -> JSON:
    """Lay a workflow out for a web page.

    Args:
        workflow: The workflow.

    Returns:
        `width` and `height` of the page; `nodes`, outer ones first, each with `id`, `kind` (`step`, `check`,
        `parallel`, `conditional`, `loop` or `terminal`), `label`, the corner `x`, `y`, the size `w`, `h`, and `layer`,
        how many frames are around it; `edges` with `source`, `target`, `label` and `back`.
    """
    width, height = _sequence_size(workflow.nodes)
    height = max(height, TERMINAL[1])
    page = _Page()
    page.box(START, "terminal", START, TERMINAL, 0, (height - TERMINAL[1]) // 2, 0)
    page.sequence(workflow.nodes, TERMINAL[0] + GAP, 0, height, 0)
    right = TERMINAL[0] + GAP + (width + GAP if workflow.nodes else 0)
    page.box(END, "terminal", END, TERMINAL, right, (height - TERMINAL[1]) // 2, 0)
    arrows = [
        {"source": edge.source, "target": edge.target, "label": edge.label, "back": edge.back}
        for edge in edges(workflow)
    ]
    nodes = sorted(page.boxes, key=lambda box: box["layer"])
    return {"width": right + TERMINAL[0], "height": height, "nodes": nodes, "edges": arrows}


def _sequence_size(nodes: Sequence) -> Size:
    if not nodes:
        return EMPTY_LANE
    sizes = [_size(node) for node in nodes]
    return sum(w for w, _ in sizes) + GAP * (len(sizes) - 1), max(h for _, h in sizes)


def _size(node: Node) -> Size:
    if isinstance(node, Step):
        return STEP
    lanes = [_sequence_size(inner) for inner in child_sequences(node)]
    width = max(w for w, _ in lanes)
    height = sum(h for _, h in lanes) + LANE_GAP * (len(lanes) - 1)
    if isinstance(node, Conditional):
        width, height = STEP[0] + GAP + width, max(height, STEP[1])
    return width + 2 * PADDING, height + HEADER + PADDING


class _Page:
    """Collects placed boxes."""

    def __init__(self) -> None:
        self.boxes: list[JSON] = []

    def box(self, id_: str, kind: str, label: str, size: Size, x: int, y: int, layer: int) -> None:
        w, h = size
        self.boxes.append({"id": id_, "kind": kind, "label": label, "x": x, "y": y, "w": w, "h": h, "layer": layer})

    def sequence(self, nodes: Sequence, x: int, y: int, height: int, layer: int) -> None:
        """Place nodes from left to right, each in the middle of a lane of this height."""
        for node in nodes:
            w, h = _size(node)
            self.node(node, x, y + (height - h) // 2, layer)
            x += w + GAP

    def node(self, node: Node, x: int, y: int, layer: int) -> None:
        if isinstance(node, Step):
            self.box(node.id, "step", node.operator, STEP, x, y, layer)
            return
        size = _size(node)
        self.box(node.id, type(node).__name__.lower(), title(node), size, x, y, layer)
        left, top = x + PADDING, y + HEADER
        if isinstance(node, Conditional):
            middle = top + (size[1] - HEADER - PADDING - STEP[1]) // 2
            self.box(node.check.id, "check", node.check.operator, STEP, left, middle, layer + 1)
            left += STEP[0] + GAP
        for inner in child_sequences(node):
            _, height = _sequence_size(inner)
            self.sequence(inner, left, top, height, layer + 1)
            top += height + LANE_GAP
