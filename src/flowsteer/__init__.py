"""FlowSteer: a small language model learns to build agentic workflows on an executable canvas.

The public API on one screen. Names are loaded when they are first used, so importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowsteer.api import Ran, Solved, arun, asolve, run, solve
    from flowsteer.backends.base import Backend, Message, Reply, Request, Sampling
    from flowsteer.canvas.canvas import Canvas, Settings
    from flowsteer.canvas.director import Director, Observation, Turn
    from flowsteer.datasets.base import Reference, Sample
    from flowsteer.datasets.registry import Dataset, load_samples
    from flowsteer.draft import Candidate, Draft, Verdict
    from flowsteer.environments.blocking import Environment
    from flowsteer.environments.environment import environment
    from flowsteer.errors import BackendError, BackendUnavailable, ConfigError, FlowSteerError, OperatorError
    from flowsteer.grading.base import Grade
    from flowsteer.grading.connect import open_grader
    from flowsteer.operators.base import OperatorCall, operator
    from flowsteer.operators.registry import Library, load_library
    from flowsteer.reward.settings import RewardSettings
    from flowsteer.runs.events import Event
    from flowsteer.sandbox.base import Outcome, Program, Sandbox
    from flowsteer.session import Setup, open_session
    from flowsteer.task import Task
    from flowsteer.workflow.drawing import draw_tree, to_mermaid
    from flowsteer.workflow.dsl import parse_dsl, to_dsl
    from flowsteer.workflow.nodes import Workflow
    from flowsteer.workflow.serial import workflow_from_json, workflow_to_json

_HOMES = {
    "api": ("Ran", "Solved", "arun", "asolve", "run", "solve"),
    "backends.base": ("Backend", "Message", "Reply", "Request", "Sampling"),
    "canvas.canvas": ("Canvas", "Settings"),
    "canvas.director": ("Director", "Observation", "Turn"),
    "datasets.base": ("Reference", "Sample"),
    "datasets.registry": ("Dataset", "load_samples"),
    "draft": ("Candidate", "Draft", "Verdict"),
    "environments.blocking": ("Environment",),
    "environments.environment": ("environment",),
    "errors": ("BackendError", "BackendUnavailable", "ConfigError", "FlowSteerError", "OperatorError"),
    "grading.base": ("Grade",),
    "grading.connect": ("open_grader",),
    "operators.base": ("OperatorCall", "operator"),
    "operators.registry": ("Library", "load_library"),
    "reward.settings": ("RewardSettings",),
    "runs.events": ("Event",),
    "sandbox.base": ("Outcome", "Program", "Sandbox"),
    "session": ("Setup", "open_session"),
    "task": ("Task",),
    "workflow.drawing": ("draw_tree", "to_mermaid"),
    "workflow.dsl": ("parse_dsl", "to_dsl"),
    "workflow.nodes": ("Workflow",),
    "workflow.serial": ("workflow_from_json", "workflow_to_json"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Backend",
    "BackendError",
    "BackendUnavailable",
    "Candidate",
    "Canvas",
    "ConfigError",
    "Dataset",
    "Director",
    "Draft",
    "Environment",
    "Event",
    "FlowSteerError",
    "Grade",
    "Library",
    "Message",
    "Observation",
    "OperatorCall",
    "OperatorError",
    "Outcome",
    "Program",
    "Ran",
    "Reference",
    "Reply",
    "Request",
    "RewardSettings",
    "Sample",
    "Sampling",
    "Sandbox",
    "Settings",
    "Setup",
    "Solved",
    "Task",
    "Turn",
    "Verdict",
    "Workflow",
    "arun",
    "asolve",
    "draw_tree",
    "environment",
    "load_library",
    "load_samples",
    "open_grader",
    "open_session",
    "operator",
    "parse_dsl",
    "run",
    "solve",
    "to_dsl",
    "to_mermaid",
    "workflow_from_json",
    "workflow_to_json",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module 'flowsteer' has no attribute {name!r}")
    return getattr(import_module(f"flowsteer.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """All public names."""
    return __all__
