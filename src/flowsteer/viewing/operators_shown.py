"""The operators of a run's library, as far as the canvas shows them."""

from dataclasses import asdict
from functools import cache

from flowsteer.errors import FlowSteerError
from flowsteer.runs.event_json import JSON
from flowsteer.viewing.records import OperatorShown


def operators_of(config: JSON) -> JSON:
    """Category, reads and writes of each operator of the library that a run's settings name."""
    executor = config.get("executor")
    inner = executor.get("library") if isinstance(executor, dict) else None
    return _of_library(str(config.get("library") or inner or "paper"))


@cache
def _of_library(name: str) -> JSON:
    from flowsteer.operators.registry import load_library

    try:
        library = load_library(name)
    except FlowSteerError:  # it is installed where the run was made, and not here
        return {}
    return {
        item.name: asdict(OperatorShown(item.category, tuple(item.reads), tuple(item.writes)))
        for item in library.operators.values()
    }
