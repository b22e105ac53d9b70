"""Edits of a workflow: the action space of spec §3 as data. Their free text is made sound: a record can hold it."""

from dataclasses import dataclass

from flowsteer.unicode import make_sound
from flowsteer.workflow.nodes import NodeId, Structure

Container = str
"""Where a node is added: `""` the top level, `node_3` a loop's body, `node_3.1` the first branch of a parallel
(1-based), `node_3.true` and `node_3.false` a conditional's branches (`true` runs when the check FAILS)."""


@dataclass(frozen=True, slots=True)
class AddStep:
    """Add one operator at the end of the container, or at the 0-based `position` among its children."""

    operator: str
    prompt: str = ""
    backend: str = ""
    position: int | None = None
    container: Container = ""

    def __post_init__(self) -> None:
        make_sound(self, "prompt")


@dataclass(frozen=True, slots=True)
class AddStructure:
    """Add a filled structure. The ids inside `structure` are placeholders; `apply` gives new ones."""

    structure: Structure
    position: int | None = None
    container: Container = ""


@dataclass(frozen=True, slots=True)
class WrapParallel:
    """`set_structure parallel`: a run of siblings becomes the branches of a parallel, one branch each."""

    targets: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class WrapLoop:
    """`set_structure loop`: a run of siblings becomes the body of a loop."""

    targets: tuple[NodeId, ...]
    count: int


@dataclass(frozen=True, slots=True)
class WrapConditional:
    """`set_structure conditional`: a check and the siblings right after it become a conditional."""

    check: NodeId
    if_fail: tuple[NodeId, ...]
    if_pass: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a node with everything inside it."""

    target: NodeId


@dataclass(frozen=True, slots=True)
class Modify:
    """Change a step's operator; place, id, instruction and backend stay."""

    target: NodeId
    operator: str


@dataclass(frozen=True, slots=True)
class SetPrompt:
    """Give a step another instruction."""

    target: NodeId
    prompt: str

    def __post_init__(self) -> None:
        make_sound(self, "prompt")


@dataclass(frozen=True, slots=True)
class Finish:
    """Declare the workflow done. The answer is recorded, never scored."""

    answer: str = ""

    def __post_init__(self) -> None:
        make_sound(self, "answer")


Edit = AddStep | AddStructure | WrapParallel | WrapLoop | WrapConditional | Delete | Modify | SetPrompt
Action = Edit | Finish
