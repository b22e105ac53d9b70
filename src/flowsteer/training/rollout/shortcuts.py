"""Shortcuts: workflows that look like much and are little; how often they are taken is reported, and never paid."""

from collections import Counter
from dataclasses import dataclass

from flowsteer.reward.diversity import MIN_OPERATORS, worked
from flowsteer.workflow.nodes import Workflow, steps, walk


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Which shortcuts a workflow took, by what ran of it; shares of these are reported for every arm.

    Attributes:
        one_step: At most one operator ran.
        padded: Six or more operators ran, without a structure.
        repeated: Half or more of the steps that ran repeat an operator that another one already is.
    """

    one_step: bool
    padded: bool
    repeated: bool


def shortcuts(workflow: Workflow, succeeded: frozenset[str]) -> Shortcuts:
    """The shortcuts of one workflow.

    Args:
        workflow: The final workflow.
        succeeded: Ids of the steps that ran successfully at least once.

    >>> from flowsteer.workflow import parse_dsl
    >>> shortcuts(parse_dsl("Plan -> Plan -> Plan"), frozenset({"node_1", "node_2", "node_3"}))
    Shortcuts(one_step=False, padded=False, repeated=True)
    """
    ran = [step for step in steps(workflow.nodes) if step.id in succeeded]
    built = any(worked(node, succeeded) for node in walk(workflow.nodes))
    kinds = Counter(step.operator for step in ran)
    return Shortcuts(
        one_step=len(ran) <= 1,
        padded=len(ran) >= MIN_OPERATORS and not built,
        repeated=len(ran) > 1 and 2 * len(kinds) <= len(ran),
    )
