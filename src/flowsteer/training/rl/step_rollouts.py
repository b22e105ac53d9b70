"""The rollouts of a step: those of its own groups, and of fresh ones in place of groups that teach nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowsteer.training.data import Schedule
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.rl.cwrpo import fresh_row, silent
from flowsteer.training.rl.settings import UpdateSettings
from flowsteer.training.rollout.rollout import Rollout, check_not_all_lost


@dataclass(frozen=True, slots=True)
class StepRollouts:
    """What was played for a step, by all processes.

    Attributes:
        first: The rollouts of the step's own groups: what its figures are about, since no task of theirs was chosen by
            how it went.
        trained: Those that are trained on, group by group.
        played: All, in the order of the rounds.
        replaced: Groups that others took the place of, counted over the rounds.
    """

    first: list[Rollout]
    trained: list[Rollout]
    played: list[Rollout]
    replaced: int = 0


def rolled_out(
    step: int,
    rows: Mapping[int, int],
    play: Callable[[Mapping[int, int]], list[Rollout]],
    tasks: Schedule,
    update: UpdateSettings,
    ranks: Ranks,
) -> tuple[list[Rollout], StepRollouts]:
    """Play a step, and its extra rounds while a group teaches nothing (DAPO's dynamic sampling).

    Args:
        step: The update, from 1.
        rows: This process's rollouts, as in `cwrpo.groups_of`.
        play: Plays some of them.
        tasks: Training tasks, in order.
        update: How many rounds there may be.
        ranks: The processes that share the step; all see the same rewards, and agree on what is played again.

    Returns:
        What this process trains on, and what all played.

    Raises:
        BackendUnavailable: Every episode of the step's own groups was lost to infrastructure.
    """
    mine = dict(zip(rows, play(rows), strict=True))
    first = ranks.gather(list(mine.values()))
    check_not_all_lost(first)
    trained, played, replaced = first, list(first), 0
    for extra in range(1, update.dynamic + 1):
        again = silent([rollout.reward.value for rollout in trained], update.group)
        if not again:
            break
        fresh = {
            place: fresh_row(row, step, extra, tasks, update)
            for place, row in rows.items()
            if place // update.group in again
        }
        drawn = play(fresh)
        mine |= zip(fresh, drawn, strict=True)
        trained = ranks.gather(list(mine.values()))
        played += ranks.gather(drawn)
        replaced += len(again)
    return list(mine.values()), StepRollouts(first, trained, played, replaced)
