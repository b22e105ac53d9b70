"""How a policy is tested: one episode on each task of a list, and the figures they come to."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from flowsteer.datasets.base import Sample
from flowsteer.environments.arena import Arena
from flowsteer.training.config import TrainingConfig
from flowsteer.training.data import name_of
from flowsteer.training.inference.batcher import SMALL
from flowsteer.training.inference.distributed import Ranks
from flowsteer.training.inference.sampling_engine import SamplingEngine
from flowsteer.training.inference.trajectory import DrawSettings
from flowsteer.training.policy.policy import Policy
from flowsteer.training.rollout.metrics import accuracy_by_type, measure, usual_workflows
from flowsteer.training.rollout.rollout import Group, Rollout, check_not_all_lost, play

JSON = dict[str, Any]

AT_ONCE = 100
"""Test or validation episodes played at once."""

TEST = "test"
"""What the draws of tests are called: before and after training, and in all cells of a study, they are the same."""


class PolicyTests:
    """Plays test and validation tasks; the processes of a run share them.

    Args:
        config: The run.
        arena: Where episodes are played.
        runner: The event loop that the arena lives on.
        ranks: The processes that share the run.
        engine: What draws the tokens of a policy now.
        keep: Gets the rollouts of each test, and what to call the policy in the record.
    """

    def __init__(
        self,
        config: TrainingConfig,
        arena: Arena,
        runner: asyncio.Runner,
        ranks: Ranks,
        engine: Callable[[Policy], SamplingEngine],
        keep: Callable[[Sequence[Rollout], str], None],
    ) -> None:
        self._config, self._arena, self._runner, self._ranks = config, arena, runner, ranks
        self._engine, self._keep = engine, keep

    def play(
        self, name: str, policy: Policy, temperature: float, tasks: Sequence[Sample], draws: str = TEST
    ) -> list[Rollout]:
        """Play one episode on each task.

        Args:
            name: What the test is called in the record.
            policy: Who is tested.
            temperature: At which it draws; 0 for the most probable token.
            tasks: The tasks.
            draws: What the draws are called: policies that are tested with draws of one name share them.

        Raises:
            BackendUnavailable: Every episode so far was lost to infrastructure.
        """
        sampler, update = self._config.sampler, self._config.update
        limits = DrawSettings(temperature, sampler.turn_tokens, sampler.episode_tokens, sampler.grammar)
        engine, rollouts = self._engine(policy), list[Rollout]()
        small = policy.model.num_parameters() < SMALL or sampler.engine != "transformers"
        at_once = AT_ONCE if small else update.batch  # what the cache of keys and values has room for
        for first in range(0, len(tasks), at_once):
            some = tasks[first : first + at_once]
            at = f"T{temperature:g}"
            # Draws go by the id alone, as before names had the dataset: tests of runs begun then still share them.
            groups = [
                Group(f"{name}/{at}/{name_of(sample.task)}", sample, 1, draws=f"{draws}/{at}/{sample.task.id}")
                for sample in some
            ]
            mine = groups[self._ranks.number :: self._ranks.count]
            playing = play(policy, mine, self._arena, limits, name, self._config.seed, engine)
            played = {rollout.id: rollout for rollout in self._ranks.gather(self._runner.run(playing))}
            rollouts += [played[f"{group.name}/0"] for group in groups]
            check_not_all_lost(rollouts)
        self._keep(rollouts, f"{name}, T = {temperature:g}")
        return rollouts


def figures(rollouts: Sequence[Rollout]) -> JSON:
    """What a test came to: the means of `measure`, accuracy by type of task, and each type's most frequent workflow."""
    return measure(rollouts) | {"by_type": accuracy_by_type(rollouts), "workflows": usual_workflows(rollouts)}
