"""What an episode is paid: the paper's reward, and additions that are off unless they are asked for."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

Variant = Literal["cwrpo", "additive", "answer", "structure"]
"""`cwrpo` is the paper's, `additive` −1 + R_div + R_ans without a gate, `answer` −1 + R_ans, `structure` −1 + R_div."""


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """Which reward is paid; all numbers are 0 in the paper.

    The last three are costs of the final workflow's execution, and are asked for only behind an open gate: asked for
    from the start they took the loops out of workflows before these had learned to pay. They are counted whole, also
    where the memo that a group shares answered a call, so that they depend on the workflow and not on which rollout
    asked first. Let them stay below the 0.2 that the last part of R_div is worth, or opening the gate does not pay.

    Attributes:
        variant: Which of R's parts are added up, and whether the gate holds the answer back.
        finish: Added when the Director's own finish was accepted.
        gated_finish: Added when it was, and the gate is open: a finish is then worth nothing by itself.
        rejected: Subtracted in full if every turn was rejected, else in proportion.
        token_cost: Subtracted for each 1,000 tokens the Director sampled.
        operator_cost: Subtracted for each operator run above the six that R_div asks for, rounds of loops included.
            Those six no Director could save.
        executor_token_cost: Subtracted for each 1,000 tokens that the operators' calls read and wrote.
        money_cost: Subtracted for each US dollar that they cost; the executor must be one whose price is known.
    """

    variant: Variant = "cwrpo"
    finish: Annotated[float, Ge(0)] = 0.0
    gated_finish: Annotated[float, Ge(0)] = 0.0
    rejected: Annotated[float, Ge(0)] = 0.0
    token_cost: Annotated[float, Ge(0)] = 0.0
    operator_cost: Annotated[float, Ge(0)] = 0.0
    executor_token_cost: Annotated[float, Ge(0)] = 0.0
    money_cost: Annotated[float, Ge(0)] = 0.0
