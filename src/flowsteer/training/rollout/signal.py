"""What a group teaches: how far the rewards of its rollouts lie apart, and which terms make them."""

from collections.abc import Sequence
from statistics import fmean, pvariance

from flowsteer.training.rollout.rollout import Rollout

SAME = 1e-9
"""A variance of rewards below this comes from rounding alone."""


def signal(rollouts: Sequence[Rollout], group: int) -> dict[str, float]:
    """Within-group variance by term of the reward; a group in which all rewards are equal teaches nothing.

    Args:
        rollouts: Those of a step, group by group. One without a reward is out of its group; two with one are needed.
        group: Rollouts of a group.

    Returns:
        `signal/TERM`: the variance of a term within a group, a mean over groups; `signal/reward`: that of the reward,
        which is not their sum where terms go together; and `signal/none`: the share of groups without any.
    """
    variances: dict[str, list[float]] = {}
    for first in range(0, len(rollouts), group):
        paid = [one.reward for one in rollouts[first : first + group] if one.reward.value is not None]
        if len(paid) > 1:
            earned = [(("reward", one.value), *((term.name, term.value) for term in one.terms)) for one in paid]
            for members in zip(*earned, strict=True):
                variances.setdefault(members[0][0], []).append(pvariance([value for _, value in members]))
    groups = len(range(0, len(rollouts), group))
    taught = sum(variance > SAME for variance in variances.get("reward", ()))
    found = {f"signal/{name}": fmean(values) for name, values in variances.items() if name != "base"}
    return found | ({"signal/none": 1 - taught / groups} if groups else {})
