"""What a workflow is: pure data, and functions on it without any I/O."""

from flowsteer.workflow.apply import Applied, Rejected, apply
from flowsteer.workflow.drawing import draw_tree, to_mermaid
from flowsteer.workflow.dsl import parse_dsl, parse_structure, to_dsl
from flowsteer.workflow.edits import (
    Action,
    AddStep,
    AddStructure,
    Container,
    Delete,
    Edit,
    Finish,
    Modify,
    SetPrompt,
    WrapConditional,
    WrapLoop,
    WrapParallel,
)
from flowsteer.workflow.facts import Facts, facts
from flowsteer.workflow.graph import Edge, edges
from flowsteer.workflow.layout import to_layout
from flowsteer.workflow.nodes import (
    CATEGORIES,
    MAX_LOOP,
    Category,
    Conditional,
    Loop,
    Node,
    NodeId,
    Parallel,
    Sequence,
    Step,
    Structure,
    Workflow,
    find,
    steps,
    walk,
)
from flowsteer.workflow.rules import Rules, unmet, violations
from flowsteer.workflow.sample import random_edit
from flowsteer.workflow.serial import workflow_from_json, workflow_to_json

__all__ = [
    "CATEGORIES",
    "MAX_LOOP",
    "Action",
    "AddStep",
    "AddStructure",
    "Applied",
    "Category",
    "Conditional",
    "Container",
    "Delete",
    "Edge",
    "Edit",
    "Facts",
    "Finish",
    "Loop",
    "Modify",
    "Node",
    "NodeId",
    "Parallel",
    "Rejected",
    "Rules",
    "Sequence",
    "SetPrompt",
    "Step",
    "Structure",
    "Workflow",
    "WrapConditional",
    "WrapLoop",
    "WrapParallel",
    "apply",
    "draw_tree",
    "edges",
    "facts",
    "find",
    "parse_dsl",
    "parse_structure",
    "random_edit",
    "steps",
    "to_dsl",
    "to_layout",
    "to_mermaid",
    "unmet",
    "violations",
    "walk",
    "workflow_from_json",
    "workflow_to_json",
]
