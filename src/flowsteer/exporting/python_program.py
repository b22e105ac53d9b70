"""A workflow as a Python program that runs it as it was run."""

from dataclasses import fields
from importlib.metadata import version
from math import isfinite
from pprint import pformat
from textwrap import indent
from typing import Any

from flowsteer.backends.base import SamplingSettings
from flowsteer.exporting.reproduction import Reproduction
from flowsteer.task import task_to_json
from flowsteer.workflow.dsl import to_dsl
from flowsteer.workflow.serial import workflow_to_json

HEAD = '''"""A workflow, written by FlowSteer {version}: python THIS_FILE "your question".

Elsewhere: `from THIS_FILE import answer`. Without a question it runs on its own task, with the operators,
instructions, draws, seed and time limit of the record. The executor is that of the argument, else of the variable
FLOWSTEER_EXECUTOR, else EXECUTOR.
"""
'''

BODY = '''
DSL = {dsl}
WORKFLOW = flowsteer.workflow_from_json(  # the DSL, with ids, instructions and backends
{workflow}
)
TASK = task_from_json(
{task}
)
EXECUTOR = {executor}
SETUP = flowsteer.Setup(
    director="",
    library={library},
    sandbox={sandbox},
    roster={roster},
    executor_sampling=flowsteer.Sampling({sampling}),
    seed={seed},
    node_seconds={node_seconds},
)


def asked(question: str | None, context: str | None) -> flowsteer.Task:
    """The recorded task, with another question or context if they are given."""
    if question is None and context is None:
        return TASK
    given = {{"question": question, "context": context}}
    return replace(TASK, id="", **{{name: value for name, value in given.items() if value is not None}})


def executor_named(executor: str | None) -> str:
    """The executor to use."""
    return executor or os.environ.get("FLOWSTEER_EXECUTOR") or EXECUTOR

'''

PROGRAM = (
    HEAD
    + """
import os
import sys
from dataclasses import replace

import flowsteer
from flowsteer.task import task_from_json
"""
    + BODY
    + '''
def run(question: str | None = None, context: str | None = None, executor: str | None = None) -> flowsteer.Ran:
    """Run the workflow; what comes back holds the answer, every node run and the cost."""
    return flowsteer.run(WORKFLOW, asked(question, context), executor=executor_named(executor), setup=SETUP)


def answer(question: str | None = None, context: str | None = None, executor: str | None = None) -> str:
    """The answer of the workflow."""
    return run(question, context, executor).answer


if __name__ == "__main__":
    print(answer(*sys.argv[1:2]))
'''
)


def python_program(reproduced: Reproduction) -> str:
    """The text of the program.

    Args:
        reproduced: What it is to run.

    Raises:
        RunError: It has a flaw.
    """
    return PROGRAM.format(**program_values(reproduced))


def program_values(reproduced: Reproduction) -> dict[str, Any]:
    """The values of `HEAD` and `BODY`, each as Python source.

    Raises:
        RunError: It has a flaw.
    """
    reproduced.refuse_flaw()
    setup = reproduced.setup
    sampling = {field.name: getattr(setup.executor_sampling, field.name) for field in fields(SamplingSettings)}
    values = {
        "dsl": to_dsl(reproduced.workflow),
        "workflow": workflow_to_json(reproduced.workflow),
        "task": task_to_json(reproduced.task),
        "executor": setup.executor,
        "library": setup.library,
        "sandbox": setup.sandbox,
        "roster": dict(setup.roster),
        "seed": setup.seed,
        "node_seconds": setup.node_seconds,
    }
    written = {name: _source(value) for name, value in values.items()}
    for name in ("workflow", "task"):
        written[name] = indent(pformat(values[name], width=112, sort_dicts=False), "    ")
    drawn = ", ".join(f"{name}={_source(value)}" for name, value in sampling.items())
    return written | {"sampling": drawn, "version": version("flowsteer")}


def _source(value: object) -> str:
    """A value as Python source; `inf` would be a name."""
    return f'float("{value}")' if isinstance(value, float) and not isfinite(value) else repr(value)
