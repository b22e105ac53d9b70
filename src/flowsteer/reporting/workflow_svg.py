"""A workflow as inline SVG, from its page layout."""

from collections.abc import Mapping
from html import escape
from typing import Any

from flowsteer.workflow.layout import to_layout
from flowsteer.workflow.nodes import NodeId, Workflow

MARGIN = 12
JSON = dict[str, Any]


def workflow_svg(workflow: Workflow, marks: Mapping[NodeId, str]) -> str:
    """Draw a workflow. The page around it defines the arrow head, `head`; a loop's way back is drawn on its frame.

    Args:
        workflow: The workflow.
        marks: Class names for nodes, by id, such as `ran`, `failed` or `new`.
    """
    page = to_layout(workflow)
    boxes = {box["id"]: box for box in page["nodes"]}
    parts = [_box(box, marks.get(NodeId(box["id"]), "")) for box in page["nodes"]]
    parts += [_arrow(edge, boxes) for edge in page["edges"] if not edge["back"]]
    width, height = page["width"] + 2 * MARGIN, page["height"] + 2 * MARGIN
    view = f"{-MARGIN} {-MARGIN} {width} {height}"
    head = f'<svg class="flow" viewBox="{view}" width="{width}" height="{height}" role="img" aria-label="the workflow">'
    return f"{head}{''.join(parts)}</svg>"


def _box(box: JSON, mark: str) -> str:
    x, y, w, h, kind = box["x"], box["y"], box["w"], box["h"], box["kind"]
    label = escape(box["label"])
    if kind in ("step", "check"):
        corner = 22 if kind == "check" else 6
        middle = x + w / 2
        return (
            f'<g class="{kind} {mark}"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{corner}"/>'
            f'<text x="{middle:g}" y="{y + 20}">{label}</text>'
            f'<text class="id" x="{middle:g}" y="{y + 35}">{escape(box["id"])}</text></g>'
        )
    if kind == "terminal":
        return (
            f'<g class="terminal"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{h / 2:g}"/>'
            f'<text x="{x + w / 2:g}" y="{y + h / 2 + 4:g}">{label}</text></g>'
        )
    again = ""
    if kind == "loop":
        again = f'<path class="back" marker-end="url(#head)" d="M{x + w - 12} {y + h - 6}H{x + 12}"/>'
    return (
        f'<g class="frame"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8"/>'
        f'<text x="{x + 10}" y="{y + 16}">{label} · {escape(box["id"])}</text>{again}</g>'
    )


def _arrow(edge: JSON, boxes: Mapping[str, JSON]) -> str:
    """A curve from the right side of its source to the left side of its target."""
    source, target = boxes[edge["source"]], boxes[edge["target"]]
    x1, y1 = source["x"] + source["w"], source["y"] + source["h"] / 2
    x2, y2 = target["x"], target["y"] + target["h"] / 2
    bend = min(40, (x2 - x1) / 2)
    curve = f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    line = f'<path marker-end="url(#head)" d="{curve}"/>'
    if not edge["label"]:
        return line
    return f'{line}<text class="when" x="{x2 - 4:g}" y="{y2 - 5:g}">{escape(edge["label"])}</text>'
