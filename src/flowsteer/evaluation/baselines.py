"""The systems that need no Director, written as workflows over the operators, so that one engine runs them all."""

from dataclasses import replace

from flowsteer.backends.other_draws import EQUAL_TEMPERATURE
from flowsteer.draft import Draft
from flowsteer.errors import ConfigError
from flowsteer.operators.base import OperatorCall, operator
from flowsteer.operators.registry import Library
from flowsteer.operators.solution import NEW_SOLUTION, write_solution
from flowsteer.session import Session
from flowsteer.workflow.dsl import parse_dsl
from flowsteer.workflow.nodes import Workflow

SC_TEMPERATURE = EQUAL_TEMPERATURE
"""At which self-consistency draws (Wang et al. 2023, arXiv 2203.11171, §3.1): all of its draws, the first too."""

MAX_SC = 26
"""Most candidates that ScEnsemble can name, a letter each."""

DIRECT = "DirectAnswer"
COT = "Custom"
REFINE = "Custom -> (Review -> Revise) * 2"

HAND_MADE = (
    "Plan -> Programmer -> Verify ? Revise : done -> Review ? Revise : done -> Format",
    "[Custom, Programmer, AnswerGenerate] -> ScEnsemble -> Verify ? Revise : done -> Format",
    "Plan -> Custom -> (Review -> Revise) * 2 -> Format",
    "Decompose -> AnswerGenerate -> Review ? Revise : done -> Format",
    "Plan -> Programmer -> Test -> (Review -> Revise) * 2",
)
"""Workflows written by hand, of different skeletons: what `fixed:best` chooses from and `search` starts with.

Each meets the paper's finish conditions for math and qa tasks; `--without agent` runs the first.
"""


@operator(category="solving", reads=(), writes=NEW_SOLUTION)
async def direct_answer(call: OperatorCall) -> Draft:
    """Answer at once, without reasoning in words.

    Raises:
        OperatorError: `no_code`, `empty_reply` or `cut_reply` if the LLM gives no answer.
    """
    return await write_solution(call, "direct_answer")


def with_baselines(session: Session) -> Session:
    """The session with the baselines' own operator beside its library's; a Director never sees that one."""
    own = session.library
    return replace(session, library=Library.of(f"{own.name}+baselines", (*own.operators.values(), direct_answer)))


def self_consistency(count: int) -> Workflow:
    """`count` equal steps of reasoning in parallel, and an ensemble.

    Raises:
        ConfigError: `count` is not from 2 to `MAX_SC`.
    """
    if not 2 <= count <= MAX_SC:
        raise ConfigError(f"sc:{count}: self-consistency draws 2 to {MAX_SC} times", "sc:5")
    return parse_dsl(f"[{', '.join([COT] * count)}] -> ScEnsemble")
