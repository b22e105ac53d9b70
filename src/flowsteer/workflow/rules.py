"""What a canvas allows, and when a workflow may be finished; spoken in categories, never in operator names."""

from collections.abc import Mapping
from dataclasses import dataclass

from flowsteer.workflow.nodes import Category


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of one canvas.

    Attributes:
        categories: Each operator's category: the legal operators.
        min_steps: Fewest operators before a finish (paper: 5).
        max_steps: Most operators a workflow may hold.
        needs: Categories that must occur before a finish (paper: verification).
        needs_structure: Whether a finish needs a parallel, conditional or loop (paper: yes).
        two_step: Whether the canvas asks for each new step's instruction in a turn of its own.
    """

    categories: Mapping[str, Category]
    min_steps: int = 5
    max_steps: int = 24
    needs: tuple[Category, ...] = ("verification",)
    needs_structure: bool = True
    two_step: bool = False
